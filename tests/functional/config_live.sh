#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The configuration of a running sluiced: options and whole files take effect under traffic and are
# rolled back; what needs a restart is refused or waits, and is never called in force; a bad file
# changes nothing. Then sluiced and sluice-controld are killed in the middle of applying. At the end
# every message that was acknowledged is in Kafka.
. "$(dirname "$0")/../support/lab.sh"
# The version that the file is, and sluiced says it uses, with nothing left over.
agreed() { "$ctl" config show --json 2>/dev/null | jq -e '.in_force == .version and .pending == 0' >/dev/null; }
now_in_force() { # COMMAND...
	"$@" >"$RUN/said" || fail "$*: $(cat "$RUN/said")"
	grep -q 'is in force on 1 workers' "$RUN/said" || fail "$* did not take effect: $(cat "$RUN/said")"
}
ping_once() { dev ping -c 1 -W 1 10.77.0.1 >/dev/null; }
post() { dev coap-client -v 6 -B 5 -m post -t application/json -e '{"temp":1}' "coap://10.77.0.1/t/$1/env" 2>&1; }
send_udp() { dev python3 -c 'import socket,sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.argv[2].encode(), ("10.77.0.1", int(sys.argv[1])))' "$@"; }
arrived() { records telemetry | says "\"device\":\"$1\""; }

lab_network
lab_config
lab_kafka
lab_controld
lab_sluiced
wait_for 10 agreed || fail "the planes did not agree: $("$ctl" config show --json)"
dev python3 "$TOP/tests/support/mqtt_counting.py" 10.77.0.1 counting "$RUN/told" "$RUN/enough" &
counting=$!
pids+=("$counting")
told() { wc -l <"$RUN/told"; }
told_more() { [ "$(told)" -gt "$1" ]; }
touch "$RUN/told"
wait_for 10 told_more 20 || fail "no traffic"

# One option: it acts, is taken back, and acts no more.
ping_once || fail "no answer to a ping"
now_in_force "$ctl" config set net.icmp_rate 0
! ping_once || fail "net.icmp_rate 0 and a ping is answered"
now_in_force "$ctl" config rollback
ping_once || fail "rolled back and no answer to a ping"
now_in_force "$ctl" config set 'listeners[0].unknown' refuse
post stranger | says 'c:4\.0' || fail "unknown: refuse does not act"
now_in_force "$ctl" config rollback
post stranger | says 'c:2\.04' || fail "rolled back and still refused"

# A whole file: another listener, another route for an old one.
send_udp 8097 '{"device":"early","temp":1}'
python3 - "$RUN/sluice.yaml" "$RUN/new.yaml" <<'PY'
import sys
text = open(sys.argv[1]).read()
more = """listeners:
  - name: more
    protocol: udp
    port: 8097
    format: json
    profile: by-field
    trust: [10.77.0.0/24]
    unknown: accept

"""
open(sys.argv[2], "w").write(text.replace("listeners:\n", more, 1))
PY
now_in_force "$ctl" config apply "$RUN/new.yaml" --comment 'one more'
send_udp 8097 '{"device":"late","temp":1}'
wait_for 10 arrived late || fail "the new listener does not listen"
! arrived early || fail "a listener that was not there has listened"
# The key file is read again: a new device may send, the others go on.
echo 'dev-9 aes-128-gcm 1 000102030405060708090a0b0c0d0e0f' >>"$RUN/examples/frame.keys"
frame() { dev "$TOP/tests/support/frame_sender.py" send 10.77.0.1 8096 --keys "$RUN/examples/frame.keys" --device "$@"; }
frame dev-1 --epoch 5 --seq 1 --receipt 3 '{"n":1,"padding":"long enough for a receipt"}' | says '^receipt 1 ' || fail "dev-1 before"
now_in_force "$ctl" config apply "$RUN/new.yaml"
frame dev-9 --epoch 1 --seq 1 --receipt 3 '{"n":1,"padding":"long enough for a receipt"}' | says '^receipt 1 ' || fail "dev-9 has a key now"
before=$(status ".transports.frame.messages.refused.replayed // 0")
frame dev-1 --epoch 5 --seq 1 '{"n":1}'
frame dev-1 --epoch 5 --seq 2 --receipt 3 '{"n":2,"padding":"long enough for a receipt"}' | says '^receipt 2 ' || fail "dev-1 after"
replayed() { [ "$(status ".transports.frame.messages.refused.replayed // 0")" = $((before + 1)) ]; }
wait_for 5 replayed || fail "the replay window did not survive the new keys"

# A restart is needed: refused and named; with --restart-later it waits, and nobody says otherwise.
cp "$RUN/sluice.yaml" "$RUN/kept.yaml"
! "$ctl" config set egress.threads 2 >"$RUN/said" 2>&1 || fail "a restart was needed and nobody said so"
grep -q 'restart of sluiced: egress.threads' "$RUN/said" || fail "not named: $(cat "$RUN/said")"
cmp "$RUN/kept.yaml" "$RUN/sluice.yaml" || fail "refused, and the file is another"
"$ctl" config set egress.threads 2 --restart-later >"$RUN/said" || fail "--restart-later: $(cat "$RUN/said")"
grep -q 'NOT in force' "$RUN/said" || fail "in force too early: $(cat "$RUN/said")"
"$ctl" config show --json | jq -e '.in_force < .version and .pending == 1' >/dev/null || fail "shown: $("$ctl" config show --json)"
! "$ctl" config set net.icmp_rate 7 >"$RUN/said" 2>&1 || fail "a waiting version is whole"
now_in_force "$ctl" config rollback
cmp "$RUN/kept.yaml" "$RUN/sluice.yaml" || fail "rolled back to something else"
agreed || fail "rolled back and not agreed"

# Bad files change nothing.
sed 's/port: 8097/port: 8095/' "$RUN/kept.yaml" >"$RUN/bad.yaml"
! "$ctl" config apply "$RUN/bad.yaml" >"$RUN/said" 2>&1 || fail "two listeners on one port"
sed 's/icmp_rate/icmp_rat/; s/^routes:/routess:/' "$RUN/kept.yaml" >"$RUN/bad.yaml"
! "$ctl" config apply "$RUN/bad.yaml" >"$RUN/said" 2>&1 || fail "no such option"
cmp "$RUN/kept.yaml" "$RUN/sluice.yaml" || fail "a bad file replaced a good one"

# Killed in the middle, each of them at another moment.
check_whole() {
	wait_for 15 agreed || fail "after $1 they do not agree: $("$ctl" config show --json) $(tail -3 "$RUN/controld.log")"
	"$SLUICED" check --config "$RUN/sluice.yaml" >/dev/null || fail "after $1 the file is broken"
	"$ctl" config show "$("$ctl" config show --json | jq .version)" | cmp - "$RUN/sluice.yaml" || fail "after $1 history and file differ"
}
kill_while_applying() { # PID DELAY
	"$ctl" config set net.icmp_rate "$((RANDOM % 900 + 100))" >"$RUN/said" 2>&1 &
	local applying=$!
	sleep "$2"
	kill -9 "$1"
	wait "$1" 2>/dev/null || true
	wait "$applying" || true
}
for delay in 0 0.004 0.01 0.02 0.05; do
	before=$(told)
	kill_while_applying "$SLUICED_PID" "$delay"
	lab_sluiced
	check_whole "kill -9 of sluiced $delay s into it"
	wait_for 15 told_more "$before" || fail "no traffic after a restart of sluiced"
done
for delay in 0 0.004 0.01 0.02 0.05; do
	before=$(told)
	kill_while_applying "$CONTROLD_PID" "$delay"
	lab_controld
	check_whole "kill -9 of sluice-controld $delay s into it"
	wait_for 5 told_more "$before" || fail "traffic stopped for sluice-controld"
done

touch "$RUN/enough"
wait "$counting"
# The history says which version is in force: the newest, and without sluiced it waits.
states() { "$ctl" config history --json | jq -r '[.versions[0].state, ([.versions[]|select(.state=="in-force")]|length)]|join(" ")'; }
newest_is() { [ "$(states)" = "$1" ]; }
wait_for 5 newest_is 'in-force 1' || fail "history: $(states)"
lab_stop
wait_for 5 newest_is 'waiting 0' || fail "history without sluiced: $(states)"
"$ctl" config history --json | jq -r '.versions[].comment' | says 'one more' || fail "no comment in the history"
records telemetry | jq -r 'select(.device=="counting").fields.n' | sort -u >"$RUN/kept"
sort -u "$RUN/told" | comm -23 - "$RUN/kept" >"$RUN/lost"
[ ! -s "$RUN/lost" ] || fail "acknowledged and not in Kafka: $(head -3 "$RUN/lost")"
echo "$(told) acknowledged messages, all in Kafka"
