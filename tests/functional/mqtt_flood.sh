#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A SYN flood of 10,000/s for 6 s from made-up addresses and ports: each of 600 good clients, 1 % of it,
# connects, publishes and is acknowledged meanwhile; the flood leaves no connection behind.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
lab_kafka
lab_sluiced
# The frames of the flood want to know whom to address.
dev ping -c 1 -W 2 10.77.0.1 >/dev/null || fail "no answer to ICMP echo"
port_mac=$(cat /sys/class/net/slu0/address)

dev timeout 30 python3 - "$port_mac" >"$RUN/flood" <<'PY' &
import random, socket, struct, sys, time
mac = bytes(int(x, 16) for x in sys.argv[1].split(":"))
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("sld0", 0))
pick = random.Random(7)


def checksum(raw):
    total = sum(struct.unpack("!%dH" % (len(raw) // 2), raw))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


to = socket.inet_aton("10.77.0.1")


def syn():
    source = b"\x0a\x4d\x00" + bytes([pick.randrange(3, 255)])
    pseudo = source + to + struct.pack("!HH", 6, 24)
    head = struct.pack("!HHIIBBHHHBBH", pick.randrange(1024, 65536), 1883, pick.randrange(1 << 32), 0,
                       0x60, 0x02, 64240, 0, 0, 2, 4, 1460)
    head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 44, pick.randrange(65536), 0x4000, 64, 6, 0) + source + to
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return mac + b"\x02\x00\x00\x00\x00\x66\x08\x00" + ip + head


frames = [syn() for _ in range(20000)]
sent, start = 0, time.monotonic()
while (now := time.monotonic() - start) < 6:
    while sent < now * 10000:
        try:
            out.send(frames[sent % len(frames)])
        except OSError:
            break
        sent += 1
    time.sleep(0.001)
print(sent)
PY
flood=$!
pids+=("$flood")
sleep 0.5
dev env PYTHONPATH="$TOP/tests/support" timeout 60 python3 - >"$RUN/acked" <<'PY' || fail "the good clients, see above"
import sys, time
from mqtt_swarm import Swarm
acked = []
s = Swarm("10.77.0.1", on_ack=lambda c, p: acked.append((c.name, p)))
start = time.monotonic()
for n in range(600):
    s.add(f"good-{n}")
    s.run(0.007)
    c = s.clients[n // 2]
    if c.connected and not c.pending:
        s.publish(c, f"t/{c.name}/env", '{"n":%d}' % n)
if time.monotonic() - start > 5.4:
    print("late: the flood ended first", file=sys.stderr)
s.run(20, lambda: s.connected == 600)
for c in s.clients:
    s.publish(c, f"t/{c.name}/env", '{"n":1000}')
s.run(20, lambda: not s.pending())
if s.connected != 600 or s.ended or s.pending():
    sys.exit(f"connected {s.connected} of 600, ended by the server {s.ended}, unacknowledged {s.pending()}")
for name, payload in acked:
    print(name, payload)
for c in s.clients:
    s.close(c)
PY
wait "$flood" || fail "the flood ended with $?"
echo "SYNs: $(cat "$RUN/flood")"
[ "$(cat "$RUN/flood")" -gt 10000 ] || fail "that was no flood"
records telemetry | jq -r '.device + " {\"n\":" + (.fields.n | floor | tostring) + "}"' | sort >"$RUN/stored"
diff <(sort "$RUN/acked") "$RUN/stored" >"$RUN/diff" || fail "acknowledged (<) and stored (>): $(head "$RUN/diff")"
empty() { [ "$(status '.counters.tcp.connections // 0')" = 0 ]; }
wait_for 10 empty || fail "connections left behind: $(status .counters.tcp)"
lab_stop
[ "$(status '.counters.tcp["syn-cookies-sent"]')" -gt 5000 ] || fail "no cookies: $(status .counters.tcp)"
