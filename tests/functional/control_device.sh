#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The registry at work: a device is added, sends, is suspended and refused with the reason on both
# sides, resumed; unknown devices are refused, or pending; a quota sheds; labels and the profile that
# the registry names choose what becomes of the next message. Then either plane is
# killed while devices send: nothing acknowledged is lost, the data plane notices nothing.
. "$(dirname "$0")/../support/lab.sh"
shown() { "$ctl" device show "$1" --json | jq -r "$2"; }
is() { [ "$(shown "$1" "$2")" = "$3" ]; }
post() { dev coap-client -v 6 -B 5 -m post -t application/json -e "$2" "coap://10.77.0.1/t/$1/env" 2>&1; }
answers() { post "$1" '{"temp":1}' | says "$2" || fail "$1 was not answered $2"; }

# Of the last record of lab-1: profile, schema, and what the registry gave it.
last_record() { records telemetry | jq -sr '[.[]|select(.device=="lab-1")][-1]|[.profile,.schema,.fields.site,.fields.line,.fields.kind]|map(. // "-")|join(" ")'; }
gives() { [ "$(last_record)" = "$1" ]; }
lab_1_gives() {
	answers lab-1 'c:2\.04'
	wait_for 5 gives "$1" || fail "lab-1: $(last_record), not $1"
}

lab_network
profile='route: telemetry, device: {from: path, segment: 1}'
lab_config "s/^profiles:/&\\n  - {name: basel, schema: 5, $profile, match: {labels: [site=basel]}, map: [{op: add, field: site, label: site}, {op: add, field: line, label: line}]}\\n  - {name: valve, schema: 6, $profile, match: {registry: yes}, map: [{op: add, field: kind, attribute: registry-profile}]}/" \
	'/name: coap/,/unknown/s/unknown: accept/unknown: refuse/' '/name: json/,/unknown/s/unknown: accept/unknown: pending/'
lab_kafka
lab_controld
lab_sluiced
wait_for 10 together || fail "the planes did not meet: $("$ctl" status --json)"

# Unknown is refused; added, it may send at once.
answers dev-1 'c:4\.0'
"$ctl" device add dev-1 --profile by-path >/dev/null
answers dev-1 'c:2\.04'
wait_for 5 is dev-1 .seen.records 1 || fail "not seen: $("$ctl" device show dev-1)"
is dev-1 .seen.address 10.77.0.2 || fail "address: $(shown dev-1 .seen)"
is dev-1 .seen.transport coap || fail "transport: $(shown dev-1 .seen)"

# Suspended: refused, and both sides know why.
[ "$("$ctl" device suspend dev-1 --reason noisy --json | jq -r .applied)" = yes ] || fail "suspend was not applied"
answers dev-1 'c:4\.0'
wait_for 5 is dev-1 .refused.reason device-not-active || fail "no reason: $("$ctl" device show dev-1)"
"$ctl" event list --json | jq -e '.events[]|select(.device=="dev-1" and .reason=="device-not-active")' >/dev/null || fail "no event"
"$ctl" device resume dev-1 >/dev/null
answers dev-1 'c:2\.04'
"$ctl" flow show dev-1 --json | jq -e '.flows[0]|.address=="10.77.0.2" and .records==2 and .drops==2' >/dev/null || fail "flow: $("$ctl" flow show dev-1)"

# Over its quota: later, not never.
"$ctl" device set dev-1 --records-per-s 1 >/dev/null
for _ in 1 2 3 4 5; do post dev-1 '{"temp":2}' || true; done >"$RUN/answers"
grep -q 'c:5\.03' "$RUN/answers" || fail "no 5.03 above the quota: $(cat "$RUN/answers")"
"$ctl" device set dev-1 --records-per-s 0 >/dev/null

# Labels, and the registry's profile: live, from one message to the next.
"$ctl" device add lab-1 --profile by-path --label site=basel --label line=3 >/dev/null
lab_1_gives 'basel 5 basel 3 -'
"$ctl" device set lab-1 --label site=basel --label line=4 >/dev/null
lab_1_gives 'basel 5 basel 4 -'
"$ctl" device set lab-1 --label site=chur >/dev/null
lab_1_gives '- - - - -'
"$ctl" device set lab-1 --profile valve >/dev/null
lab_1_gives 'valve 6 - - valve'
"$ctl" device set lab-1 --profile by-path --label site=basel >/dev/null
lab_1_gives 'basel 5 basel - -'

# Pending: entered by its first message, may send when resumed.
send_json '{"device":"new-1","temp":1}'
wait_for 5 is new-1 .state pending || fail "new-1 is not pending"
"$ctl" device resume new-1 >/dev/null
send_json '{"device":"new-1","temp":2}'
wait_for 5 is new-1 .seen.records 1 || fail "new-1 was not let in"
metric() { curl -s http://127.0.0.1:19464/metrics | says "^$1\$"; }
wait_for 5 metric 'sluice_records_accepted_total{transport="udp"} 1' || fail "metrics"
wait_for 5 metric 'sluice_topic_delivered_total{topic="[a-z-]*"} [1-9][0-9]*' || fail "metrics by topic"

# Kill the control plane while a device sends: nothing happens.
lab_counted
before=$(status .transports.coap.messages.acked)
for i in $(seq 20); do
	[ "$i" != 5 ] || { kill -9 "$CONTROLD_PID"; wait "$CONTROLD_PID" 2>/dev/null || true; }
	answers dev-1 'c:2\.04'
	[ "$i" != 15 ] || lab_controld
done
wait_for 10 together || fail "the planes did not meet again"
lab_counted
[ "$(status .transports.coap.messages.acked)" = $((before + 20)) ] || fail "acked $before, then $(status .transports.coap.messages.acked)"

# Kill the data plane; it starts from its snapshot although the control plane is away.
"$ctl" device suspend new-1 >/dev/null
touch "$RUN/changed"
lab_saved
kill -9 "$CONTROLD_PID" "$SLUICED_PID"
wait "$CONTROLD_PID" "$SLUICED_PID" 2>/dev/null || true
lab_sluiced
grep -q 'registry snapshot devices=3' "$RUN/sluiced.log" || fail "the snapshot was not used"
answers dev-1 'c:2\.04'
lab_1_gives 'basel 5 basel - -'
answers dev-2 'c:4\.0'
lab_controld
wait_for 10 together || fail "the planes did not meet a third time"
"$ctl" device revoke dev-1 --reason stolen >/dev/null
answers dev-1 'c:4\.0'
sent=$(records telemetry | jq -r 'select(.device=="dev-1").device' | wc -l)
[ "$sent" -ge 23 ] || fail "$sent records in Kafka"
lab_stop
