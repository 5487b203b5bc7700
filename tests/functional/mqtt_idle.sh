#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 10,000 idle MQTT connections from four addresses: they hold no buffers and cost 320 bytes each by the
# account in status.json, with which the kernel's count agrees; any of them can publish at once, and
# when all of them break off and come back together every one is served again.
. "$(dirname "$0")/../support/lab.sh"
lab_network
for n in 3 4 5; do ip -n dev addr add "10.77.0.$n/24" dev sld0; done
lab_config
lab_kafka
resident() { echo $(($(awk '/^VmRSS/ {print $2}' "/proc/$SLUICED_PID/status") * 1024)); }
reserved() { status .memory.reserved; }
# What sluiced takes with next to no connections, to compare with.
cp "$RUN/sluice.yaml" "$RUN/shipped.yaml"
echo 'mqtt: {connections: 1, stored_sessions: 1}' >>"$RUN/sluice.yaml"
lab_sluiced
small=$(resident) small_reserved=$(reserved)
lab_stop
cp "$RUN/shipped.yaml" "$RUN/sluice.yaml"
lab_sluiced
empty=$(resident)
ulimit -n 12000 || fail "cannot open 12,000 files"

mkfifo "$RUN/go"
dev env PYTHONPATH="$TOP/tests/support" timeout 85 python3 - "$RUN" >"$RUN/idle" <<'PY' &
import sys, time
from mqtt_swarm import Swarm
COUNT = 10000
acked = []


def connect(clean):
    """Everybody at once, as far as one thread gets."""
    s = Swarm("10.77.0.1", keep_alive=120, on_ack=lambda c, p: acked.append((c.name, p)))
    start = time.monotonic()
    for n in range(COUNT):
        s.add(f"idle-{n}", source=f"10.77.0.{2 + n % 4}", clean=clean)
        if n % 50 == 49:
            s.step(0)
    s.run(25, lambda: s.connected + s.ended >= COUNT)
    if s.connected != COUNT or s.ended:
        sys.exit(f"{s.connected} connected, {s.ended} ended by the server: "
                 f"{set(c.ended for c in s.clients)}")
    print(f"connected {COUNT} in {time.monotonic() - start:.1f} s", file=sys.stderr)
    return s


def publish(s, number):
    before = len(acked)
    for c in s.clients[::20]:
        s.publish(c, f"t/{c.name}/env", '{"n":%d}' % number)
    if not s.run(15, lambda: not s.pending()) or s.ended:
        sys.exit(f"{len(acked) - before} acknowledged, {s.ended} ended by the server")


first = connect(clean=False)
print("idle", flush=True)
open(sys.argv[1] + "/go").read()
publish(first, 1)
for c in first.clients:
    first.close(c, politely=False)
second = connect(clean=False)
if not all(c.resumed for c in second.clients):
    sys.exit("sessions are gone")
publish(second, 2)
for c in second.clients:
    second.close(c)
for name, payload in acked:
    print("ack", name, payload)
PY
client=$!
pids+=("$client")
connected() { grep -q '^idle' "$RUN/idle" || ! kill -0 "$client" 2>/dev/null; }
wait_for 40 connected || fail "not connected"
seen() { [ "$(status '.counters.mqtt.connections // 0')" = 10000 ]; }
wait_for 10 seen || fail "connections: $(status .counters.mqtt), $(status .counters.tcp)"
held() { status '.counters.tcp["buffer-bytes"] // 0'; }
[ "$(held)" -lt 1000000 ] || fail "idle connections hold $(held) B"
each=$(status .memory.idle_connection) accounted=$(($(reserved) - small_reserved)) full=$(resident)
echo "an idle connection: $each B; 16,384 configured: $accounted B accounted, resident $((empty - small)) B more" \
	"than with one; 10,000 up: $((full - empty)) B more, of them buffers $(held) B"
[ "$each" -gt 192 ] && [ "$each" -le 320 ] || fail "an idle connection costs $each B: $(status .memory)"
[ "$(status '.memory.parts["tcp-control-blocks"].items')" = 10000 ] || fail "account: $(status .memory)"
# The kernel's count: what is accounted is there from the start (a tenth and a MiB either way), and
# connections that come add packet buffers and batches at their first use, but nothing of their own.
off=$((empty - small - accounted))
[ "${off#-}" -le $((accounted / 10 + 1048576)) ] || fail "resident and account differ by $off B: $(status .memory)"
[ $((full - empty)) -le 12582912 ] || fail "10,000 connections made sluiced grow by $((full - empty)) B"
echo >"$RUN/go"
wait "$client" || fail "the clients, see above"

records telemetry | jq -r '.device + " {\"n\":" + (.fields.n | floor | tostring) + "}"' | sort >"$RUN/stored"
[ "$(wc -l <"$RUN/stored")" = 1000 ] || fail "$(wc -l <"$RUN/stored") stored of 1000"
diff <(sed -n 's/^ack //p' "$RUN/idle" | sort) "$RUN/stored" >"$RUN/diff" ||
	fail "acknowledged (<) and stored (>): $(head "$RUN/diff")"
closed() { [ "$(status '.counters.mqtt.connections // 0')" = 0 ]; }
wait_for 10 closed || fail "connections left: $(status .counters.mqtt)"
lab_stop
