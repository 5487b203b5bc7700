#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two workers on a port with one queue: frames of a flow that the other worker owns are handed over,
# answers go out through the queue's owner, nothing is lost and the ledger balances.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config 's/^  workers: 1/  workers: 2/' 's/^  memory: 512MiB/  memory: 768MiB/'
lab_kafka
lab_sluiced

dev ping -c 2 -i 0.2 -W 2 10.77.0.1 || fail "no answer to ICMP echo"
dev python3 - <<'PY'
import socket, time
for n in range(400):
    v6 = n % 2
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b'{"device":"dev-%d","n":%d}' % (n % 40, n), ("fd77::1" if v6 else "10.77.0.1", 8095))
    s.close()
    if n % 20 == 0:
        time.sleep(0.01)
PY
# A request needs its answer back through the other worker's queue: twenty ports, both workers.
for n in $(seq 1 20); do
	dev coap-client -B 5 -p $((40000 + n)) -m post -t application/json -e "{\"n\":$n}" \
		"coap://10.77.0.1/t/coap-$n/env" >/tmp/answer 2>&1 || fail "coap-client $n: $(cat /tmp/answer)"
done
# A datagram larger than the MTU is reassembled where it arrives and processed by its owner.
dev python3 - <<'PY'
import json, socket
for n in range(10):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(json.dumps({"device": f"big-{n}", "text": "x" * 4000}).encode(), ("10.77.0.1", 8095))
PY
all() { [ "$(records telemetry | wc -l)" = 430 ]; }
wait_for 15 all || fail "$(records telemetry | wc -l) of 430 records"
lab_stop
[ "$(status '.frames.handed_over')" -gt 50 ] || fail "no frames handed over: $(status .workers)"
[ "$(status '[.workers[].taken_over] | add')" -gt 50 ] || fail "no frames taken over: $(status .workers)"
[ "$(status .transports.coap.messages.acked)" = 20 ] || fail "acked: $(status .transports.coap)"
