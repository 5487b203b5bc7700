#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `topic check` and `topic create` against a real Kafka: fit, weak, grown, denied and missing topics
# are told apart, a topic is created as asked, what exists or is not allowed is said, the audit log
# knows who did it. On a Kafka that has not all topics yet sluiced waits, and creates them when asked.
. "$(dirname "$0")/../support/kafka.sh"
. "$(dirname "$0")/../support/lab.sh"
verdict() { # TOPIC VERDICT [WORD]
	local found
	found=$({ "$ctl" topic check --json 2>/dev/null || [ $? = 8 ]; } | jq -c ".topics[]|select(.name==\"$1\")")
	echo "$found"
	[ "$(jq -r .verdict <<<"$found")" = "$2" ] || return 1
	jq -r '.what_to_do//""' <<<"$found" | says -- "${3:-}"
}
refused() { # STATUS TEXT ARGS...
	local code=0
	"$ctl" topic create "${@:3}" >"$RUN/refused" 2>&1 || code=$?
	[ $code = "$1" ] || fail "create ${*:3}: status $code, $(cat "$RUN/refused")"
	grep -q "$2" "$RUN/refused" || fail "create ${*:3} does not say '$2': $(cat "$RUN/refused")"
}

kafka_start
kafka_topic telemetry 4 min.insync.replicas=2
kafka_topic alerts 1 max.message.bytes=9000
lab_network
lab_config "s/brokers: embedded.*/brokers: $BROKERS/"
lab_controld

# The first start: a topic is missing, and made while sluiced waits for it.
touch "$RUN/sluiced.log"
"$SLUICED" run --config "$RUN/sluice.yaml" >>"$RUN/sluiced.log" 2>&1 &
SLUICED_PID=$!
pids+=("$SLUICED_PID")
waits() { { "$ctl" status --json || [ $? = 8 ]; } | jq -e '.problems[]|select(.problem|test("waits for topics"))' >/dev/null; }
wait_for 20 waits || fail "it does not say that it waits: $("$ctl" status)"
verdict dead-letter missing 'sluicectl topic create dead-letter' || fail "dead-letter is missing"
"$ctl" device add early-1 || fail "no device while it waits"
code=0
"$ctl" dlq list >"$RUN/early" 2>&1 || code=$?
[ $code != 0 ] || fail "dead letters without a worker: $(cat "$RUN/early")"
grep -q 'waits for its topics' "$RUN/early" || fail "dlq list does not say why not: $(cat "$RUN/early")"
"$ctl" flow list >/dev/null || fail "flows while it waits"
kill -USR1 "$SLUICED_PID" # nothing to show yet
[ ! -e "$RUN/status.json" ] || fail "it runs without a topic"
"$ctl" topic create dead-letter --partitions 1 --replicas 1
wait_for 20 sluiced_ready || fail "the topic is there, and sluiced does not run"
wait_for 10 together || fail "the planes did not meet"
waits && fail "it waits for nothing"
"$ctl" device show early-1 >/dev/null || fail "the device that was added early"

# One broker: each topic has one replica.
code=0
"$ctl" topic check >"$RUN/table" 2>"$RUN/says" || code=$?
cat "$RUN/table"
[ $code = 8 ] || fail "weak topics, and the status is $code"
grep -q 'not every topic is fit' "$RUN/says" || fail "it does not say so: $(cat "$RUN/says")"
grep -q '^telemetry *weak' "$RUN/table" || fail "no table"
verdict telemetry weak 'replication factor 1 < 3 (accepted' || fail "telemetry"
verdict telemetry weak | says '"partitions":4,"replicas":1,"min_insync_replicas":2,"unclean_election":false' || fail "telemetry's facts"
verdict telemetry weak | says '"may_describe":true,"may_write":true' || fail "telemetry's rights"
verdict dead-letter weak 'min.insync.replicas 1 < 2' || fail "dead-letter"
verdict alerts weak 'max.message.bytes is too small' || fail "alerts"

# Created as asked; three replicas are more than this Kafka has.
refused 4 'eplication' made --partitions 6
refused 4 'say --partitions' made --replicas 1
refused 4 'exists' telemetry --replicas 1
"$ctl" topic create made --partitions 6 --replicas 1 --json | jq -e '.partitions==6 and .replicas==1 and .min_insync_replicas==1' >/dev/null || fail "not created"
kcat -b "$BROKERS" -L -t made | says 'with 6 partitions' || fail "Kafka does not have it: $(kcat -b "$BROKERS" -L -t made)"
refused 4 'exists' made --partitions 6 --replicas 1
"$ctl" audit list --json | jq -e '[.entries[]|select(.action=="topic create")]|length==2' >/dev/null || fail "audit: $("$ctl" audit list)"

# Denied: to write, and to create.
"$BROKER" acl --add --allow-principal User:ANONYMOUS --operation Describe --operation DescribeConfigs --topic alerts --force
verdict_is() { verdict "$@" >/dev/null; }
wait_for 10 verdict_is alerts denied "user Write on" || fail "denied to write: $(verdict alerts denied)"
# The broker is the same user, and needs the cluster for itself.
"$BROKER" acl --add --allow-principal User:ANONYMOUS --operation All --cluster --force
"$BROKER" acl --add --deny-principal User:ANONYMOUS --operation Create --cluster --topic more --force
denied() { { "$ctl" topic create more --partitions 1 --replicas 1 2>&1 || true; } | says 'does not let this user create it'; }
wait_for 10 denied || fail "denied to create: $("$ctl" topic create more --partitions 1 --replicas 1 2>&1)"

# Grown, then gone.
"$BROKER" partitions telemetry 6
"$BROKER" untopic dead-letter
wait_for 10 verdict_is dead-letter missing 'sluicectl topic create dead-letter' || fail "missing: $(verdict dead-letter missing)"
verdict telemetry weak | says '"pinned":4,"partitions":6' || fail "telemetry has grown"
