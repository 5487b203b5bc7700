#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A topic that is not there, has shrunk, is weak, or is deleted while records flow to it.
. "$(dirname "$0")/../support/kafka.sh"
kafka_start

refused() { # STATUS TEXT
	local code=0
	wait "$DRIVER" || code=$?
	[ $code = 3 ] || fail "status $code instead of a refusal to start"
	grep -q "$1" "$DIR/driver.log" || fail "the refusal does not say: $1"
	DRIVER=
}
drive gone 10
refused 'topic gone does not exist: create it'
kafka_topic gone 4
drive gone 10 --strict
refused 'replication factor 1 < 3'

# Deleted in mid-stream. The driver is held while we look, so that what it was told before is known.
drive gone 30000 --rate 3000 --timeout 120
wait_for 60 acked_more_than 6000 || fail "no flow"
kill -STOP "$DRIVER"
sleep 1
dump gone
"$BROKER" untopic gone
kill -CONT "$DRIVER"
sleep 5
before=$(acked)
sleep 2
[ "$(acked)" = "$before" ] || fail "acknowledged without a topic"
kafka_topic gone 4
wait_for 60 acked_more_than "$before" || fail "the flow did not resume"
driven 120
dump gone
check gone 4
grep -q 'ALARM topic gone' "$DIR/driver.log" || fail "no alarm"

# Fewer partitions than the map has pinned; more are no reason to stop.
"$BROKER" untopic gone
untopiced() { kcat -b "$BROKERS" -L >"$DIR/topics" && ! grep -q '"gone"' "$DIR/topics"; }
wait_for 10 untopiced || fail "still there"
kafka_topic gone 2
drive gone 10
refused 'fewer than the 4 it is pinned to'
"$BROKER" partitions gone 6
drive gone 1000
driven 30
grep -q 'has grown to 6 partitions' "$DIR/driver.log" || fail "growth not noticed"
[ "$(kcat -b "$BROKERS" -C -t gone -e -q -o beginning -f '%p\n' | sort -u | tr '\n' ' ')" = '0 1 2 3 ' ] ||
	fail "devices moved to new partitions"
