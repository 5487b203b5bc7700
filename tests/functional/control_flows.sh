#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What an operator decides takes hold of live traffic: suspended, blocked and dropped MQTT sessions
# end on every worker with their reason, claims and connection quotas refuse, limits shed, flows are
# listed from the workers. Blocks survive kill -9 of both planes.
. "$(dirname "$0")/../support/lab.sh"
shown() { "$ctl" device show "$1" --json | jq -r "$2"; }
is() { [ "$(shown "$1" "$2")" = "$3" ]; }
post() { dev coap-client -v 6 -B 3 -m post -t application/json -e '{"temp":1}' "coap://10.77.0.1/t/$1/$2" 2>&1; }
answers() { post "$1" "$2" | says "$3" || fail "$1/$2 was not answered $3: $(post "$1" "$2")"; }

# A session that stays until it is ended: what the broker said goes to $RUN/said.NAME.
session() { # NAME CLIENT USER
	dev timeout 60 stdbuf -oL mosquitto_pub -h 10.77.0.1 -V 5 -d -q 1 -i "$2" -u "$3" -P secret -t "t/$3/env" -l < <(sleep 60) >"$RUN/said.$1" 2>&1 &
	pids+=($!)
}
connected() { grep -qs 'CONNACK (0)' "$RUN/said.$1"; }
ended() { grep -q "Received DISCONNECT ($2)" "$RUN/said.$1"; }
publish() { # USER TOPIC [CLIENT [PASSWORD]]
	dev timeout 10 mosquitto_pub -h 10.77.0.1 -V 5 -q 1 -i "${3:-$1-pub}" -u "$1" -P "${4:-secret}" -t "$2" -m '{"temp":1}' 2>&1
}

lab_network
lab_yaml "${WORKERS:-2}" <<'PY'
import hashlib
c["dataplane"]["workers"] = int(sys.argv[1])
next(l for l in c["listeners"] if l["name"] == "mqtt")["auth"] = "password"
salt = bytes(range(16))
secret = "$sluice-sha256$%s$%s" % (salt.hex(), hashlib.sha256(salt + b"secret").hexdigest())
c["mqtt"] = {"users": [{"name": f"dev-{i}", "secret": secret} for i in range(1, 8)]}
PY
lab_kafka
lab_controld -f 1
lab_sluiced
wait_for 10 together || fail "the planes did not meet"

# Suspended: the live session ends with Not authorized, the next CONNECT is refused, both sides know.
for i in 1 2 3 4 5; do "$ctl" device add "dev-$i" >/dev/null; done
session one dev-1-sub dev-1
wait_for 10 connected one || fail "not connected: $(cat "$RUN/said.one")"
wait_for 5 is dev-1 .seen.connected 1 || fail "connected: $(shown dev-1 .seen)"
"$ctl" device suspend dev-1 --reason noisy >/dev/null
wait_for 5 ended one 135 || fail "the session goes on: $(cat "$RUN/said.one")"
publish dev-1 t/dev-1/env >"$RUN/out" && fail "a suspended device was let in"
grep -qi 'not authorized\|not authorised' "$RUN/out" || fail "told: $(cat "$RUN/out")"
wait_for 5 is dev-1 .refused.reason device-not-active || fail "no reason: $(shown dev-1 .)"
wait_for 5 is dev-1 .seen.connected 0 || fail "still connected: $(shown dev-1 .seen)"
"$ctl" device resume dev-1 >/dev/null
publish dev-1 t/dev-1/env || fail "resumed, and refused"

# As many connections as it may have.
"$ctl" device set dev-2 --connections 1 >/dev/null
session two dev-2-a dev-2
wait_for 10 connected two || fail "not connected: $(cat "$RUN/said.two")"
publish dev-2 t/dev-2/env >"$RUN/out" && fail "one connection too many"
grep -qi 'quota' "$RUN/out" || fail "told: $(cat "$RUN/out")"
wait_for 5 is dev-2 .refused.reason connections || fail "reason: $(shown dev-2 .refused)"
publish dev-2 t/dev-2/env dev-2-a >/dev/null || fail "taking over one's own session was refused"

# Claims: topics over MQTT, paths over CoAP.
"$ctl" device set dev-3 --claim 'topic:t/%d/env' --claim 'path:/t/%d/env' >/dev/null
publish dev-3 t/dev-3/env || fail "its own topic was refused"
publish dev-3 t/dev-3/other >"$RUN/out" || true
grep -qi 'not authori' "$RUN/out" || fail "another topic: $(cat "$RUN/out")"
wait_for 5 is dev-3 .refused.reason claim-denied || fail "reason: $(shown dev-3 .refused)"
publish dev-3 t/dev-4/env >"$RUN/out" || true
grep -qi 'not authori' "$RUN/out" || fail "another device: $(cat "$RUN/out")"
answers dev-3 env 'c:2\.04'
answers dev-3 other 'c:4\.03'

# Listed from the workers' tables: a connection that has said nothing, and CoAP.
session four dev-4-sub dev-4
wait_for 10 connected four || fail "not connected"
"$ctl" flow list --transport mqtt --json | jq -e '[.flows[]|select(.device=="dev-4" and .address=="10.77.0.2" and .port>0)]|length==1' >/dev/null || fail "flows: $("$ctl" flow list)"
"$ctl" flow list --transport coap --device dev-3 --json | jq -e '(.flows|map(.records)|add)==1 and (.flows|map(.drops)|add)==1' >/dev/null || fail "flows: $("$ctl" flow list)"
"$ctl" flow list --address 10.99.0.0/16 --json | jq -e '.flows==[]' >/dev/null || fail "an address that is not there"
"$ctl" flow list --realm 7 --json | jq -e '.flows==[]' >/dev/null || fail "a realm that is not there"
flows() { "$ctl" flow list --json "$@" | tee "$RUN/page" | jq -c '.flows[]|[.device,.address,.port,.transport,.worker]'; }
# Page by page it is the same list. A client that was thrown out may just be coming back.
paged() {
	local cursor=0 n=0
	flows >"$RUN/flows"
	: >"$RUN/pages"
	while [ "$cursor" != null ] && [ $((n++)) -lt 100 ]; do
		flows --limit 1 --cursor "$cursor" >>"$RUN/pages"
		cursor=$(jq -r .next "$RUN/page")
	done
	cmp -s "$RUN/flows" "$RUN/pages"
}
wait_for 10 paged || fail "all flows (<) and page by page (>): $(diff "$RUN/flows" "$RUN/pages")"

# Dropped: ended by administrative action, and may come back.
[ "$("$ctl" flow drop --device dev-4 --json | jq .dropped)" = 1 ] || fail "nothing dropped"
wait_for 5 ended four 152 || fail "the session goes on: $(cat "$RUN/said.four")"
publish dev-4 t/dev-4/env || fail "dropped, and refused for good"

# A device blocked: ended, refused with Banned; allowed again.
session five dev-5-sub dev-5
wait_for 10 connected five || fail "not connected"
"$ctl" flow block --device dev-5 --reason test --for 1h >/dev/null
wait_for 5 ended five 152 || fail "the session goes on: $(cat "$RUN/said.five")"
publish dev-5 t/dev-5/env >"$RUN/out" && fail "a blocked device was let in"
grep -qi 'banned' "$RUN/out" || fail "told: $(cat "$RUN/out")"
answers dev-5 env 'c:4\.03'
wait_for 5 is dev-5 .refused.reason blocked || fail "reason: $(shown dev-5 .refused)"
"$ctl" flow allow --device dev-5 >/dev/null
publish dev-5 t/dev-5/env || fail "allowed, and refused"

# A password of the registry, not of the configuration: good at once, another one at once, and what was
# remembered of the old one is worth nothing. Taken away, it ends the session it opened.
"$ctl" device add reg-1 >/dev/null
publish reg-1 t/reg-1/env >/dev/null && fail "let in without a password"
echo secret | "$ctl" device password reg-1 --password-file - >/dev/null
publish reg-1 t/reg-1/env || fail "the registry's password was refused"
publish reg-1 t/reg-1/env || fail "the remembered password was refused"
echo other | "$ctl" device password reg-1 --password-file - >/dev/null
publish reg-1 t/reg-1/env >/dev/null && fail "the old password was accepted"
publish reg-1 t/reg-1/env reg-1-pub other || fail "the new password was refused"
echo secret | "$ctl" device password reg-1 --password-file - >/dev/null
session six reg-1-stay reg-1
wait_for 10 connected six || fail "not connected"
"$ctl" device credential-remove reg-1 password 0 >/dev/null
wait_for 5 ended six 135 || fail "the session goes on without its password: $(cat "$RUN/said.six")"
publish reg-1 t/reg-1/env >/dev/null && fail "let in by a password that was taken away"
echo secret | "$ctl" device password reg-1 --password-file - >/dev/null
touch "$RUN/changed"

# A limit sheds.
"$ctl" flow limit --device dev-4 --records-per-s 1 --reason noisy >/dev/null
for _ in 1 2 3 4; do post dev-4 env || true; done >"$RUN/out"
grep -q 'c:5\.03' "$RUN/out" || fail "no 5.03 above the limit: $(cat "$RUN/out")"

# A prefix with several devices in good standing wants --force; blocked frames have their own reason.
"$ctl" flow block --address 10.77.0.0/28 --reason test >"$RUN/out" 2>&1 && fail "blocked without --force"
grep -q -- '--force' "$RUN/out" || fail "told: $(cat "$RUN/out")"
"$ctl" flow block --address 10.77.0.3/28 --reason test --force >/dev/null
"$ctl" flow blocks --json | jq -e '.blocks[]|select(.address=="10.77.0.0/28")' >/dev/null || fail "blocks: $("$ctl" flow blocks)"
publish dev-4 t/dev-4/env >/dev/null && fail "a blocked prefix got through"
blocked() { [ "$(status '.frames.dropped["source-blocked"]')" -gt 0 ]; }
wait_for 5 blocked || fail "not counted: $(status .frames.dropped)"

# Both planes die; the data plane alone still blocks, and the control plane has forgotten nothing.
lab_saved
[ "$(stat -c %a "$RUN/state/secrets.snapshot" "$RUN/state/blocks.snapshot" | sort -u)" = 600 ] || fail "others may read the snapshots"
kill -9 "$CONTROLD_PID" "$SLUICED_PID"
wait "$CONTROLD_PID" "$SLUICED_PID" 2>/dev/null || true
lab_sluiced
publish dev-4 t/dev-4/env >/dev/null && fail "the block did not survive"
dev ip addr add 10.77.0.99/24 dev sld0
elsewhere() { dev timeout 10 mosquitto_pub -h 10.77.0.1 -A 10.77.0.99 -V 5 -q 1 -i "$1-away" -u "$1" -P secret -t "$2" -m '{"temp":1}' 2>&1; }
elsewhere reg-1 t/reg-1/env || fail "the registry's password did not survive"
elsewhere dev-3 t/dev-3/env || fail "an allowed topic did not survive"
elsewhere dev-3 t/dev-3/other >"$RUN/out" || true
grep -qi 'not authori' "$RUN/out" || fail "the claims did not survive: $(cat "$RUN/out")"
lab_controld -f 1
wait_for 10 together || fail "the planes did not meet again"
publish dev-4 t/dev-4/env >/dev/null && fail "the block went with the control plane"
"$ctl" flow allow --address 10.77.0.0/28 >/dev/null
publish dev-3 t/dev-3/env || fail "allowed, and refused"
"$ctl" audit list --json | jq -e '[.entries[].action]|contains(["flow.allow","flow.block","flow.limit","flow.drop"])' >/dev/null || fail "audit"
"$ctl" audit verify >/dev/null || fail "audit chain"
lab_stop
