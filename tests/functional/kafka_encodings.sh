#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Packed JSON lines and protobuf, single and packed, on a real Kafka that is killed and restarted:
# readers that are not ours (kcat, protobuf's Python on what protoc makes of the shipped .proto) find
# every acknowledged publish once, each device's in order, the checkpoints' proof holds, and packing
# saves messages.
. "$(dirname "$0")/../support/kafka.sh"
. "$(dirname "$0")/../support/lab.sh"
kafka_start
for t in lines packed single; do kafka_topic "$t" 4; done
kafka_topic dead-letter 1
kafka_topic alerts 1
lab_network
lab_config "s/brokers: embedded.*/brokers: $BROKERS\n  compression: lz4/" \
	's/^topics:/topics:\n  - {name: lines, partitions: 4}\n  - {name: packed, partitions: 4}\n  - {name: single, partitions: 4}/' \
	'/name: telemetry, partitions/d' \
	's/^routes:/routes:\n  - {name: lines, topic: lines, pack: 100}\n  - {name: packed, topic: packed, pack: 50, encoding: protobuf}\n  - {name: single, topic: single, encoding: protobuf}/' \
	'/  - name: telemetry/,/^$/d' \
	's/route: telemetry/route: lines/'
python3 - "$RUN/sluice.yaml" <<'PY'
import sys, yaml
path = sys.argv[1]
c = yaml.safe_load(open(path))
c.pop("profile_files")  # theirs go to the route that is not here
profiles = {p["name"]: p for p in c["profiles"]}
for route, port in (("packed", 1884), ("single", 1885)):
    c["profiles"].append(dict(profiles["by-path"], name=route, route=route))
    mqtt = next(l for l in c["listeners"] if l["name"] == "mqtt")
    c["listeners"].append(dict(mqtt, name=route, port=port, profile=route))
open(path, "w").write(yaml.safe_dump(c, sort_keys=False))
PY
lab_sluiced
protoc --proto_path="$TOP/pipelines/proto" --python_out="$DIR" "$TOP/pipelines/proto/record.proto" || fail "protoc"

cat >"$DIR/publish.py" <<'PY'
"""publish.py PORT FILE: devices publish at QoS 1, what was acknowledged goes to FILE."""
import sys, time
import paho.mqtt.client as mqtt
port, out = int(sys.argv[1]), open(sys.argv[2], "w")
clients, stop = [], time.monotonic() + 15
def start(n):
    c = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"d{port}-{n}", clean_session=False)
    c.numbers = {}
    c.on_publish = lambda c, _, mid, *rest: out.write(f"d{port}-{n} {c.numbers[mid]}\n")
    c.max_inflight_messages_set(20)
    c.reconnect_delay_set(1, 1)
    c.connect("10.77.0.1", port, keepalive=60)
    c.loop_start()
    return c
clients = [start(n) for n in range(8)]
sent = 0
while time.monotonic() < stop:
    for n, c in enumerate(clients):
        info = c.publish(f"t/d{port}-{n}/env", '{"temp":%d.5,"n":%d,"ok":true,"s":null}' % (sent % 40, sent), qos=1)
        c.numbers[info.mid] = sent
    sent += 1
    time.sleep(0.02)
end = time.monotonic() + 120
while any(c._out_messages for c in clients) and time.monotonic() < end:
    time.sleep(0.2)
left = sum(len(c._out_messages) for c in clients)
for c in clients:
    c.loop_stop()
out.close()
sys.exit(f"{left} unacknowledged" if left else 0)
PY
publishers=()
for where in lines:1883 packed:1884 single:1885; do
	dev python3 "$DIR/publish.py" "${where#*:}" "$DIR/${where%:*}.acked" &
	publishers+=($!)
done
sleep 5
"$BROKER" kill
sleep 2
kafka_start
for p in "${publishers[@]}"; do wait "$p" || fail "a publisher has unacknowledged messages"; done
lab_stop

for t in lines packed single; do dump "$t"; done
prove lines
for t in packed single; do
	python3 "$TOP/tests/support/prove_complete.py" --protobuf "$DIR" <"$DIR/$t.dump" || fail "proof of $t"
done
python3 - "$DIR" "$TOP/tests/support" <<'PY' || fail "acknowledged and not in Kafka"
import collections, sys
sys.path[:0] = sys.argv[1:3]
import record_pb2
from prove_complete import delimited, lines, messages, records
for topic, split in (("lines", lines), ("packed", delimited(record_pb2)), ("single", delimited(record_pb2))):
    seen, last, count = collections.Counter(), {}, 0
    for _, _, key, _, r in records(open(f"{sys.argv[1]}/{topic}.dump", "rb"), split):
        if r["type"] != "record":
            continue
        m, count = r.get("record"), count + 1
        if m:
            fields = {f.name: getattr(f, f.WhichOneof("value")) if f.WhichOneof("value") else None for f in m.fields}
            assert m.transport == "mqtt" and m.path == f"t/{m.device}/env" and m.ack == record_pb2.ACK_KAFKA
        else:
            fields = r["fields"]
        assert (key == r["device"].encode()) == (topic == "single"), f"{topic}: key {key}"
        assert fields["ok"] is True and fields["s"] is None and fields["temp"] == fields["n"] % 40 + 0.5, fields
        device, n = r["device"], fields["n"]
        if seen[device, n] == 0:
            assert n > last.get(device, -1), f"{device}: {n} after {last[device]}"
            last[device] = n
        seen[device, n] += 1
    acked = {(a, int(b)) for a, b in (line.split() for line in open(f"{sys.argv[1]}/{topic}.acked"))}
    assert len(acked) > 1000, f"{topic}: only {len(acked)} acknowledged"
    assert not acked - set(seen), f"{topic}: {sorted(acked - set(seen))[:5]} acknowledged and missing"
    total = sum(1 for _ in messages(open(f"{sys.argv[1]}/{topic}.dump", "rb")))
    print(f"{topic}: {len(acked)} acknowledged, {count} records in {total} messages")
    assert topic == "single" or total * 2 < count, f"{topic}: nothing was packed"
PY
