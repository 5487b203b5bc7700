#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kafka goes away with a small in-flight budget: CON beyond it hears 5.03 with Max-Age, UDP beyond it
# is shed and counted, nothing is acknowledged that Kafka has not; when Kafka is back the flow
# resumes by itself and everything that was accepted is there once.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_yaml <<'PY'
c["egress"] = {"in_flight_records": 128, "batch_records": 32}
c["coap"] = {"max_age": "7s"}
PY
lab_kafka
kafka_pid=${pids[-1]}
lab_sluiced

post() {
	dev timeout 20 coap-client -v 6 -B "$1" -m post -t application/json -e "{\"n\":$2}" coap://10.77.0.1/t/con/env 2>&1 || true
}
post 5 1 | says 'c:2\.04' || fail "no 2.04 while Kafka is there"
kill -STOP "$kafka_pid"
dev python3 - <<'PY'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(1000):
    s.sendto(b'{"device":"flood","n":%d}' % n, ("10.77.0.1", 8095))
PY
sleep 1.5
post 4 2 >/tmp/answer
grep -q 'c:5\.03' /tmp/answer || fail "no 5.03 beyond the budget: $(cat /tmp/answer)"
grep -qiE 'Max-Age:7' /tmp/answer || fail "5.03 without Max-Age: $(cat /tmp/answer)"
lab_counted
[ "$(status .transports.udp.records.delivered)" = 0 ] || fail "delivered while Kafka is stopped"
accepted=$(status .transports.udp.records.accepted)
shed=$(status '.transports.udp.messages.shed | add')
[ "$accepted" -gt 50 ] && [ "$accepted" -le 128 ] || fail "accepted $accepted of 1000 with a budget of 128"
[ $((accepted + shed)) = 1000 ] || fail "accepted $accepted, shed $shed of 1000"
kill -CONT "$kafka_pid"
again() { post 5 3 | says 'c:2\.04'; }
wait_for 30 again || fail "the flow did not resume"
all() { [ "$(records telemetry | jq -c 'select(.device=="flood")' | wc -l)" = "$accepted" ]; }
wait_for 10 all || fail "$(records telemetry | wc -l) records, $accepted accepted"
[ "$(records telemetry | jq -r 'select(.device=="flood").fields.n' | sort -n | uniq -d | wc -l)" = 0 ] || fail "duplicates"
lab_stop
