#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MQTT through loss, reordering, repetition and bit errors, by a seed, from a kernel whose TCP is set
# differently in every round (time stamps, SACK, window scaling, ECN, MTU), first over AF_XDP and then
# over TAP: mosquitto_pub at every QoS, paho-mqtt, mqtt.js and raw sockets. Everything acknowledged at
# QoS 1 and 2 is in Kafka at that moment, at QoS 2 once, and nothing is damaged. Kafka is the real
# one, except with --quick.
#
#   [netns dev] sld0 ~~~~ imp0 [impair] imp1 ~~~~ slu0 [sluiced]       AF_XDP
#   [netns dev] sld0 ~~~~ imp0 [impair] slu0 (TAP of sluiced)
QUICK=${SLUICE_QUICK:-}
[ "$QUICK" = 1 ] || . "$(dirname "$0")/../support/kafka.sh"
. "$(dirname "$0")/../support/lab.sh"
IMPAIR=$BUILD/tests/support/impair
modules=$("$TOP/tests/support/mqttjs/fetch" --check) || fail "no mqtt.js: tests/support/mqttjs/fetch, with a network"

if [ "$QUICK" = 1 ]; then
	lab_kafka
	brokers=embedded
else
	kafka_shipped
	brokers=$BROKERS
	mkdir -p "$RUN"
	echo "$BROKERS" >"$RUN/kafka"
fi

lab_network imp0
lab_wire slu0 imp1

begin() { # DEVICE MTU FAR_END
	lab_config "s/brokers: embedded.*/brokers: $brokers/" "s/net_af_xdp0,iface=slu0/$1/" "/^  - name: lan/a\\    mtu: $2"
	lab_sluiced
	ip link set "$3" mtu "$2"
	ip link set imp0 mtu "$2"
	[ "$3" = imp1 ] || lab_quiet "$3"
	rm -f "$RUN/impair"
	"$IMPAIR" --seed 1883 --loss 5 --reorder 25 --reorder-ms 2 --duplicate 1 --corrupt 0.1 imp0 "$3" >"$RUN/impair" &
	impair=$!
	pids+=("$impair")
	wait_for 5 grep -q ready "$RUN/impair" || fail "impair did not start"
}

finish() {
	kill -TERM "$impair"
	wait "$impair" || fail "impair ended with $?"
	tail -n 1 "$RUN/impair"
	lab_stop
}

raw_sockets() { # HOST NAME SIZE
	dev env PYTHONPATH="$TOP/tests/support" timeout 60 python3 - "$@" <<-'PY'
		import json, sys
		from mqtt_swarm import Swarm
		host, name, size = sys.argv[1:]
		s = Swarm(host, on_ack=lambda c, p: print(c.name, json.loads(p)["n"], 1))
		for k in range(10):
		    s.add(f"{name}-{k}")
		s.run(30, lambda: s.connected == 10)
		for n in range(10):
		    for c in s.clients:
		        s.publish(c, f"t/{c.name}/env", '{"n":%d,"pad":"%s"}' % (n, "x" * (n * 37 % int(size))))
		if not s.run(40, lambda: not s.pending()) or s.ended:
		    sys.exit(f"{name}: connected {s.connected}, unacknowledged {s.pending()}, ended {s.ended}")
	PY
}

round() { # NAME TIMESTAMPS SACK SCALING ECN MTU HOST CLIENTS [SIZE]
	local name=$1 host=$7 size=${9:-3000} qos client code=0
	dev sysctl -q -w net.ipv4.tcp_timestamps="$2" net.ipv4.tcp_sack="$3" net.ipv4.tcp_window_scaling="$4" net.ipv4.tcp_ecn="$5"
	dev ip link set sld0 mtu "$6"
	# An MTU below 1280 takes the IPv6 address away.
	[ "$6" -lt 1280 ] || dev ip addr replace fd77::2/64 dev sld0 nodad
	: >"$RUN/acked"
	for qos in 0 1 2; do
		dev timeout 40 mosquitto_pub -h "$host" -V $((qos == 1 ? 5 : 311)) -q $qos -i "$name-m$qos" -t "t/$name-m$qos/env" \
			-m '{"n":0,"pad":""}' || fail "$name: mosquitto_pub -q $qos ended with $?"
		[ $qos = 0 ] || echo "$name-m$qos 0 $qos" >>"$RUN/acked"
	done
	for client in $8; do
		case $client in
		paho) dev timeout 60 python3 "$TOP/tests/support/mqtt_bad_network_client.py" "$host" "$name-p" "$size" >>"$RUN/acked" ;;
		mqttjs) dev env NODE_PATH="$modules" timeout 60 node "$TOP/tests/support/mqttjs/bad_network_client.js" "$host" "$name-j" "$size" >>"$RUN/acked" ;;
		raw) raw_sockets "$host" "$name-r" "$size" >>"$RUN/acked" ;;
		esac || code=$?
		[ $code = 0 ] || fail "$name: $client ended with $code, acknowledged $(wc -l <"$RUN/acked") $(status .counters.tcp) $(status .counters.mqtt_ended)"
	done
	# Acknowledged means in Kafka: no waiting here.
	records telemetry >"$RUN/records"
	python3 - "$RUN" "$name" "$size" <<-'PY' || fail "$name: see above"
		import collections, json, sys
		run, name, size = sys.argv[1:]
		stored = collections.Counter()
		for line in open(run + "/records"):
		    r = json.loads(line)
		    if not r["device"].startswith(name + "-"):
		        continue
		    n = int(r["fields"]["n"])
		    if r["fields"]["pad"] != "x" * (n * 37 % int(size)):
		        sys.exit("damaged: " + line)
		    stored[r["device"], n] += 1
		acked = [line.split() for line in open(run + "/acked")]
		for device, n, qos in acked:
		    times = stored.pop((device, int(n)), 0)
		    if times == 0 or (qos == "2" and times > 1):
		        sys.exit(f"{device} {n}: acknowledged at QoS {qos}, stored {times} times")
		stored.pop((name + "-m0", 0), 0)  # QoS 0 has no answer
		if stored:
		    sys.exit(f"stored and not acknowledged: {stored}")
		print(f"{name}: {len(acked)} acknowledged, all stored")
	PY
}

begin net_af_xdp0,iface=slu0 3366 imp1
round plain 1 1 1 0 1500 10.77.0.1 "paho mqttjs raw"
round bare 0 0 0 0 1500 fd77::1 paho
round small 1 1 1 1 576 10.77.0.1 mqttjs
round small-bare 0 0 0 2 576 10.77.0.1 paho
round no-time 0 1 1 1 1280 fd77::1 "mqttjs raw"
round no-sack 1 0 1 0 1280 10.77.0.1 raw
round no-scale 1 1 0 2 1500 fd77::1 paho
round large 1 1 1 1 3366 10.77.0.1 "paho mqttjs"
finish

ip link del slu0
begin net_tap0,iface=slu0 9000 slu0
round jumbo 1 1 1 1 9000 10.77.0.1 "paho mqttjs raw" 12000
round jumbo-bare 0 0 0 0 9000 fd77::1 paho 12000
finish
