#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A capture of mosquitto_pub talking to a mosquitto broker, replayed: every publish is printed once,
# whatever its QoS and protocol version, although none of it was ever addressed to us.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
ip addr add 10.77.0.9/24 dev slu0
ethtool -K slu0 tx off tso off gso off gro off >/dev/null 2>&1 || true

cat >"$RUN/mosquitto.conf" <<'CONF'
listener 1883 10.77.0.9
allow_anonymous true
user root
CONF
mosquitto -c "$RUN/mosquitto.conf" >"$RUN/mosquitto.log" 2>&1 &
pids+=($!)
listening() { dev timeout 5 mosquitto_pub -h 10.77.0.9 -t warm/up -n 2>/dev/null; }
wait_for 10 listening || fail "mosquitto: $(cat "$RUN/mosquitto.log")"

dev tcpdump -i sld0 -s 0 -w "$RUN/mqtt.pcap" --immediate-mode -U tcp >/dev/null 2>&1 &
tcpdump=$!
wait_for 5 test -s "$RUN/mqtt.pcap" || fail "no tcpdump"
n=0
for version in 31 311 5; do
	for qos in 0 1 2; do
		n=$((n + 1))
		dev timeout 10 mosquitto_pub -h 10.77.0.9 -V "$version" -q "$qos" -i "c$n" -t "t/dev-$n/env" -m "{\"temp\":$n.5}" ||
			fail "mosquitto_pub -V $version -q $qos"
	done
done
# One connection, many publishes, and one that needs several segments.
seq 100 | sed 's/.*/{"n":&}/' | dev timeout 10 mosquitto_pub -h 10.77.0.9 -V 5 -q 1 -i many -t t/many/env -l
printf '{"text":"%s"}' "$(head -c 20000 /dev/zero | tr '\0' x)" |
	dev timeout 10 mosquitto_pub -h 10.77.0.9 -V 311 -q 1 -i big -t t/big/env -s
wait_for 10 lab_caught "$RUN/mqtt.pcap" || fail "frames keep coming"
kill -TERM "$tcpdump"
wait "$tcpdump" || true

lab_replay "$RUN/mqtt.pcap"
values() { jq -r --arg d "$1" "select(.type==\"record\" and .device==\$d).fields.$2" "$RUN/replay1.json"; }
for n in 1 2 3 4 5 6 7 8 9; do
	[ "$(values "dev-$n" temp)" = "$n.5" ] || fail "dev-$n: $(cat "$RUN/replay1.json" "$RUN/replay1.log")"
done
[ "$(values many n | tr '\n' ' ')" = "$(seq -s ' ' 100) " ] || fail "many: $(values many n)"
[ "$(values big text | tr -d '\n' | wc -c)" = 20000 ] || fail "big: $(cat "$RUN/replay1.log")"
[ "$(jq -s 'map(select(.type=="record")) | length' "$RUN/replay1.json")" = 110 ] || fail "records: $(jq -c .device "$RUN/replay1.json")"
