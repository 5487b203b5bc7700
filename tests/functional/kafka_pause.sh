#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kafka hangs (SIGSTOP) for 30 s, then for longer than librdkafka waits for an answer: nothing is
# acknowledged meanwhile, memory is bounded by what is in flight, and afterwards everything is there
# once, in order.
. "$(dirname "$0")/../support/kafka.sh"
kafka_start
kafka_topic pause 4
drive pause 60000 --rate 1000 --timeout 240

pause() { # SECONDS
	local before
	"$BROKER" pause
	sleep 3 # what was on its way
	before=$(acked)
	sleep $(($1 - 3))
	[ "$(acked)" = "$before" ] || fail "acknowledged by a Kafka that hangs"
	"$BROKER" resume
	wait_for 60 acked_more_than "$before" || fail "the flow did not resume"
}

wait_for 60 acked_more_than 2000 || fail "no flow"
pause 30
sleep 3
pause 75
driven 120
dump pause
check pause 4
prove pause
