#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MQTT on two workers behind a port with one queue: connections whose frames the other worker
# receives, client ids that come again on another connection (and another worker), sessions that
# follow their client; everything acknowledged is in Kafka at that moment.
# mqtt_two_queues.sh does the same where each worker has a queue of its own.
. "$(dirname "$0")/../support/lab.sh"
lab_network
[ "${QUEUES:-1}" = 1 ] || queues='s/"net_af_xdp0,iface=slu0"/"net_af_xdp0,iface=slu0,start_queue=0", "net_af_xdp1,iface=slu0,start_queue=1"/'
lab_config "${queues:-s/^$//}" 's/^  workers: 1/  workers: 2/' 's/^  memory: 512MiB/  memory: 1GiB/'
lab_kafka
lab_sluiced

dev env PYTHONPATH="$TOP/tests/support" timeout 60 python3 - >"$RUN/acked" <<'PY' || fail "the clients, see above"
import sys
from mqtt_swarm import Swarm

acked = []
swarms = [Swarm(h, on_ack=lambda c, p: acked.append((c.name, p))) for h in ("10.77.0.1", "fd77::1")]
expected = 0


def settle(what, done):
    for _ in range(200):
        for s in swarms:
            s.step(0.05)
        if done():
            return
    sys.exit(f"{what}: connected {[s.connected for s in swarms]}, {len(acked)} of {expected} acknowledged, "
             f"ended {[(c.name, c.ended) for s in swarms for c in s.clients if c.ended]}")


def publish(clients, base):
    global expected
    for c in clients:
        for n in range(5):
            expected += 1
            swarms_of[c].publish(c, f"t/{c.name}/env", '{"n":%d}' % (base + n))


swarms_of = {}
first = []
for n in range(100):
    c = swarms[n % 2].add(f"dev-{n}", clean=False)
    swarms_of[c] = swarms[n % 2]
    first.append(c)
settle("connect", lambda: all(c.connected for c in first))
if any(c.resumed for c in first):
    sys.exit("a session that nobody had was present")
publish(first, 0)
settle("publish", lambda: len(acked) == expected)

# Forty ids come again while their first connection is open; the port number picks the worker.
second = []
for n in range(40):
    c = swarms[n % 2].add(f"dev-{n}", clean=False)
    swarms_of[c] = swarms[n % 2]
    second.append(c)
settle("takeover", lambda: all(c.connected for c in second) and all(c.ended for c in first[:40]))
if not all(c.resumed for c in second):
    sys.exit(f"sessions did not follow: {[c.name for c in second if not c.resumed]}")
publish(second, 100)
publish(first[40:], 100)
settle("publish after takeover", lambda: len(acked) == expected)
if [c for c in second + first[40:] if c.ended]:
    sys.exit("the server ended others too")
for s in swarms:
    for c in s.clients:
        s.close(c)
for name, payload in acked:
    print(name, payload)
PY
# Acknowledged means in Kafka: no waiting here.
records telemetry | jq -r '.device + " {\"n\":" + (.fields.n | floor | tostring) + "}"' | sort >"$RUN/stored"
[ "$(wc -l <"$RUN/acked")" = 1000 ] || fail "$(wc -l <"$RUN/acked") acknowledged of 1000"
diff <(sort "$RUN/acked") "$RUN/stored" >"$RUN/diff" || fail "acknowledged (<) and stored (>): $(head "$RUN/diff")"
lab_stop
[ "$(status '.frames.handed_over')" -gt 50 ] || fail "no frames handed over: $(status .workers)"
[ "$(status .transports.mqtt.messages.acked)" = 1000 ] || fail "acked: $(status .transports.mqtt)"
