#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kafka hangs under 1,000 MQTT clients with a keep-alive of 10 s that publish at QoS 1: 50 paho-mqtt,
# 50 mqtt.js and 900 of tests/support/mqtt_swarm.py. Nobody is disconnected, nothing is acknowledged
# while Kafka is stopped, and everything acknowledged is there afterwards. The stop lasts 60 s, six
# times the keep-alive and long past every time-out of a connection.
. "$(dirname "$0")/../support/lab.sh"
CLIENTS=$TOP/tests/support
STOP_S=60
modules=$("$CLIENTS/mqttjs/fetch" --check) || fail "no mqtt.js: tests/support/mqttjs/fetch, with a network"
lab_network
lab_config
lab_kafka
kafka_pid=${pids[-1]}
lab_sluiced

clients=()
start() { # LOG CMD...: a log has "ack TIME NAME NUMBER" lines and ends with "end CONNECTED LOST OUTSTANDING"
	local log=$1
	shift
	dev "$@" >"$RUN/$log" 2>"$RUN/$log.err" &
	clients+=($!)
	pids+=($!)
}
start swarm python3 "$CLIENTS/mqtt_outage_clients.py" swarm 900 10.77.0.1
start paho python3 "$CLIENTS/mqtt_outage_clients.py" paho 50 fd77::1
start mqttjs env NODE_PATH="$modules" node "$CLIENTS/mqttjs/outage_clients.js" 50 10.77.0.1

ready() { [ "$(cat "$RUN"/{swarm,paho,mqttjs} | grep -c '^ready')" = 3 ]; }
wait_for 30 ready || fail "not all clients are connected: $(cat "$RUN"/{swarm,paho,mqttjs}.err)"
flowing() { [ "$(status .transports.mqtt.messages.acked)" -ge 1500 ]; }
wait_for 30 flowing || fail "acknowledged: $(status .transports.mqtt.messages)"
kill -STOP "$kafka_pid"
stopped=$(date +%s.%N)
sleep "$STOP_S"
resumed=$(date +%s.%N)
kill -CONT "$kafka_pid"
sleep 6
for c in "${clients[@]}"; do
	for child in $(pgrep -P "$c") "$c"; do kill -TERM "$child" 2>/dev/null || true; done
done
finished() { [ "$(cat "$RUN"/{swarm,paho,mqttjs} | grep -c '^end')" = 3 ]; }
wait_for 30 finished || fail "clients did not end: $(tail -n 5 "$RUN"/{swarm,paho,mqttjs}.err)"
grep -h '^end' "$RUN"/{swarm,paho,mqttjs}
records telemetry >"$RUN/records"
python3 - "$RUN" "$stopped" "$resumed" <<'PY' || fail "see above"
import json, sys
run, stopped, resumed = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
stored = set()
for line in open(run + "/records"):
    r = json.loads(line)
    stored.add((r["device"], int(r["fields"]["n"])))
before = during = after = 0
missing = []
for kind, count in (("swarm", 900), ("paho", 50), ("mqttjs", 50)):
    names = set()
    for line in open(f"{run}/{kind}"):
        word = line.split()
        if word[0] == "end" and [int(w) for w in word[1:]] != [count, 0, 0]:
            sys.exit(f"{kind}: connected, lost, outstanding: {word[1:]} of {count}")
        if word[0] != "ack":
            continue
        at, name, n = float(word[1]), word[2], int(word[3])
        if (name, n) not in stored:
            missing.append((name, n, round(at - stopped, 2)))
        if at < stopped:
            before += 1
        # Answers that Kafka gave before it was stopped may still be on their way.
        elif stopped + 2 < at < resumed:
            during += 1
        elif at >= resumed:
            after += 1
            names.add(name)
    if len(names) != count:
        sys.exit(f"{kind}: only {len(names)} clients of {count} went on")
print(f"acknowledged: {before} before, {during} during, {after} after; stored {len(stored)}")
if missing:
    sys.exit(f"{len(missing)} acknowledged and not in Kafka: (name, number, s after the stop) {missing[:20]}")
if before < 1000 or after < 2000 or during:
    sys.exit("not what an outage looks like")
PY
lab_stop
[ "$(status .transports.mqtt.messages.acked)" = "$(status .transports.mqtt.messages.received)" ] ||
	fail "acked: $(status .transports.mqtt.messages)"
