#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The right to write is taken away in mid-stream and given back: nothing is acknowledged in between,
# nothing is lost or repeated, the flow resumes by itself.
. "$(dirname "$0")/../support/kafka.sh"
kafka_start
kafka_topic guarded 4
drive guarded 40000 --rate 2000 --timeout 120
wait_for 60 acked_more_than 4000 || fail "no flow"
deny=(--deny-principal User:ANONYMOUS --operation Write --topic guarded --force)
# With an ACL on the topic the others have to be allowed by name.
"$BROKER" acl --add --allow-principal User:ANONYMOUS --operation All --topic guarded
"$BROKER" acl --add "${deny[@]}"
sleep 3
before=$(acked)
sleep 4
[ "$(acked)" = "$before" ] || fail "acknowledged without the right to write"
"$BROKER" acl --remove "${deny[@]}"
wait_for 60 acked_more_than "$before" || fail "the flow did not resume"
driven 120
dump guarded
check guarded 4
prove guarded
