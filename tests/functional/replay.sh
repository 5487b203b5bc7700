#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A capture of live traffic, replayed: the same records, and byte for byte the same output twice,
# because every clock is the capture's.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
lab_kafka
lab_sluiced

dev tcpdump -i sld0 -w "$RUN/live.pcap" --immediate-mode -U >/dev/null 2>&1 &
tcpdump=$!
wait_for 5 test -s "$RUN/live.pcap" || fail "no tcpdump"
dev python3 - <<'PY'
import json, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(50):
    s.sendto(json.dumps({"device": f"dev-{n % 5}", "n": n}).encode(), ("10.77.0.1", 8095))
    s.sendto(f"climate,device=line-{n % 5} n={n}i".encode(), ("10.77.0.1", 8094))
s.sendto(json.dumps({"device": "big", "text": "x" * 4000}).encode(), ("10.77.0.1", 8095))
s.sendto(b"not json", ("10.77.0.1", 8095))
PY
dev coap-client -B 5 -m post -t application/json -e '{"temp":1}' coap://10.77.0.1/t/dev-c/env
all() { [ "$(records telemetry | wc -l)" = 102 ]; }
wait_for 10 all || fail "live: $(records telemetry | wc -l) records"
wait_for 10 lab_caught "$RUN/live.pcap" || fail "frames keep coming"
kill -TERM "$tcpdump"
wait "$tcpdump" || true
lab_stop

lab_replay "$RUN/live.pcap"
fields() { jq -cS 'select(.type=="record") | [.device, .fields]' | sort; }
diff <(records telemetry | fields) <(fields <"$RUN/replay1.json") || fail "replay differs from what Kafka has"
[ "$(jq -r 'select(.type=="dead-letter").reason' "$RUN/replay1.json" | wc -l)" = 1 ] || fail "no dead letter in the replay"
