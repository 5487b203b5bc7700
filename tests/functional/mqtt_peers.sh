#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Peers as they are: one that never reads its answers, one that reads them late and slowly, some that
# vanish without FIN or RST, one that comes back on its old port, and a thousand that vanish and come
# back together. Whoever behaves beside them notices nothing.
. "$(dirname "$0")/../support/lab.sh"
lab_network
ip -n dev addr add 10.77.0.7/24 dev sld0
lab_config 's/telemetry, partitions: 4/telemetry, partitions: 16/'
lab_kafka telemetry:16,dead-letter:1,alerts:1 # the embedded one keeps 5 MiB of each
lab_sluiced
ulimit -n 4096 || fail "cannot open 4,096 files"

dev env PYTHONPATH="$TOP/tests/support" timeout 100 python3 - >"$RUN/acked" <<'PY' || fail "see above; $(status .counters.tcp) $(status .counters.tcp_closed)"
import select, socket, struct, subprocess, sys, time
from mqtt_swarm import Swarm, packet, string

HOST = "10.77.0.1"
acked = []
good = Swarm(HOST, keep_alive=30, on_ack=lambda c, p: acked.append((c.name, p)))
for n in range(10):
    good.add(f"good-{n}")
if not good.run(10, lambda: good.connected == 10):
    sys.exit("the good ones did not connect")
number = 0


def go_on(seconds, done=lambda: False):
    """The good ones publish all the time."""
    global number
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for c in good.clients:
            if not c.pending:
                good.publish(c, f"t/{c.name}/env", '{"n":%d}' % number)
                number += 1
        good.step(0.02)
        if done():
            return True
    return done()


def connect(name, keep_alive=60, source=("10.77.0.2", 0), clamp=None, will=False):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if clamp:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        s.setsockopt(socket.IPPROTO_TCP, 10, clamp)  # TCP_WINDOW_CLAMP
    s.bind(source)
    s.settimeout(10)
    s.connect((HOST, 1883))
    s.sendall(packet(0x10, string("MQTT") + bytes([4, 6 if will else 2]) + struct.pack("!H", keep_alive) + string(name) +
                     (string(f"t/{name}/will") + string('{"n":0}') if will else b"")))
    if s.recv(4) != b"\x20\x02\x00\x00":
        sys.exit(f"{name}: no CONNACK")
    return s


def vanish(s):
    s.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR: to be closed in silence


def publishes(name, first, count):
    return b"".join(packet(0x32, string(f"t/{name}/env") + struct.pack("!H", n % 65535 + 1) + b'{"n":%d}' % n)
                    for n in range(first, first + count))


def gone(s):
    """The server ended it?"""
    try:
        return bool(select.select([s], [], [], 0)[0]) and s.recv(65536) == b""
    except OSError:
        return True


# Reads late, then slowly: our send queue and its window are all there is, and every answer comes.
late = connect("late", clamp=1152)
late.setblocking(False)
out = publishes("late", 0, 3000)
deadline = time.monotonic() + 15
while out and time.monotonic() < deadline:
    try:
        out = out[late.send(out):]
    except BlockingIOError:
        go_on(0.05)
go_on(2.5)  # closed window: probes
answers = b""
deadline = time.monotonic() + 20
while len(answers) < 12000 and time.monotonic() < deadline:
    try:
        answers += late.recv(400)
    except BlockingIOError:
        pass
    go_on(0.01)
ids = [struct.unpack("!H", answers[i + 2:i + 4])[0] for i in range(0, len(answers), 4)]
if out or ids != list(range(1, 3001)):
    sys.exit(f"late: {len(out)} bytes unsent, {len(ids)} of 3000 answers")
for n in range(3000):
    print("late", '{"n":%d}' % n)
late.close()

# Never reads: it is ended when its answers fill what there is for them.
never = connect("never", clamp=1152)
never.setblocking(False)
ended, sent, deadline, out = False, 0, time.monotonic() + 30, b""
while not ended and time.monotonic() < deadline:
    try:
        if not out:
            out = publishes("never", sent, 500)
            sent += 500
        out = out[never.send(out):]
    except BlockingIOError:
        go_on(0.02)
    except OSError:
        ended = True
if not ended:
    sys.exit(f"a client that reads no answers was served {sent} times")
print(f"never: ended after at most {sent} publishes", file=sys.stderr)


def address(verb):
    subprocess.run(["ip", "addr", verb, "10.77.0.7/24", "dev", "sld0"], check=True)


# A peer that vanishes is ended by its keep-alive and its will goes out; when it speaks again, it is
# told that there is no such connection.
half = connect("half", keep_alive=2, source=("10.77.0.7", 0), will=True)
address("del")
go_on(4.5)
address("add")
half.settimeout(5)
deadline, told = time.monotonic() + 10, False
while not told and time.monotonic() < deadline:
    try:
        half.sendall(b"\xc0\x00")
        told = half.recv(100) == b""
    except TimeoutError:
        pass
    except OSError:
        told = True
    go_on(0.2)
if not told:
    sys.exit("half-open: the peer was never told")

# One that lost its memory comes back on its old port: its SYN meets a connection that is alive here.
old = connect("reborn", keep_alive=300, source=("10.77.0.2", 44444))
vanish(old)
old.close()
start = time.monotonic()
new = connect("reborn", keep_alive=300, source=("10.77.0.2", 44444))
new.sendall(publishes("reborn", 7, 1))
if new.recv(4) != b"\x40\x02\x00\x08":
    sys.exit("reborn: not served")
print("reborn", '{"n":7}')
print(f"reborn: back after {time.monotonic() - start:.1f} s", file=sys.stderr)
new.close()

# A thousand vanish at once, and come back together while their old connections still stand.
many = [Swarm(HOST, keep_alive=60, on_ack=lambda c, p: acked.append((c.name, p))) for _ in range(2)]
for s in many:
    if s is many[1]:
        for c in many[0].clients:
            vanish(c.sock)
            many[0].end(c, "ours")
    for n in range(1000):
        s.add(f"many-{n}", source="10.77.0.7", clean=False)
        if n % 50 == 49:
            s.step(0)
    if not s.run(30, lambda: s.connected + s.ended >= 1000) or s.connected != 1000:
        sys.exit(f"of 1000: {s.connected} connected, {s.ended} ended: {set(c.ended for c in s.clients)}")
if not all(c.resumed for c in many[1].clients):
    sys.exit("sessions are gone")
for c in many[1].clients:
    many[1].publish(c, f"t/{c.name}/env", '{"n":1}')
if not many[1].run(20, lambda: not many[1].pending()) or many[1].ended:
    sys.exit(f"{many[1].pending()} unacknowledged, {many[1].ended} ended")

if not go_on(10, lambda: not good.pending()) and not good.run(10, lambda: not good.pending()) or good.ended:
    sys.exit(f"the good ones: {good.pending()} unacknowledged, {good.ended} ended by the server")
print(f"the good ones: {number} publishes", file=sys.stderr)
for s in (good, many[1]):
    for c in s.clients:
        s.close(c)
for name, payload in acked:
    print(name, payload)
PY
records telemetry | jq -r 'select(.device != "never" and .stream != "will") | .device + " {\"n\":" + (.fields.n | floor | tostring) + "}"' |
	sort >"$RUN/stored"
diff <(sort "$RUN/acked") <(grep -v '^half' "$RUN/stored") >"$RUN/diff" || fail "acknowledged (<) and stored (>): $(head "$RUN/diff")"
[ "$(records telemetry | jq -r .device | grep -cx half)" = 1 ] || fail "the will of the one that vanished is not there"
empty() { [ "$(status '.counters.tcp.connections // 0')" = 0 ]; }
wait_for 15 empty || fail "connections left: $(status .counters.tcp)"
lab_stop
[ "$(status '.counters.tcp["zero-window-probes"] // 0')" -gt 0 ] || fail "no window was ever closed: $(status .counters.tcp)"
[ "$(status '.counters.mqtt_ended["keep-alive-timeout"] // 0')" -ge 1 ] || fail "nobody timed out: $(status .counters.mqtt_ended)"
[ "$(status '.counters.mqtt_ended["taken-over"] // 0')" -ge 1000 ] || fail "no takeovers: $(status .counters.mqtt_ended)"
