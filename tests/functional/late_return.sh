#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A site is back after three days: 300 MQTT devices connect at once and send 30 buffered readings each,
# far more than the late lane's share of egress takes, while one device goes on as ever. Nobody is
# disconnected or told to come again: late messages wait for their turn, and each reading arrives once,
# those of a device in their order. Then sluiced is killed (-9) while messages wait: what was
# acknowledged is in Kafka.
. "$(dirname "$0")/../support/lab.sh"

lab_network
# A share of 1 % of 1,024: ten late records on their way at a time.
lab_config '/^  - name: by-path/,/route:/s/    route: telemetry/    late_after: 1h\n    route: telemetry/' \
	'$a pipeline: {late_share: 1}\negress: {in_flight_records: 1024}'
lab_kafka
lab_sluiced
dev timeout 90 env PYTHONPATH="$TOP/tests/support" python3 - <<'PY' || fail "see above: $(status .transports.mqtt)"
import json, sys, time
from mqtt_swarm import Swarm

DEVICES, READINGS, LIVE = 300, 30, 50
swarm = Swarm("10.77.0.1", keep_alive=60)
back = [swarm.add(f"back-{n}") for n in range(DEVICES)]
other = swarm.add("other-1")


def until(what, seconds, done):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            sys.exit(f"{what}: {swarm.connected} connected, {swarm.acked} acknowledged, {swarm.ended} ended")
        swarm.step(0.02)


def publish(client, n, time_ms):
    swarm.publish(client, f"t/{client.name}/env", json.dumps({"time": time_ms, "seq": n, "temp": 20 + n / 10}))


until("connecting", 20, lambda: swarm.connected == DEVICES + 1)
then = int(time.time() * 1000) - 3 * 86400 * 1000
for n in range(READINGS):
    for client in back:
        publish(client, n, then + n * 1000)
for n in range(LIVE):
    publish(other, n, int(time.time() * 1000))
    until("the live device", 20, lambda: not other.pending)
until("the devices that are back", 60, lambda: swarm.acked == DEVICES * READINGS + LIVE)
if swarm.ended:
    sys.exit(f"{swarm.ended} were disconnected")
for client in [*back, other]:
    swarm.close(client)
PY
lab_stop
[ "$(status '.stages.late.waited // 0')" -gt 1000 ] || fail "nothing waited: $(status .stages)"
[ "$(status '.transports.mqtt.messages.shed|length')" = 0 ] || fail "shed: $(status .transports.mqtt.messages.shed)"
records telemetry >"$RUN/records"
jq -se 'length == 9050 and (map(.id)|unique|length) == 9050
	and (map(select(.device != "other-1"))|all(.findings|any(.finding == "late")))
	and (group_by(.device)|all(map(.seq) == (map(.seq)|sort)))' "$RUN/records" >/dev/null ||
	fail "$(wc -l <"$RUN/records") records: $(head -n 2 "$RUN/records")"

lab_sluiced
dev timeout 60 env PYTHONPATH="$TOP/tests/support" python3 - >"$RUN/told" 2>"$RUN/told.err" <<'PY' &
import json, sys, time
from mqtt_swarm import Swarm

swarm = Swarm("10.77.0.1", keep_alive=60, on_ack=lambda c, p: print(c.name, json.loads(p)["seq"], flush=True))
again = [swarm.add(f"again-{n}") for n in range(300)]
if not swarm.run(20, lambda: swarm.connected == len(again)):
    sys.exit(f"{swarm.connected} connected")
then = int(time.time() * 1000) - 3 * 86400 * 1000
for n in range(30):
    for client in again:
        swarm.publish(client, f"t/{client.name}/env", json.dumps({"time": then + n * 1000, "seq": n, "temp": 20}))
end = time.monotonic() + 40
while time.monotonic() < end: # until the test ends it
    swarm.step(0.02)
PY
devices=$!
pids+=("$devices")
in_the_middle() { [ "$(wc -l <"$RUN/told")" -gt 200 ] && [ "$(status '.stages.late.waited // 0')" -gt 200 ]; }
wait_for 40 in_the_middle || fail "nothing waits: $(wc -l <"$RUN/told") told, $(status .stages.late) $(cat "$RUN/told.err")"
kill -KILL "$SLUICED_PID"
wait "$SLUICED_PID" || true
sleep 0.5
told=$(wc -l <"$RUN/told")
kill "$devices" 2>/dev/null || fail "the devices ended before: $(cat "$RUN/told.err")"
[ "$told" -lt 9000 ] || fail "nothing was left to wait"
records telemetry | jq -r 'select(.device|startswith("again-"))|"\(.device) \(.seq)"' | sort -u >"$RUN/stored"
sort -u "$RUN/told" | comm -23 - "$RUN/stored" >"$RUN/lost"
[ ! -s "$RUN/lost" ] || fail "acknowledged and not in Kafka: $(wc -l <"$RUN/lost"), $(head -n 3 "$RUN/lost")"
echo "killed with $told acknowledged, $(wc -l <"$RUN/stored") in Kafka"
