#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MQTT through loss, reordering, repetition and bit errors, by a seed, from a kernel whose TCP is set
# differently in every round (time stamps, SACK, window scaling, MTU): everything acknowledged at QoS 1
# and 2 is in Kafka at that moment, at QoS 2 once, and nothing is damaged.
#
#   [netns dev] sld0 ~~~~ imp0 [impair] imp1 ~~~~ slu0 [sluiced]
. "$(dirname "$0")/../support/lab.sh"
IMPAIR=$BUILD/tests/support/impair

quiet() {
	ethtool -K "$1" tx off tso off gso off gro off >/dev/null 2>&1 || true
	[ ! -e "/proc/sys/net/ipv6/conf/$1" ] || echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"
	ip link set "$1" up
}

lab_pair imp0 sld0
ip -n dev addr add 10.77.0.2/24 dev sld0
ip -n dev addr add fd77::2/64 dev sld0 nodad
ip link add slu0 numrxqueues 1 numtxqueues 1 type veth peer name imp1 numrxqueues 1 numtxqueues 1
quiet slu0
quiet imp0
quiet imp1
lab_config
lab_kafka
lab_sluiced
"$IMPAIR" --seed 1883 --loss 5 --reorder 25 --reorder-ms 2 --duplicate 1 --corrupt 0.1 imp0 imp1 >"$RUN/impair" &
impair=$!
pids+=("$impair")
wait_for 5 grep -q ready "$RUN/impair" || fail "impair did not start"

round() { # NAME TIMESTAMPS SACK SCALING MTU HOST
	local name=$1 code=0
	dev sysctl -q -w net.ipv4.tcp_timestamps="$2" net.ipv4.tcp_sack="$3" net.ipv4.tcp_window_scaling="$4"
	dev ip link set sld0 mtu "$5"
	# An MTU below 1280 takes the IPv6 address away.
	[ "$5" -lt 1280 ] || dev ip addr replace fd77::2/64 dev sld0 nodad
	dev timeout 40 mosquitto_pub -h "$6" -V 311 -q 2 -i "$name-m" -t "t/$name-m/env" -m '{"n":0,"pad":""}' ||
		fail "$name: mosquitto_pub ended with $?"
	dev timeout 60 python3 "$TOP/tests/support/mqtt_bad_network_client.py" "$6" "$name" >"$RUN/acked" || code=$?
	[ $code = 0 ] || fail "$name: the client ended with $code, acknowledged $(wc -l <"$RUN/acked")"
	echo "$name-m 0 2" >>"$RUN/acked"
	# Acknowledged means in Kafka: no waiting here.
	records telemetry >"$RUN/records"
	python3 - "$RUN" "$name" <<-'PY' || fail "$name: see above"
		import collections, json, sys
		run, name = sys.argv[1:]
		stored = collections.Counter()
		for line in open(run + "/records"):
		    r = json.loads(line)
		    if not r["device"].startswith(name + "-"):
		        continue
		    n = int(r["fields"]["n"])
		    if r["fields"]["pad"] != "x" * (n * 37 % 3000):
		        sys.exit("damaged: " + line)
		    stored[r["device"], n] += 1
		acked = [line.split() for line in open(run + "/acked")]
		for device, n, qos in acked:
		    times = stored.pop((device, int(n)), 0)
		    if times == 0 or (qos == "2" and times > 1):
		        sys.exit(f"{device} {n}: acknowledged at QoS {qos}, stored {times} times")
		if stored:
		    sys.exit(f"stored and not acknowledged: {stored}")
		print(f"{name}: {len(acked)} acknowledged, all stored")
	PY
}

round plain 1 1 1 1500 10.77.0.1
round bare 0 0 0 1500 fd77::1
round small 1 1 1 576 10.77.0.1
round small-bare 0 0 0 576 10.77.0.1
round no-time 0 1 1 1280 fd77::1
round no-sack 1 0 1 1280 10.77.0.1
round no-scale 1 1 0 1500 fd77::1

kill -TERM "$impair"
wait "$impair" || fail "impair ended with $?"
tail -n 1 "$RUN/impair"
lab_stop
