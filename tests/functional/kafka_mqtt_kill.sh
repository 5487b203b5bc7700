#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sluiced is killed (-9) twice under MQTT clients at QoS 1 and 2 and started again, on a real Kafka: all
# that was acknowledged is there, and a QoS 2 message that got there twice has one record id.
. "$(dirname "$0")/../support/kafka.sh"
. "$(dirname "$0")/../support/lab.sh"
kafka_shipped
lab_network
lab_config "s/brokers: embedded.*/brokers: $BROKERS/"
lab_sluiced

dev timeout 110 python3 - >"$DIR/told" 2>"$DIR/driver.log" <<'PY' &
import sys, time
import paho.mqtt.client as mqtt

COUNT, CLIENTS = 250, 16
acked = set()


def client(number):
    qos = 1 + number % 2
    name = f"q{qos}-{number}"
    c = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv311, clean_session=False)
    c.reconnect_delay_set(1, 1)
    numbers = {}

    def on_publish(_client, _user, mid, _reason, _properties):
        acked.add((name, numbers[mid]))
        sys.stdout.write(f"{name} {numbers[mid]}\n")
        sys.stdout.flush()

    c.on_publish = on_publish
    c.connect("10.77.0.1", 1883, keepalive=5)
    c.loop_start()
    return c, name, qos, numbers


clients = [client(n) for n in range(CLIENTS)]
for n in range(COUNT):
    for c, name, qos, numbers in clients:
        info = c.publish(f"t/{name}/env", '{"n":%d}' % n, qos=qos)
        numbers[info.mid] = n
    time.sleep(0.06)
end = time.monotonic() + 60
while len(acked) < COUNT * CLIENTS and time.monotonic() < end:
    time.sleep(0.1)
for c, *_ in clients:
    c.disconnect()
    c.loop_stop()
print(f"{len(acked)} of {COUNT * CLIENTS} acknowledged", file=sys.stderr)
sys.exit(len(acked) != COUNT * CLIENTS)
PY
publisher=$!
told_more_than() { [ "$(wc -l <"$DIR/told")" -gt "$1" ]; }
for mark in 600 1800; do
	wait_for 60 told_more_than "$mark" || fail "no flow at $mark: $(wc -l <"$DIR/told")"
	kill -KILL "$SLUICED_PID"
	wait "$SLUICED_PID" 2>/dev/null || true
	lab_sluiced
done
wait "$publisher" || fail "the clients ended with $?"
lab_stop

dump telemetry
python3 - "$DIR/telemetry.dump" "$DIR/told" "$TOP/tests/support" <<'PY' || fail "see above"
import collections, json, sys
sys.path.insert(0, sys.argv[3])
from prove_complete import messages
ids, times = collections.defaultdict(set), collections.Counter()
for _, _, key, value, _ in messages(open(sys.argv[1], "rb")):
    r = json.loads(value)
    if r["type"] != "record":
        continue
    what = r["device"], int(r["fields"]["n"])
    ids[what].add(r["id"])
    times[what] += 1
told = {(w[0], int(w[1])) for w in map(str.split, open(sys.argv[2]))}
missing = told - set(ids)
other = [what for what, i in ids.items() if what[0].startswith("q2") and len(i) > 1]
again = {q: sum(times[w] > 1 for w in times if w[0].startswith(q)) for q in ("q1", "q2")}
print(f"{len(told)} acknowledged; twice in Kafka: QoS 1 {again['q1']}, QoS 2 {again['q2']}")
if missing or other or len(told) != 4000:
    sys.exit(f"acknowledged and not in Kafka: {sorted(missing)[:5]}; QoS 2 with two ids: {other[:5]}")
PY
