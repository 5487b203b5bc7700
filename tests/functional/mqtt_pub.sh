#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mosquitto_pub at every QoS and protocol version, over IPv4 and IPv6: it returns success only when
# Kafka has the record. paho-mqtt with wills, topic aliases and a subscription to its own commands.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
lab_kafka
lab_sluiced

publish() { # HOST VERSION QOS DEVICE VALUE
	dev timeout 20 mosquitto_pub -h "$1" -V "$2" -q "$3" -i "$4" -t "t/$4/env" -m "{\"temp\":$5}" ||
		fail "mosquitto_pub -V $2 -q $3 to $1"
}
value_of() {
	records telemetry | jq -r --arg d "$1" 'select(.device==$d).fields.temp'
}

n=0
for host in 10.77.0.1 fd77::1; do
	for version in 31 311 5; do
		for qos in 1 2 0; do
			n=$((n + 1))
			publish "$host" "$version" "$qos" "dev-$n" "$n.5"
			# Acknowledged means in Kafka: no waiting here, except for QoS 0.
			if [ "$qos" = 0 ]; then
				arrived() { [ "$(value_of "dev-$n")" = "$n.5" ]; }
				wait_for 10 arrived || fail "QoS 0 of version $version did not arrive"
			fi
			[ "$(value_of "dev-$n")" = "$n.5" ] || fail "acknowledged and not in Kafka: dev-$n $(records telemetry)"
		done
	done
done

dev timeout 60 python3 "$TOP/tests/functional/mqtt_paho.py" 10.77.0.1 || fail "paho"
[ "$(value_of paho-1 | wc -l)" = 200 ] || fail "200 acknowledged, $(value_of paho-1 | wc -l) in Kafka"
willed() { [ "$(value_of paho-will)" = 99.5 ]; }
wait_for 10 willed || fail "the will did not become a record"

lab_stop
received=$(status .transports.mqtt.messages.received)
[ "$(status .transports.mqtt.messages.acked)" -ge 212 ] || fail "acked: $(status .transports.mqtt)"
[ "$received" -ge 219 ] || fail "received: $(status .transports.mqtt)"
