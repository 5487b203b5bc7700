#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# JSON over UDP from a kernel socket, IPv4 and IPv6, through AF_XDP to (embedded) Kafka: every
# record arrives with its key, an untrusted source is refused, malformed goes to the dead letters.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
lab_kafka
lab_sluiced

send() { # ADDRESS PAYLOAD...
	dev python3 - "$@" <<'PY'
import socket, sys
address, payloads = sys.argv[1], sys.argv[2:]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
for p in payloads:
    s.sendto(p.encode(), (address, 8095))
PY
}

dev ping -c 2 -W 2 10.77.0.1 || fail "no answer to ICMP echo"
dev ping -6 -c 2 -W 2 fd77::1 || fail "no answer to ICMPv6 echo"
send 10.77.0.1 '{"device":"dev-1","temp":21.4}' '[{"device":"dev-2","temp":1},{"device":"dev-3","temp":2}]'
send fd77::1 '{"device":"dev-6","temp":6.5}'
send 10.77.0.1 '{"device":"dev-1","temp":' 'not json'

arrived() { [ "$(records telemetry | wc -l)" -ge 4 ] && [ "$(records dead-letter | wc -l)" -ge 2 ]; }
wait_for 15 arrived || fail "records: $(records telemetry) dead letters: $(records dead-letter)"
[ "$(records telemetry | jq -r .device | sort | tr '\n' ' ')" = "dev-1 dev-2 dev-3 dev-6 " ] || fail "wrong devices"
[ "$(records telemetry | jq -r 'select(.device=="dev-1").fields.temp')" = 21.4 ] || fail "wrong value"
kcat -q -b "$(brokers)" -C -t telemetry -o beginning -e -f '%k %s\n' |
	grep -v '"type":"checkpoint"' |
	while read -r key value; do
		[ "$key" = "$(jq -r .device <<<"$value")" ] || fail "key $key is not the device of $value"
	done
lab_stop
[ "$(status .transports.udp.messages.received)" = 5 ] || fail "messages received: $(status .transports.udp)"
[ "$(status .transports.udp.records.delivered)" = 4 ] || fail "records delivered: $(status .transports.udp)"
[ "$(status .transports.udp.messages.refused.malformed)" = 2 ] || fail "malformed not counted"
