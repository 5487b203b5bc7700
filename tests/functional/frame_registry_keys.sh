#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Keys of the device registry hold for protected frames, with no key file at all: added, replaced
# and removed while sluiced runs, under both algorithms; a suspended device is refused although its
# key is right. Killed and without a control plane sluiced still knows them, and a frame that was
# accepted before is refused.
. "$(dirname "$0")/../support/lab.sh"
key() { # DEVICE KIND NUMBER HEX
	echo "$4" | "$ctl" device key "$1" --kind "$2" --number "$3" --key-file - >/dev/null || fail "key $3 of $1 was not taken"
	wait_for 10 together || fail "key $3 of $1 did not reach sluiced"
}
remove() { # DEVICE KIND NUMBER
	"$ctl" device credential-remove "$@" >/dev/null || fail "$* was not removed"
	wait_for 10 together || fail "the removal did not reach sluiced"
}
seq=0
# One frame under that key; true if its receipt comes, which only the holder of the key can read.
frame() { # DEVICE KIND NUMBER HEX
	seq=$((seq + 1))
	echo "$1 $2 $3 $4" >"$RUN/one.key"
	dev "$TOP/tests/support/frame_sender.py" send 10.77.0.1 8096 --keys "$RUN/one.key" --device "$1" --epoch "${EPOCH:-1}" --seq "${SEQ:-$seq}" \
		--receipt 1.2 '{"n":%d,"padding":"long enough for a receipt"}' | says "^receipt ${SEQ:-$seq} "
}

hmac=$(printf '%064d' 11)
other=$(printf '%0128d' 22)
aes=$(printf '%032d' 33)

lab_network
lab_config '/^frame:/d' '/^  keys: file:examples/d'
lab_kafka
lab_controld
lab_sluiced
wait_for 10 together || fail "the planes did not meet: $("$ctl" status --json)"

for device in meter pump; do "$ctl" device add "$device" --profile by-identity >/dev/null || fail "$device was not added"; done
wait_for 10 together || fail "the devices did not reach sluiced"
frame meter hmac-sha-256 1 "$hmac" && fail "a device without a key was let in"
key meter hmac-sha-256 1 "$hmac"
key pump aes-128-gcm 0 "$aes"
frame meter hmac-sha-256 1 "$hmac" || fail "HMAC: no receipt"
frame pump aes-128-gcm 0 "$aes" || fail "AES: no receipt"
frame pump hmac-sha-256 0 "$aes" && fail "an AES key was taken for HMAC"
frame meter hmac-sha-256 2 "$hmac" && fail "a key was taken under another number"

# A second number beside the first, then other bytes under the same number.
key meter hmac-sha-256 2 "$other"
frame meter hmac-sha-256 2 "$other" || fail "the second key: no receipt"
frame meter hmac-sha-256 1 "$hmac" || fail "the first key went with the second"
key meter hmac-sha-256 1 "$other"
frame meter hmac-sha-256 1 "$hmac" && fail "a replaced key still holds"
frame meter hmac-sha-256 1 "$other" || fail "the key that replaced it: no receipt"

remove meter hmac-sha-256 2
frame meter hmac-sha-256 2 "$other" && fail "a removed key still holds"
frame meter hmac-sha-256 1 "$other" || fail "the removal took the other key too"

"$ctl" device suspend meter >/dev/null
frame meter hmac-sha-256 1 "$other" && fail "a suspended device was let in"
"$ctl" device resume meter >/dev/null
touch "$RUN/changed"
frame meter hmac-sha-256 1 "$other" || fail "not let in again"
last=$seq

lab_saved
[ "$(stat -c %a "$RUN/state/secrets.snapshot")" = 600 ] || fail "the snapshot is open to others"
kill -9 "$CONTROLD_PID" "$SLUICED_PID"
wait "$CONTROLD_PID" "$SLUICED_PID" 2>/dev/null || true
lab_sluiced
tail -c "+$((SLUICED_SAID + 1))" "$RUN/sluiced.log" | says 'frame_keys=2' || fail "the keys are not in the snapshot"
SEQ=$last frame meter hmac-sha-256 1 "$other" && fail "a frame was accepted twice"
EPOCH=2 frame meter hmac-sha-256 1 "$other" || fail "HMAC after the kill: no receipt"
EPOCH=2 frame pump aes-128-gcm 0 "$aes" || fail "AES after the kill: no receipt"
EPOCH=2 frame meter hmac-sha-256 2 "$other" && fail "a removed key came back with the snapshot"

# The device gone, its keys are gone.
lab_controld
wait_for 10 together || fail "the planes did not meet again"
"$ctl" device remove pump --yes >/dev/null || fail "pump was not removed"
wait_for 10 together || fail "the removal did not reach sluiced"
EPOCH=2 frame pump aes-128-gcm 0 "$aes" && fail "a removed device was let in"
EPOCH=2 frame meter hmac-sha-256 1 "$other" || fail "the removal took another device's key"
[ "$(records telemetry | jq -r '.device' | sort | uniq -c | tr -s ' \n' ' ')" = " 8 meter 2 pump " ] ||
	fail "in Kafka: $(records telemetry | jq -r .device | sort | uniq -c)"
lab_stop
