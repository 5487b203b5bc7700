#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A live mirror port: clients publish to somebody else's broker over a bad network, and a hub gives
# sluiced a copy of every frame. Each message that the broker has got becomes one record; a connection
# older than sluiced is picked up in its middle; and sluiced sends no frame at all.
#
#   [netns dev] sld0 ~~~~ imp0 [impair] imp1 ~~~~ hub0 --+-- hub1 ~~~~ brk0 [netns broker] mosquitto
#   10.77.0.2                                            |             10.77.0.9
#                                                       span ~~~~ slu0 [sluiced, role: mirror]
. "$(dirname "$0")/../support/lab.sh"

lab_network imp0
lab_wire imp1 hub0
lab_wire hub1 brk0
lab_wire slu0 span
ip netns add broker
ip link set brk0 netns broker
ip netns exec broker sysctl -q -w net.ipv6.conf.brk0.disable_ipv6=0
ip netns exec broker ethtool -K brk0 tx off tso off gso off gro off >/dev/null 2>&1 || true
ip -n broker link set lo up
ip -n broker link set brk0 up
ip -n broker addr add 10.77.0.9/24 dev brk0
ip -n broker addr add fd77::9/64 dev brk0 nodad
# A bridge that learns nothing repeats every frame on every port.
ip link add hub type bridge ageing_time 0 mcast_snooping 0
echo 1 >/proc/sys/net/ipv6/conf/hub/disable_ipv6
for port in hub0 hub1 span; do ip link set "$port" master hub; done
ip link set hub up

lab_kafka
lab_yaml <<'PY'
c["ports"] = [{"name": "span", "role": "mirror", "devices": ["net_af_xdp0,iface=slu0"], "interfaces": [{"realm": 0}]}]
PY

printf 'listener 1883 10.77.0.9\nlistener 1883 fd77::9\nallow_anonymous true\nuser root\n' >"$RUN/mosquitto.conf"
ip netns exec broker mosquitto -c "$RUN/mosquitto.conf" >"$RUN/mosquitto.log" 2>&1 &
pids+=($!)
listening() { ip netns exec broker timeout 5 mosquitto_pub -h 10.77.0.9 -t warm/up/0 -m '{"n":0}' 2>/dev/null; }
wait_for 10 listening || fail "mosquitto: $(cat "$RUN/mosquitto.log")"
# What the broker has got, told by itself.
ip netns exec broker stdbuf -oL mosquitto_sub -h 10.77.0.9 -q 2 -i witness -t '#' -F '%t %p' >"$RUN/witness" 2>/dev/null &
pids+=($!)
subscribed() { listening && grep -q warm "$RUN/witness"; }
wait_for 10 subscribed || fail "mosquitto_sub hears nothing"

"$BUILD/tests/support/impair" --seed 311 --loss 4 --reorder 15 --reorder-ms 2 --duplicate 2 --corrupt 0.1 imp0 imp1 >"$RUN/impair" &
impair=$!
pids+=("$impair")
wait_for 5 grep -q ready "$RUN/impair" || fail "impair did not start"

# A connection from before there was a sluiced.
mkfifo "$RUN/lines"
dev timeout 60 mosquitto_pub -h 10.77.0.9 -V 311 -q 1 -i old -t t/old/env -l <"$RUN/lines" &
old=$!
exec 9>"$RUN/lines"
echo '{"n":1}' >&9
heard() { grep -q "$1" "$RUN/witness"; }
wait_for 20 heard 't/old/env {"n":1}' || fail "the first connection: $(cat "$RUN/witness")"
lab_sluiced 9>&-
: >"$RUN/expected"
before=$(wc -l <"$RUN/witness")

n=0
clients=()
for host in 10.77.0.9 fd77::9; do
	for version in 311 5; do
		for qos in 0 1 2; do
			n=$((n + 1))
			for i in $(seq 20); do echo "{\"n\":$i,\"pad\":\"$(printf "%0$((i * 60))d" 0)\"}"; done |
				dev timeout 60 mosquitto_pub -h "$host" -V "$version" -q "$qos" -i "c$n" -t "t/dev-$n/env" -l &
			clients+=($!)
		done
	done
done
for i in $(seq 2 6); do echo "{\"n\":$i}" >&9 && sleep 0.2; done
for c in "${clients[@]}"; do wait "$c" || fail "a client ended with $?"; done
exec 9>&-
wait "$old" || fail "the old connection ended with $?"
all_heard() { [ $(($(wc -l <"$RUN/witness") - before)) -ge 245 ]; }
wait_for 10 all_heard || fail "the broker has $(($(wc -l <"$RUN/witness") - before)) of 245"
tail -n +"$((before + 1))" "$RUN/witness" | sort >"$RUN/expected"
stored() {
	records telemetry | jq -r '"t/\(.device)/env {\"n\":\(.fields.n | floor)" + (if .fields.pad then ",\"pad\":\"\(.fields.pad)\"" else "" end) + "}"' |
		sort >"$RUN/stored"
	cmp -s "$RUN/expected" "$RUN/stored"
}
wait_for 15 stored ||
	fail "the broker's messages (<) and records (>): $(diff "$RUN/expected" "$RUN/stored" | cut -c 1-100 | head -20) $(status .counters.mirror)"
# The hub's port saw what sluiced sent: nothing, over all that time.
sent=$(cat /sys/class/net/span/statistics/rx_packets)
[ "$sent" = 0 ] || fail "$sent frames came out of the mirror port"
kill -TERM "$impair"
wait "$impair" || fail "impair ended with $?"
lab_stop
[ "$(cat /sys/class/net/span/statistics/rx_packets)" = 0 ] || fail "frames came out of the mirror port at the end"
[ "$(status '.counters.mirror["streams-picked-up"] // 0')" -ge 1 ] || fail "nothing was picked up: $(status .counters.mirror)"
for counter in bytes-seen-before segments-held; do
	[ "$(status ".counters.mirror[\"$counter\"] // 0")" -gt 0 ] || fail "no $counter: the network was too good"
done
status .counters.mirror
