#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kafka is killed (-9) in mid-stream and comes back, twice: what was acknowledged is there, everything
# arrives once and in order, the flow resumes by itself.
. "$(dirname "$0")/../support/kafka.sh"
kafka_start
kafka_topic restart 4
drive restart 80000 --rate 2000 --timeout 180

for _ in 1 2; do
	before=$(acked)
	wait_for 60 acked_more_than $((before + 4000)) || fail "no flow"
	"$BROKER" kill
	sleep 2 # what was acknowledged before is written down by now
	before=$(acked)
	kafka_start
	wait_for 60 acked_more_than "$before" || fail "the flow did not resume"
done
driven 120
dump restart
check restart 4
prove restart
