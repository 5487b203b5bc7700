#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# aiocoap and raw datagrams: an upload in blocks, discovery through an Echo challenge, copies,
# ping, refusals, and the separate response while Kafka does not answer.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
lab_kafka
kafka_pid=${pids[-1]}
lab_sluiced

client() {
	dev timeout 90 python3 "$TOP/tests/support/coap_client.py" "$@"
}
telemetry() { # DEVICE FIELD
	records telemetry | jq -r "select(.device==\"$1\").fields.$2"
}

# Block1: 3,000 bytes are three blocks of 1,024 and are one record.
long=$(printf 'x%.0s' {1..3000})
client post coap://10.77.0.1/t/up-1/log "{\"text\":\"$long\"}" 50 | tee /tmp/answer
grep -q '^2\.04' /tmp/answer || fail "no 2.04 for an upload in blocks"
[ "$(telemetry up-1 text)" = "$long" ] || fail "the body did not arrive whole"
client post coap://10.77.0.1/t/up-1/log "{\"text\":\"$(printf 'y%.0s' {1..20000})\"}" 50 | tee /tmp/answer
grep -q '^4\.13' /tmp/answer || fail "no 4.13 for a body beyond coap.upload_size"
client post 'coap://[fd77::1]/t/up-6/log' "{\"text\":\"$long\"}" 50 | says '^2\.04' || fail "no 2.04 over IPv6"

# Discovery is longer than its question: first the challenge, then the list.
client get coap://10.77.0.1/.well-known/core | tee /tmp/answer
grep -q 'with an echo' /tmp/answer || fail "no Echo challenge"
grep -q '</t>' /tmp/answer || fail "no link list"

# NON by libcoap is answered too; unknown things are refused with their code.
dev coap-client -N -B 5 -v 6 -m post -t application/json -e '{"temp":1}' coap://10.77.0.1/t/non-1/env 2>&1 | says 'c:2\.04' || fail "NON unanswered"
client post coap://10.77.0.1/nowhere '{}' | says '^4\.04' || fail "no 4.04"
client post coap://10.77.0.1/t/d/s '<x/>' 41 | says '^4\.15' || fail "no 4.15"
client get coap://10.77.0.1/t/d/s | says '^4\.05' || fail "no 4.05"

# Ping gets a reset; a copy of a CON gets the answer of the first and makes no record.
client raw 10.77.0.1 1 40001234 | says '^70001234$' || fail "ping unanswered"
con=746fb17403632d3103656e76ff7b226e223a317d # token "to", POST t/c-1/env {"n":1}
client raw 10.77.0.1 1 "420277aa$con" wait "420277aa$con" | tee /tmp/answer
[ "$(grep -c '^624477aa746f' /tmp/answer)" = 2 ] || fail "the copy was not answered like the first"
[ "$(telemetry c-1 n | wc -l)" = 1 ] || fail "the copy became a record"

# Kafka does not answer: an empty ACK in time, and 2.04 of its own only after Kafka has it.
kill -STOP "$kafka_pid"
client raw 10.77.0.1 6 "420277ab$con" >/tmp/answer &
client_pid=$!
wait_for 5 grep -q '^600077ab$' /tmp/answer || fail "no empty ACK"
grep -q '^4244' /tmp/answer && fail "acknowledged before Kafka has it"
kill -CONT "$kafka_pid"
wait "$client_pid"
grep -q '^4244....746f' /tmp/answer || fail "no separate response: $(cat /tmp/answer)"
[ "$(telemetry c-1 n | wc -l)" = 2 ] || fail "acknowledged and not in Kafka"
lab_stop
[ "$(status .transports.coap.messages.duplicate)" = 1 ] || fail "$(status .transports.coap.messages)"
