#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A listener that refuses unknown devices refuses them over MQTT as well: PUBACK says Not authorized,
# the refusal is counted by its name and nothing reaches Kafka.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_yaml <<'PY'
next(l for l in c["listeners"] if l["name"] == "mqtt")["unknown"] = "refuse"
PY
lab_kafka
lab_sluiced
dev timeout 10 mosquitto_pub -h 10.77.0.1 -q 1 -V 5 -t t/stranger/env -m '{"temp":1}' >/tmp/answer 2>&1 || true
grep -qi 'not authorized' /tmp/answer || fail "the publisher was told: $(cat /tmp/answer)"
lab_stop
[ "$(status '.transports.mqtt.messages.refused["device-unknown"]')" = 1 ] || fail "not counted: $(status .transports.mqtt.messages)"
[ "$(records telemetry | wc -l)" = 0 ] || fail "an unknown device's record is in Kafka"
