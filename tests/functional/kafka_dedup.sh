#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MQTT devices that break their connections with messages unanswered and send them again, through two
# workers, on a real Kafka that hangs, is killed and comes back, and a sluiced that is killed: nothing
# acknowledged is missing, and nothing is there twice. Only sluiced's own death may bring copies, of
# what it had in flight.
. "$(dirname "$0")/../support/kafka.sh"
. "$(dirname "$0")/../support/lab.sh"
kafka_shipped
lab_network
lab_config "s/brokers: embedded.*/brokers: $BROKERS/" \
	's/^  workers: 1/  workers: 2/' 's/^  memory: 512MiB/  memory: 1GiB/' \
	'/^profiles:/i pipeline: {dedup_entries: 64}'
lab_sluiced

touch "$DIR/told"
told() { wc -l <"$DIR/told"; }
told_more_than() { [ "$(told)" -gt "$1" ]; }
dev python3 "$TOP/tests/support/reconnecting_clients.py" 10.77.0.1 40 400 "$DIR/told" >"$DIR/clients" 2>&1 &
clients=$!
wait_for 60 told_more_than 1000 || fail "no flow: $(cat "$DIR/clients")"
"$BROKER" pause
sleep 4
before=$(told)
"$BROKER" resume
wait_for 30 told_more_than $((before + 500)) || fail "the flow did not resume after the pause"
"$BROKER" kill
sleep 1
before=$(told)
kafka_start
wait_for 60 told_more_than $((before + 500)) || fail "the flow did not resume after the restart"
copies=$(status .transports.mqtt.messages.duplicate)
[ "$copies" -gt 50 ] || fail "only $copies copies recognised"

"$BROKER" pause # the worst moment: everything in flight, nothing answered
sleep 1
kill -KILL "$SLUICED_PID"
wait "$SLUICED_PID" 2>/dev/null || true
"$BROKER" resume
before=$(told)
lab_sluiced
wait_for 60 told_more_than $((before + 500)) || fail "the flow did not resume after sluiced was killed"
pkill -TERM -P "$clients" || kill -TERM "$clients"
wait "$clients" || fail "the clients: $(cat "$DIR/clients")"
lab_stop

dump telemetry
python3 - "$DIR/telemetry.dump" "$DIR/told" "$DIR/clients" "$TOP/tests/support" "$copies" <<'PY' || fail "see above"
import collections, json, sys
sys.path.insert(0, sys.argv[4])
from prove_complete import messages
seen = collections.defaultdict(list)
for _, _, key, value, _ in messages(open(sys.argv[1], "rb")):
    r = json.loads(value)
    if r["type"] == "record":
        seen[r["device"], r["fields"]["n"]].append(r["appliance_epoch"])
told = {(d, int(n)) for d, n in (line.split() for line in open(sys.argv[2]))}
end = open(sys.argv[3]).read().split("\n")[-2].split()
missing = told - seen.keys()
twice = [k for k, epochs in seen.items() if len(set(epochs)) != len(epochs)]
across = sum(len(epochs) > 1 for epochs in seen.values())
print(f"{len(told)} told, {len(seen)} there, {end[2]} sent again over {end[4]} broken connections, "
      f"{sys.argv[5]} copies recognised before the kill, {across} copies across it, {end[3]} unanswered")
if missing or twice or end[3] != "0":
    sys.exit(f"missing {sorted(missing)[:5]}, twice {sorted(twice)[:5]}, unanswered {end[3]}")
PY
