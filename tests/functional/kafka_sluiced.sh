#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole appliance on a real Kafka that hangs for ten seconds and is killed and restarted: what a
# CoAP client was told 2.04 for is there once, the consumer's proof holds for all traffic, the ledgers
# balance, the flow resumes by itself, and the stop does not wait for a client that has gone.
. "$(dirname "$0")/../support/kafka.sh"
. "$(dirname "$0")/../support/lab.sh"
kafka_shipped
lab_network
lab_config "s/brokers: embedded.*/brokers: $BROKERS/"
lab_sluiced

# 100 readings a second from 20 devices, unacknowledged.
dev python3 - <<'PY' &
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(4000):
    s.sendto(b'{"device":"udp-%d","n":%d}' % (n % 20, n), ("10.77.0.1", 8095))
    time.sleep(0.01)
PY
sender=$!
# One device after the other posts once; who hears 2.04 is written down.
(
	set +e
	for ((i = 0; i < 100000; i++)); do
		[ -e "$DIR/enough" ] && break
		dev timeout 4 coap-client -v 6 -B 3 -m post -t application/json -e "{\"i\":$i}" \
			"coap://10.77.0.1/t/coap-$i/env" >"$DIR/answer" 2>&1
		# With the "c:": the client also prints the time, and 19:31:12.043 is no answer.
		grep -q 'c:2\.04' "$DIR/answer" && echo "coap-$i" >>"$DIR/told"
	done
) &
poster=$!
touch "$DIR/told"
told() { wc -l <"$DIR/told"; }
told_more_than() { [ "$(told)" -gt "$1" ]; }

wait_for 60 told_more_than 20 || fail "no 2.04 from a Kafka that is well"
"$BROKER" pause
sleep 2
before=$(told)
sleep 8
[ "$(told)" = "$before" ] || fail "2.04 from a Kafka that hangs"
"$BROKER" resume
wait_for 30 told_more_than "$before" || fail "the flow did not resume after the pause"
"$BROKER" kill
sleep 1
before=$(told)
kafka_start
wait_for 60 told_more_than $((before + 5)) || fail "the flow did not resume after the restart"
wait "$sender"
touch "$DIR/enough"
wait "$poster"
# A device that goes before its separate answer comes: the stop waits for the record, not for the device.
"$BROKER" pause
dev timeout 2 coap-client -v 6 -B 3 -m post -t application/json -e '{"gone":1}' "coap://10.77.0.1/t/gone/env" >/dev/null 2>&1 || true
"$BROKER" resume
lab_stop
grep -q 'not drained' "$RUN/sluiced.log" && fail "the stop waited for a device that has gone"
grep -q 'coap answers sent and not acknowledged by their clients: [1-9]' "$RUN/sluiced.log" || fail "nobody went"

dump telemetry
prove telemetry
python3 - "$DIR/telemetry.dump" "$DIR/told" "$TOP/tests/support" <<'PY' || fail "acknowledged and not in Kafka"
import collections, json, sys
sys.path.insert(0, sys.argv[3])
from prove_complete import messages
ids, devices, udp = collections.Counter(), set(), 0
for _, _, key, value, _ in messages(open(sys.argv[1], "rb")):
    r = json.loads(value)
    if r["type"] != "record":
        continue
    ids[r["id"]] += 1
    devices.add(r["device"])
    udp += r["device"].startswith("udp-")
told = {line.strip() for line in open(sys.argv[2])}
twice = [i for i, n in ids.items() if n > 1]
devices_missing = (told | {"gone"}) - devices
if devices_missing or twice:
    sys.exit(f"missing {sorted(devices_missing)[:5]}, twice {twice[:5]}")
print(f"{len(told)} told 2.04, all there once; {udp} of 4000 unacknowledged UDP readings there")
PY
