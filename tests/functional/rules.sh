#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signatures at work on real clients: each action, bans of a proven address only and not of a crowd,
# sets checked, swapped and rolled back under traffic on two workers, a bad one leaving the old in
# force.
. "$(dirname "$0")/../support/lab.sh"

# rule ID NAME EXPRESSION ACTION [FOR]
rule() {
	printf '  - {id: %s, name: %s, expression: %s, severity: high, action: %s, %s match: %s}\n' \
		"$1" "$2" "$3" "$4" "${5:+for: $5,}" "$3"
}
mkdir -p "$RUN/signatures"
{
	echo signatures:
	rule 1 tagged TAGME tag
	rule 2 held HOLDME quarantine
	rule 3 refused REFUSEME refuse
	rule 4 cut CUTME disconnect
	rule 5 banned BANME ban 1h
	rule 6 brief BRIEFLY ban 3s
} >"$RUN/signatures/a.yaml"

lab_network
ip -n dev addr add 10.77.0.9/24 dev sld0
ip -n dev addr add 10.77.0.8/24 dev sld0
lab_config 's/^  workers: 1/  workers: 2/' 's/^  memory: 512MiB/  memory: 1GiB/' '$a match: {signatures: signatures, ban_devices_max: 2}'
lab_kafka
lab_controld
lab_sluiced
wait_for 10 together || fail "the planes did not meet"

# publish DEVICE PAYLOAD [OPTION...]: exit status and words of a real MQTT 5 client
publish() {
	local device=$1 payload=$2
	shift 2
	dev timeout 5 mosquitto_pub -V 5 -h 10.77.0.1 -i "c-$device" -t "t/$device/env" -q 1 -m "$payload" "$@" 2>&1
}
hits() { "$ctl" rules stats --json | jq -r ".rules[]|select(.id==$1)|.$2"; }
hits_are() { [ "$(hits "$1" "$2")" = "$3" ]; }
in_topic() { records "$1" | says "$2"; }

"$ctl" rules list >"$RUN/out"
grep -qE "^ *5 +banned +high +ban" "$RUN/out" || fail "rules list: $(cat "$RUN/out")"
publish d1 '{"v":"plain"}' || fail "an innocent message was not taken"
publish d1 '{"v":"TAGME"}' || fail "a tagged message was not taken"
wait_for 10 in_topic telemetry '"findings":\[{"finding":"signature","class":"attack","name":"tagged","detail":1}\]' || fail "no tag: $(records telemetry)"
publish d1 '{"v":"HOLDME"}' || fail "a quarantined message was not acknowledged"
wait_for 10 in_topic dead-letter '"name":"held","detail":2' || fail "not quarantined: $(records dead-letter)"
publish d1 '{"v":"REFUSEME"}' >"$RUN/refused" || true
grep -qiE 'administrative|rejected|fail|not auth|quota|0x|error|invalid|implementation|payload' "$RUN/refused" || fail "the client was told nothing: $(cat "$RUN/refused")"
wait_for 10 in_topic dead-letter '"reason":"signature","detail":"signature","signature":3' || fail "not refused: $(records dead-letter)"
! in_topic telemetry 'REFUSEME\|HOLDME' || fail "held back and delivered as well"

# Cut off: a client that stays connected loses its connection, QoS 0 or 1.
for qos in 0 1; do
	dev timeout 10 python3 - "$qos" <<'PY' || fail "still connected after CUTME with QoS $qos"
import sys, threading
import paho.mqtt.client as mqtt
gone = threading.Event()
c = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="cut", protocol=mqtt.MQTTv5)
c.on_disconnect = lambda c, u, flags, reason, props: (print(reason), gone.set())
c.connect("10.77.0.1", 1883)
c.loop_start()
c.publish("t/d1/env", '{"v":"CUTME"}', qos=int(sys.argv[1]))
sys.exit(0 if gone.wait(8) else 1)
PY
done
wait_for 5 hits_are 4 hits 2 || fail "hits: $("$ctl" rules stats)"

# A datagram proves nothing: the same word is held, nobody is banned for it.
send_json '{"device":"spoofed","v":"BANME"}' 10.77.0.9
wait_for 5 hits_are 5 unproven 1 || fail "not counted as unproven: $("$ctl" rules stats)"
sleep 0.5
publish d9 '{"v":"plain"}' -A 10.77.0.9 || fail "banned for a datagram"

# Over TCP from an address that one device uses: banned, while others are heard.
publish lone '{"v":"BANME"}' -A 10.77.0.9 >/dev/null && fail "a banned message was acknowledged"
banned() { ! publish lone '{"v":"plain"}' -A 10.77.0.9 >/dev/null; }
wait_for 5 banned || fail "not banned"
wait_for 5 bash -c "jq -e '.frames.dropped[\"source-blocked\"]>0' '$RUN/status.json' >/dev/null" || fail "nothing dropped: $(status .frames)"
publish d1 '{"v":"plain"}' || fail "another address is not heard"

# Every ban is listed with its reason, audited, and ends by itself.
publish short '{"v":"BRIEFLY"}' -A 10.77.0.8 >/dev/null && fail "a banned message was acknowledged"
in_list() { "$ctl" flow blocks --json | jq -e --argjson now "$(date +%s)" ".blocks[]|select($1)" >/dev/null; }
wait_for 5 in_list '.address=="10.77.0.8/32" and .reason=="signature brief" and .signature==6 and .device==null and .until_s<=$now+4' ||
	fail "not listed: $("$ctl" flow blocks --json)"
in_list '.address=="10.77.0.9/32" and .reason=="signature banned" and .signature==5 and .until_s>$now+3000 and .until_s<=$now+3600' ||
	fail "not listed: $("$ctl" flow blocks --json)"
for ban in 8:brief:6 9:banned:5; do
	IFS=: read -r host name id <<<"$ban"
	"$ctl" audit list --json | jq -e --arg address "10.77.0.$host/32" --arg reason "signature $name" --argjson id "$id" \
		'[.entries[]|select(.action=="flow.block" and .object==$address and .after.reason==$reason and .after.signature==$id and .after.until_s>0)]|length==1' >/dev/null ||
		fail "not audited once: $("$ctl" audit list --json)"
done
"$ctl" audit verify >/dev/null || fail "the chain of the audit log is broken"
over() { ! in_list '.address=="10.77.0.8/32"'; }
wait_for 10 over || fail "a ban of 3 s does not end: $("$ctl" flow blocks --json)"
heard() { publish short '{"v":"plain"}' -A 10.77.0.8 >/dev/null; }
wait_for 10 heard || fail "over, and still not heard: $(status .frames)"
in_list '.address=="10.77.0.9/32"' || fail "the ban of an hour has ended as well: $("$ctl" flow blocks --json)"

# From an address that more good devices use than allowed: declined, and told.
for d in d1 d2 d3; do "$ctl" device add "$d" --profile by-path >/dev/null; done
for d in d1 d2 d3; do publish "$d" '{"v":"plain"}' || fail "$d was not taken"; done
publish d3 '{"v":"BANME"}' >/dev/null || true
declined() { "$ctl" event list --json | jq -e '.events[]|select(.event=="ban-declined")' >/dev/null; }
wait_for 5 declined || fail "no event: $("$ctl" event list --json)"
publish d1 '{"v":"plain"}' || fail "a crowd was banned"
for d in d1 d2 d3; do publish "$d" '{"v":"BANME again"}' >/dev/null || true; done
alert='.kind=="ban-declined"'
alerted() { records alerts | jq -se --argjson n "$2" "[.[]|select($1)]|length==\$n" >/dev/null; }
wait_for 5 alerted "$alert"' and .alert=="raise" and .peer=="10.77.0.2" and .signature==5 and .count==3 and .transport=="mqtt"' 1 ||
	fail "no alert: $(records alerts)"
sleep 0.5
alerted "$alert" 1 || fail "not once: $(records alerts)"
in_list '.address=="10.77.0.2/32"' && fail "declined and listed: $("$ctl" flow blocks --json)"

# A bad set names file and line and changes nothing; tested and checked before it is applied.
mkdir -p "$RUN/new"
sed 's/TAGME/NEWTAG/g' "$RUN/signatures/a.yaml" >"$RUN/new/b.yaml"
cp -r "$RUN/new" "$RUN/bad"
sed -i 's/expression: CUTME/expression: "CUT(ME"/' "$RUN/bad/b.yaml"
"$ctl" rules test "$RUN/bad" --config "$RUN/sluice.yaml" >"$RUN/out" 2>&1 && fail "rules test let it pass"
grep -q 'b.yaml:5: cut: the expression does not compile' "$RUN/out" || fail "rules test: $(cat "$RUN/out")"
"$ctl" rules apply "$RUN/bad" >"$RUN/out" 2>&1 && fail "a bad set was applied"
grep -q 'b.yaml:5: cut: the expression does not compile' "$RUN/out" || fail "no file and line: $(cat "$RUN/out")"
publish d1 '{"v":"TAGME again"}' || fail "not taken"
wait_for 5 hits_are 1 hits 2 || fail "the old set is not in force: $("$ctl" rules stats)"
"$ctl" rules test "$RUN/new" --config "$RUN/sluice.yaml" | says -E 'vectors +6' || fail "rules test"
"$ctl" rules check "$RUN/new" | says 'good' || fail "rules check"

# Swapped under traffic of both workers: nothing is lost, every record is looked at by one set or the
# other, and what was counted stays counted.
streams=()
for s in $(seq 8); do
	dev bash -c 'for i in $(seq 50); do echo "{\"n\":$i,\"v\":\"TAGME NEWTAG\"}"; sleep 0.005; done | mosquitto_pub -V 5 -h 10.77.0.1 -i '"s$s -t t/stream-$s/env -q 1 -l" &
	streams+=($!)
done
"$ctl" rules apply "$RUN/new" --comment second | says '6 signatures in force' || fail "not applied"
"$ctl" rules apply "$RUN/signatures" >/dev/null || fail "not applied again"
"$ctl" rules rollback --version 2 >/dev/null || fail "no rollback"
for s in "${streams[@]}"; do wait "$s" || fail "a stream ended badly"; done
# came NAME: how many records of devices of that name there are; they stand in NAME.came.
came() { records telemetry | grep "\"device\":\"$1-" | tee "$RUN/$1.came" | wc -l; }
streamed() { [ "$(came stream)" = 400 ]; }
wait_for 15 streamed || fail "$(came stream) of 400 records"
tagged=$(grep -c '"name":"tagged","detail":1' "$RUN/stream.came" || true)
[ "$tagged" = 400 ] || fail "$tagged of 400 records were looked at"
wait_for 5 hits_are 1 hits 402 || fail "hits of the streams: $("$ctl" rules stats)"
# The old set has gone from both workers, the new one is at both.
streams=()
for s in $(seq 12); do
	publish "old-$s" '{"v":"TAGME"}' &
	streams+=($!)
	publish "new-$s" '{"v":"NEWTAG"}' &
	streams+=($!)
done
for s in "${streams[@]}"; do wait "$s" || fail "not taken"; done
came="$(came old) $(came new)"
[ "$came" = "12 12" ] || fail "$came of 12 and 12 came"
tags=$(grep -c '"findings"' "$RUN/old.came" "$RUN/new.came" | cut -d: -f2 | xargs) || true
[ "$tags" = "0 12" ] || fail "hits of the old and the new set: $tags"
publish d1 '{"v":"NEWTAG and TAGME"}' || fail "not taken"
wait_for 5 hits_are 1 hits 415 || fail "not the new set, or its count began anew: $("$ctl" rules stats)"
[ "$(ls "$RUN/signatures")" = b.yaml ] || fail "the directory was not replaced: $(ls "$RUN/signatures")"
"$ctl" rules history | says 'second' || fail "no history"
"$ctl" audit list --json | jq -e '[.entries[]|select(.action=="rules.apply")]|length==3' >/dev/null || fail "not audited"

# What a set would have hit in a capture, before it is switched on.
printf 'signatures:\n%s' "$(rule 9 any temp tag)" >"$RUN/any.yaml"
"$ctl" rules test "$RUN/any.yaml" --config "$RUN/sluice.yaml" --replay "$TOP/tests/functional/captures/mixed.pcap" | says -E '^ *9 +any +tag +[1-9]' || fail "replay hit nothing"
lab_stop
[ "$(status '[.workers[].taken_over] | add')" -gt 50 ] || fail "one worker did it all: $(status .workers)"
