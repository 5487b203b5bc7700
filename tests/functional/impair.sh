#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/support/impair itself: between two kernel namespaces it forwards everything unharmed by
# default, loses and repeats what its seed says and the same again, and its counters add up.
#
#   [one] w0 10.78.0.1/24 ~~~~ i0 [impair] i1 ~~~~ w1 10.78.0.2/24 [two]
. "$(dirname "$0")/../support/script.sh"
IMPAIR=$TOP/build/tests/support/impair
work=$(mktemp -d)
pid=

end() {
	ip netns del one 2>/dev/null || true
	ip netns del two 2>/dev/null || true
	rm -rf "$work"
}
at_end end

plug() { # NAMESPACE OUTER INNER ADDRESS
	ip netns add "$1"
	ip link add "$2" type veth peer name "$3" netns "$1"
	echo 1 >"/proc/sys/net/ipv6/conf/$2/disable_ipv6"
	ip netns exec "$1" sh -c "echo 1 >/proc/sys/net/ipv6/conf/$3/disable_ipv6"
	ethtool -K "$2" tx off tso off gso off gro off >/dev/null
	ip netns exec "$1" ethtool -K "$3" tx off tso off gso off gro off >/dev/null
	ip link set "$2" up
	ip -n "$1" addr add "$4/24" dev "$3"
	ip -n "$1" link set "$3" up
}

start() {
	: >"$work/out" # the one before was ready as well
	"$IMPAIR" "$@" i0 i1 >"$work/out" &
	pid=$!
	wait_for 5 grep -q '^ready' "$work/out" || fail "impair did not start"
}

stop() {
	kill "$pid"
	wait "$pid" || fail "impair ended with $?"
	tail -n 1 "$work/out" >"$work/json"
	jq -e '[.a_to_b, .b_to_a] | all(.received + .duplicated ==
		.sent + .lost + .overflowed + .refused + .oversized + .waiting
		and .missed == 0 and .unfilled == 0)' "$work/json" >/dev/null ||
		fail "the counters do not add up: $(cat "$work/json")"
}

count() {
	jq "$1" "$work/json"
}

# COUNT numbered datagrams from one to two, one each 200 us; prints what arrived, in order.
datagrams() {
	: >"$work/arrived"
	ip netns exec two python3 - "$1" >"$work/arrived" <<'PY' &
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(("10.78.0.2", 9))
s.settimeout(3)
print("bound", flush=True)
while (d := s.recv(2000)) != b"end":
    print(int(d[:8]))
PY
	local receiver=$!
	wait_for 5 grep -q bound "$work/arrived" || fail "the receiver did not start"
	ip netns exec one python3 - "$1" <<'PY'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[1])):
    s.sendto(b"%08d" % i + bytes(100), ("10.78.0.2", 9))
    time.sleep(0.0002)
for _ in range(50):  # loss may take some of them
    time.sleep(0.01)
    s.sendto(b"end", ("10.78.0.2", 9))
PY
	wait "$receiver" || fail "the receiver ended with $?"
	sed -i 1d "$work/arrived"
}

plug one i0 w0 10.78.0.1
plug two i1 w1 10.78.0.2
# No ARP: every frame of the way there is one of the test's datagrams.
ip -n one neigh add 10.78.0.2 lladdr "$(ip netns exec two cat /sys/class/net/w1/address)" dev w0
ip -n two neigh add 10.78.0.1 lladdr "$(ip netns exec one cat /sys/class/net/w0/address)" dev w1

"$IMPAIR" --loss 101 i0 i1 2>/dev/null && fail "a loss of 101 % was accepted"
"$IMPAIR" i0 nowhere 2>/dev/null && fail "an interface that does not exist was accepted"

start
datagrams 500
stop
seq 0 499 | cmp -s - "$work/arrived" || fail "a good network lost or moved something"

for run in 1 2; do
	start --seed 7 --loss 10 --duplicate 5
	datagrams 500
	stop
	cp "$work/arrived" "$work/arrived.$run"
done
cmp -s "$work/arrived.1" "$work/arrived.2" || fail "the same seed gave something else"
lost=$(count .a_to_b.lost)
((lost > 20 && lost < 100)) || fail "lost $lost of 500 at 10 %"
[ "$(uniq -d "$work/arrived.1" | wc -l)" -gt 5 ] || fail "nothing arrived twice"

start --seed 7 --reorder 20 --reorder-ms 3
datagrams 500
stop
sort -n "$work/arrived" | cmp -s - <(seq 0 499) || fail "reordering lost something"
sort -nc "$work/arrived" 2>/dev/null && fail "nothing was reordered"

start --seed 7 --corrupt 100
datagrams 20 2>/dev/null & # the kernel refuses them all, the end included
corrupted=$!
sleep 2
stop
[ "$(count .a_to_b.corrupted)" -ge 20 ] || fail "not every frame was corrupted"
wait "$corrupted" 2>/dev/null && fail "corrupted datagrams arrived"

start --delay-ms 40
[ "$(ip netns exec one ping -c 3 -i 0.2 10.78.0.2 |
	sed -n 's/^rtt.*= \([0-9]*\).*/\1/p')" -ge 80 ] || fail "80 ms of delay are missing"
stop

start --seed 1 --queue 4 --delay-ms 100
ip netns exec one ping -q -f -c 50 10.78.0.2 >/dev/null || true
stop
[ "$(count .a_to_b.overflowed)" -gt 0 ] || fail "a queue of 4 held 50 frames"
