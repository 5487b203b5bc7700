#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# libcoap's coap-client posts a reading over IPv4 and IPv6 and hears 2.04 only after Kafka has it.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
lab_kafka
lab_sluiced

post() { # HOST DEVICE PAYLOAD
	dev coap-client -v 6 -B 5 -m post -t application/json -e "$3" "coap://$1/t/$2/env" 2>&1
}

post 10.77.0.1 dev-1 '{"temp":21.4}' | tee /tmp/answer
grep -q 'c:2\.04' /tmp/answer || fail "no 2.04 over IPv4"
# Acknowledged means in Kafka: no waiting here.
[ "$(records telemetry | jq -r 'select(.device=="dev-1").fields.temp')" = 21.4 ] || fail "acknowledged and not in Kafka"
post '[fd77::1]' dev-6 '{"temp":6.5}' | tee /tmp/answer
grep -q 'c:2\.04' /tmp/answer || fail "no 2.04 over IPv6"
[ "$(records telemetry | jq -r 'select(.device=="dev-6").fields.temp')" = 6.5 ] || fail "acknowledged and not in Kafka"
post 10.77.0.1 dev-1 '{"temp":' | tee /tmp/answer
grep -q 'c:4\.00' /tmp/answer || fail "malformed was not answered 4.00"
lab_stop
[ "$(status .transports.coap.messages.acked)" = 2 ] || fail "acked: $(status .transports.coap)"
