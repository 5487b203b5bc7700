#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What nothing in sluiced owns goes to the kernel through the TAP twin and back: a ping and a TCP
# connection to a kernel address on the same wire, while telemetry flows.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
lab_kafka
lab_sluiced

ip addr add 10.77.0.9/24 dev slux0
ip link set slux0 up
python3 - <<'PY' &
import socket
s = socket.create_server(("10.77.0.9", 2222))
s.settimeout(30)
c, _ = s.accept()
c.sendall(c.recv(100).upper())
c.close()
PY
pids+=($!)

dev python3 - <<'PY' &
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(300):
    s.sendto(b'{"device":"busy","n":%d}' % n, ("10.77.0.1", 8095))
    time.sleep(0.01)
PY
telemetry=$!
dev ping -c 3 -i 0.2 -W 2 10.77.0.9 || fail "the kernel's address does not answer through the exception port"
answer=$(dev python3 - <<'PY'
import socket
c = socket.create_connection(("10.77.0.9", 2222), 5)
c.sendall(b"hello")
print(c.recv(100).decode())
PY
)
[ "$answer" = HELLO ] || fail "TCP through the exception port: '$answer'"
wait $telemetry
all() { [ "$(records telemetry | wc -l)" = 300 ]; }
wait_for 10 all || fail "$(records telemetry | wc -l) of 300 records"

# Under a flood the kernel gets its share and no more; the rest is counted.
dev python3 - <<'PY'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(5000):
    s.sendto(b"x", ("10.77.0.9", 9))
PY
sleep 1.2
lab_stop
[ "$(status .frames.punted)" -gt 5 ] || fail "nothing punted"
limited=$(status '.frames.dropped["exception-rate-limit"] // 0')
[ "$limited" -gt 1000 ] || fail "the rate limit dropped $limited frames"
