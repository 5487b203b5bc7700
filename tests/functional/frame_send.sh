#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The reference sender's protected frames: records under the device's authenticated name, a receipt
# once Kafka has them, copies and forgeries refused, and after a restart no sequence is taken twice.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
lab_kafka
lab_sluiced

send() { # DEVICE ARG...
	local device=$1
	shift
	dev "$TOP/tests/support/frame_sender.py" send 10.77.0.1 8096 --keys "$TOP/config/examples/frame.keys" --device "$device" "$@"
}
send dev-1 --epoch 5 --seq 1 --count 3 --receipt 3 '{"n":%d,"padding":"long enough for a receipt"}' | tee /tmp/receipts
grep -q '^receipt 3 ' /tmp/receipts || fail "no receipt for sequence 3: $(cat /tmp/receipts)"
[ "$(records telemetry | jq -r 'select(.device=="dev-1").fields.n' | sort | tr '\n' ' ')" = "1 2 3 " ] || fail "receipted and not in Kafka"
send dev-2 --epoch 1 --seq 10 --receipt 3 '{"n":%d,"padding":"long enough for a receipt"}' | says '^receipt 10 ' || fail "no receipt over HMAC"
send dev-1 --epoch 5 --seq 2 '{"n":%d}'
dev bash -c "echo -n 'no frame at all' >/dev/udp/10.77.0.1/8096"
lab_stop
[ "$(status .transports.frame.messages.refused.replayed)" = 1 ] || fail "replay not refused: $(status .transports.frame)"
[ "$(status .transports.frame.records.delivered)" = 4 ] || fail "delivered: $(status .transports.frame)"

lab_sluiced
send dev-1 --epoch 5 --seq 3 '{"n":%d}'
send dev-1 --epoch 5 --seq 4 --receipt 3 '{"n":%d,"padding":"long enough for a receipt"}' | says '^receipt 4 ' || fail "no receipt after a restart"
lab_stop
[ "$(status .transports.frame.messages.refused.replayed)" = 1 ] || fail "the window did not survive the restart"

# Killed, not stopped: whatever was accepted before counts as seen.
lab_sluiced
send dev-1 --epoch 5 --seq 5 --receipt 3 '{"n":%d,"padding":"long enough for a receipt"}' | says '^receipt 5 ' || fail "no receipt"
kill -KILL "$SLUICED_PID"
wait "$SLUICED_PID" 2>/dev/null || true
lab_sluiced
send dev-1 --epoch 5 --seq 5 '{"n":%d}'
send dev-1 --epoch 6 --seq 1 --receipt 3 '{"n":%d,"padding":"long enough for a receipt"}' | says '^receipt 1 ' || fail "a new epoch is not taken after a crash"
lab_stop
[ "$(status .transports.frame.messages.refused.replayed)" = 1 ] || fail "a crash re-opened the window"
[ "$(records telemetry | jq -r 'select(.device=="dev-1").fields.n' | sort | uniq -c | awk '$1 > 1' | wc -l)" -le 1 ] || fail "duplicates"
