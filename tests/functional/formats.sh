#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every payload format over UDP, several readings per datagram, devices named as the profiles say;
# bad input of each kind is a dead letter with its reason and original bytes; ten lines of Python
# prove from ledger_seq and the checkpoints that the topic is complete, and notice a missing record.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_yaml <<'PY'
base = next(l for l in c["listeners"] if l["name"] == "json")
for n, fmt in enumerate(["senml-json", "senml-cbor", "cbor", "raw"]):
    profile = "by-address" if fmt == "raw" else "by-field"
    c["listeners"].append(dict(base, name=fmt, format=fmt, port=8097 + n, profile=profile))
c["profiles"].append({"name": "by-address", "device": {"from": "address"}, "route": "telemetry"})
PY
lab_kafka
lab_sluiced

dev python3 - <<'PY'
import cbor2, json, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def send(port, payload):
    s.sendto(payload if isinstance(payload, bytes) else payload.encode(), ("10.77.0.1", port))
send(8094, "climate,device=line-1 temp=1.5,n=3i,ok=t 1700000000000000000\nclimate,device=line-2 temp=2.5")
send(8095, json.dumps([{"device": "json-1", "a": {"b": [1, 2]}}, {"device": "json-2", "t": 1}]))
send(8097, '[{"bn":"senml-1/","bt":1.7e9,"n":"temp","u":"Cel","v":3.5},{"n":"hum","u":"%RH","v":50}]')
send(8098, cbor2.dumps([{-2: "senml-2/", 0: "temp", 1: "Cel", 2: 4.5}]))
send(8099, cbor2.dumps({"device": "cbor-1", "temp": 5.5}))
send(8100, b"\x00\x01\xff")
# and what is wrong with each
send(8094, "climate,device=line-1 temp=")
send(8095, b'{"device":"json-1","t":"\xff\xfe"}')
send(8095, '{"device":"json-1","t":1,"t":2}')
send(8095, '{"device":"json-1","t":1e999}')
send(8095, '{"t":1}')
send(8095, '{"device":"json-1","d":' + "[" * 50 + "]" * 50 + "}")
send(8097, '[{"bver":11,"n":"x","v":1}]')
send(8098, b"\x9f\xa1")
send(8099, b"\xa1")
PY
all() { [ "$(records telemetry | wc -l)" -ge 8 ] && [ "$(records dead-letter | wc -l)" -ge 9 ]; }
wait_for 15 all || fail "$(records telemetry | wc -l) records, $(records dead-letter | wc -l) dead letters: $(records telemetry) $(records dead-letter)"
devices=$(records telemetry | jq -r .device | sort | tr '\n' ' ')
[ "$devices" = "10.77.0.2 cbor-1 json-1 json-2 line-1 line-2 senml-1 senml-2 " ] || fail "devices: $devices"
records telemetry | jq -e 'select(.device=="line-1").fields == {"_measurement":"climate","temp":1.5,"n":3,"ok":true}' >/dev/null || fail "line protocol fields"
records telemetry | jq -e 'select(.device=="json-1").fields == {"a.b.0":1,"a.b.1":2}' >/dev/null || fail "nested JSON fields"
records telemetry | jq -e 'select(.device=="senml-1").units.temp == "Cel"' >/dev/null || fail "SenML units: $(records telemetry | jq -c 'select(.device=="senml-1")')"
records dead-letter | jq -r .detail | sort | tr '\n' ' ' | tee /tmp/reasons
for reason in bad-utf8 duplicate-key no-device too-deep bad-version truncated; do
	grep -q "$reason" /tmp/reasons || fail "no dead letter for $reason"
done
topic() { kcat -q -b "$(brokers)" -C -t telemetry -o beginning -e -f '%t %p %K %S\n%k%s\n' 2>/dev/null; }
# With a last checkpoint behind every record.
proved() { topic | "$TOP/tests/support/prove_complete.py" >/tmp/proof 2>&1 && ! grep -q ' [1-9][0-9]* after the last' /tmp/proof; }
wait_for 10 proved || fail "the topic is not provably complete: $(cat /tmp/proof)"
lab_stop
topic >/tmp/topic
python3 - /tmp/topic >/tmp/without <<'PY'
import sys
# The same topic without the record of line-1.
with open(sys.argv[1], "rb") as f:
    for head in iter(f.readline, b""):
        topic, partition, key_len, value_len = head.split()
        key, value, end = f.read(max(int(key_len), 0)), f.read(int(value_len)), f.read(1)
        if key != b"line-1":
            sys.stdout.buffer.write(head + key + value + end)
PY
cmp -s /tmp/topic /tmp/without && fail "nothing was taken out"
if "$TOP/tests/support/prove_complete.py" </tmp/without >/dev/null 2>&1; then
	fail "a missing record was not noticed"
fi
