#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Dead letters found again and sent through the pipeline once more: `dlq list` and `show` say what
# was refused and why, a replay under a mended configuration delivers them under the ids they had,
# twice is once, what fails again says how often and never goes round in circles, the ledger closes.
. "$(dirname "$0")/../support/lab.sh"
letters() { "$ctl" dlq list --json "${@:2}" | jq "$1"; }
count_is() { [ "$(letters '.letters|length' "${@:2}")" = "$1" ]; }
replay() { "$ctl" dlq replay --json "$@"; }

lab_network
lab_config # devices of the listener `json` name themselves in `device`
lab_kafka
lab_controld
lab_sluiced
wait_for 10 together || fail "the planes did not meet"
count_is 0 || fail "dead letters before anything was sent"

for i in $(seq 20); do send_json "{\"dev\":\"pump-$i\",\"temp\":$i}"; done
send_json '{"device":"pump-21",'
send_json '{"device":"pump-21","temp":21}'
wait_for 10 count_is 21 || fail "$(letters '.letters|length') dead letters, not 21"
count_is 20 --reason no-device || fail "--reason: $("$ctl" dlq list)"
count_is 5 --limit 5 || fail "--limit"
count_is 0 --device nobody || fail "--device"
count_is 21 --newer 1h || fail "--newer"
id=$(letters '.letters[]|select(.reason=="malformed").id' | tr -d '"')
"$ctl" dlq show "$id" --json | jq -r .letter.original | base64 -d | says -x '{"device":"pump-21",' || fail "show $id"
"$ctl" dlq list | says 'malformed' || fail "no table"
code=0 && "$ctl" dlq show 0/99999 2>"$RUN/unknown" || code=$?
[ $code = 3 ] || fail "an unknown letter: status $code, $(cat "$RUN/unknown")"
code=0 && "$ctl" dlq replay 2>/dev/null || code=$?
[ $code = 2 ] || fail "replay of nothing in particular: status $code"

# Nothing has changed: the same refusals again, each with its count, no circles.
replay --reason malformed | jq -e '.sent==1 and .refused==1 and .accepted==0' >/dev/null || fail "replay of the malformed one"
wait_for 5 count_is 22 || fail "it is no dead letter again"
[ "$(letters '[.letters[]|select(.reason=="malformed").replays]|sort|join(" ")')" = '"0 1"' ] || fail "replays: $("$ctl" dlq list --reason malformed)"
replay --reason malformed | jq -e '.sent==0' >/dev/null || fail "a circle"
for n in 2 4 7; do # --again takes each that has been through fewer than three times, once per call
	replay --reason malformed --again >"$RUN/again"
	[ "$(jq .sent "$RUN/again")" = $n ] || fail "--again sent other than $n: $(cat "$RUN/again")"
done
[ "$(letters '[.letters[].replays]|max')" = 3 ] || fail "replays: $(letters '[.letters[].replays]')"

# Mended: the devices are named in `dev`. They are delivered under the ids they had, once.
ids=$(records dead-letter | jq -r 'select(.reason=="no-device")|"\(.epoch)/\(.seq)"' | sort)
lab_stop
sed -i 's/device: {from: payload, key: device}/device: {from: payload, key: dev}/' "$RUN/sluice.yaml"
lab_sluiced
wait_for 10 together || fail "the planes did not meet again"
replay --reason no-device --limit 7 | jq -e '.accepted==7' >/dev/null || fail "replay of seven"
replay --reason no-device | jq -e '.accepted==13 and .refused==0' >/dev/null || fail "replay of the rest"
replay --reason no-device | jq -e '.sent==0' >/dev/null || fail "replayed twice"
replayed() { records telemetry | jq -c 'select(.transport=="replay")'; }
[ "$(replayed | wc -l)" = 20 ] || fail "$(replayed | wc -l) replayed records, not 20"
[ "$(replayed | jq -r '"\(.epoch)/\(.seq)"' | sort)" = "$ids" ] || fail "other ids than before"
replayed | jq -e 'select(.replays!=1)' >/dev/null && fail "replays is not 1"
[ "$(letters '[.letters[]|select(.reason=="no-device").replayed]|all')" = true ] || fail "not marked as replayed"
"$ctl" audit list --json | jq -e '.entries[]|select(.action=="dead-letter replay")' >/dev/null || fail "not in the audit log"
[ "$(status .transports.replay.messages.accepted)" = 20 ] || fail "ledger: $(status .transports.replay)"

# Marks survive a kill at any moment: what was reported as accepted is not taken again.
kill -KILL "$SLUICED_PID"
wait "$SLUICED_PID" 2>/dev/null || true
lab_sluiced
wait_for 10 together || fail "the planes did not meet after the kill"
replay --reason no-device | jq -e '.sent==0' >/dev/null || fail "replayed again after the kill"
lab_stop
