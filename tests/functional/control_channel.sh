#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The channel between sluice-controld and sluiced when the other end speaks another version, sends
# rubbish or hangs: refused with both numbers, dropped, and tried again, while data goes on. And a
# registry snapshot that was damaged on disk.
. "$(dirname "$0")/../support/lab.sh"
peer=$TOP/tests/support/channel_peer.py
VERSION=$(sed -n 's/^#define CHANNEL_VERSION //p' "$TOP/controlplane/api/channel.h")
PEER_PID=''

end() {
	kill -9 "$1"
	wait "$1" 2>/dev/null || true
}
fake_controld() {
	: >"$RUN/peer.log"
	"$peer" server "$RUN/channel.sock" "$1" >"$RUN/peer.log" 2>&1 &
	PEER_PID=$!
	pids+=("$PEER_PID")
}
times() { [ "$(grep -c "$1" "$2")" -ge "$3" ]; }
post() { dev coap-client -v 6 -B 5 -m post -t application/json -e '{"temp":1}' "coap://10.77.0.1/t/$1/env" 2>&1 | says "$2" || fail "$1 was not answered $2 ($3)"; }

lab_network
lab_config '/name: coap/,/unknown/s/unknown: accept/unknown: refuse/'
lab_kafka

# A sluiced of another release, and one that sends rubbish.
lab_controld
[ "$("$peer" client "$RUN/channel.sock" version | tr '\n' ' ')" = "refused $VERSION 99 closed " ] || fail "another version was not refused"
grep -q "channel version $VERSION, sluiced 99" "$RUN/controld.log" || fail "not both numbers: $(cat "$RUN/controld.log")"
[ "$("$peer" client "$RUN/channel.sock" garbage)" = closed ] || fail "rubbish was answered"
grep -q 'message dropped: not-this-protocol' "$RUN/controld.log" || fail "rubbish was not told: $(cat "$RUN/controld.log")"

# The next connection starts clean.
lab_sluiced
wait_for 10 together || fail "the planes did not meet"
"$ctl" device add dev-1 --profile by-path >/dev/null
post dev-1 'c:2\.04' 'added'
wait_for 8 test -s "$RUN/state/devices.snapshot" || fail "no snapshot"

# A sluice-controld of another release: refused each time, tried again, devices go on.
end "$CONTROLD_PID"
fake_controld version
wait_for 10 times connected "$RUN/peer.log" 3 || fail "sluiced does not try again: $(cat "$RUN/peer.log")"
grep -q "channel version 99, we speak $VERSION" "$RUN/sluiced.log" || fail "not both numbers in sluiced's log"
post dev-1 'c:2\.04' 'another version'
end "$PEER_PID"
fake_controld garbage
wait_for 10 times connected "$RUN/peer.log" 3 || fail "sluiced does not try again after rubbish"
post dev-1 'c:2\.04' 'rubbish'
end "$PEER_PID"
# One that accepts and then hangs: nobody waits for it.
fake_controld hanging
wait_for 10 times connected "$RUN/peer.log" 1 || fail "sluiced did not connect"
for _ in 1 2 3 4 5; do post dev-1 'c:2\.04' 'hanging'; done
end "$PEER_PID"
lab_controld
wait_for 10 together || fail "the planes did not meet again"
lab_stop
end "$CONTROLD_PID"

# A damaged snapshot is not believed: everybody is refused until the control plane is there.
python3 - "$RUN/state/devices.snapshot" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 0x40
open(sys.argv[1], "wb").write(data)
PY
: >"$RUN/sluiced.log"
lab_sluiced
grep -q 'snapshot .* is corrupt and was not used' "$RUN/sluiced.log" || fail "a damaged snapshot was not told"
post dev-1 'c:4\.0' 'damaged snapshot'
lab_controld
wait_for 10 together || fail "the planes did not meet after a damaged snapshot"
post dev-1 'c:2\.04' 'the registry is back'
lab_stop
