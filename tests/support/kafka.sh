# SPDX-License-Identifier: Apache-2.0
# Sourced by the functional tests against a real Apache Kafka (tests/kafka/broker), each with a
# broker of its own in its own network namespace.
# shellcheck shell=bash
#
#   kafka_start              the broker; $BROKERS is its address
#   kafka_shipped            with the topics of config/sluice.yaml
#   kafka_topic NAME P [K=V] create a topic
#   drive TOPIC RECORDS ...  egress_driver in the background, $DRIVER is its pid
#   driven SECONDS           wait for it and insist on status 0
#   acked                    how many results it has written so far
#   dump TOPIC               append what Kafka holds to $DIR/TOPIC.dump
#   check TOPIC P            against what was acknowledged; prove TOPIC: the consumer's own proof

. "$(dirname "${BASH_SOURCE[0]}")/script.sh"
[ "${SLUICE_QUICK:-}" != 1 ] || {
	echo "skipped: the real Kafka is left out of --quick"
	exit 77
}
DIR=$(mktemp -d /tmp/kafka-test-XXXXXX)
export SLUICE_KAFKA_DIR=$DIR/broker
BROKER=$TOP/tests/kafka/broker
DRIVER=
logs+=("$DIR/driver.log" "$DIR/broker/server.log")

kafka_end() {
	[ -z "$DRIVER" ] || kill "$DRIVER" 2>/dev/null || true
	"$BROKER" wipe >/dev/null 2>&1 || true
	rm -rf "$DIR"
}
at_end kafka_end

kafka_start() { BROKERS=$("$BROKER" start) || fail "no broker"; }
kafka_topic() { "$BROKER" topic "$@" || fail "topic $1"; }

kafka_shipped() {
	kafka_start
	kafka_topic telemetry 4
	kafka_topic dead-letter 1
	kafka_topic alerts 1
}

drive() { # TOPIC RECORDS [OPTION...]
	local topic=$1 records=$2
	: >"$DIR/acked"
	shift 2
	"$TOP/build/tests/support/egress_driver" --brokers "$BROKERS" --topic "$topic" \
		--records "$records" --acked "$DIR/acked" --state "$DIR" "$@" >>"$DIR/driver.log" 2>&1 &
	DRIVER=$!
}

driven() { # SECONDS
	local code=0
	wait_for "$1" driver_ended || fail "the driver has not ended after $1 s"
	wait "$DRIVER" || code=$?
	DRIVER=
	[ $code = 0 ] || fail "the driver ended with status $code"
}
driver_ended() { ! kill -0 "$DRIVER" 2>/dev/null; }

# The driver writes them out once a second.
acked() { wc -l <"$DIR/acked"; }
acked_more_than() { [ "$(acked)" -gt "$1" ]; }

dump() {
	timeout 60 kcat -b "$BROKERS" -C -t "$1" -o beginning -e -q -f '%t %p %K %S\n%k%s\n' \
		>>"$DIR/$1.dump" || fail "kcat"
}

check() { # TOPIC PARTITIONS
	"$TOP/tests/support/kafka_check.py" --acked "$DIR/acked" --partitions "$2" "$DIR/$1.dump" ||
		fail "what was acknowledged is not what Kafka holds"
}

prove() {
	"$TOP/tests/support/prove_complete.py" <"$DIR/$1.dump" || fail "not complete"
}
