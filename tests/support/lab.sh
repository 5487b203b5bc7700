# SPDX-License-Identifier: Apache-2.0
# Sourced by functional tests, which run as root in namespaces of their own (tests/support/suite.py).
# shellcheck shell=bash disable=SC2119,SC2120
#
#   kernel clients                     DPDK
#   [netns dev] sld0 10.77.0.2/24 ~~~~ slu0 [sluiced] 10.77.0.1/24
#               fd77::2/64                            fd77::1/64
#
#   lab_network              the drawing above (more pairs: lab_pair HOST DEVICE); QUEUES queues each way
#   lab_config SED...        $RUN/sluice.yaml from config/sluice.yaml through these sed expressions
#   lab_kafka                embedded Kafka; lab_sluiced: the data plane; both wait until ready
#   dev CMD...               run a client in the namespace
#   records TOPIC            what Kafka holds, one JSON record per line, checkpoints left out
#   wait_for SECONDS CMD...  until CMD succeeds
#   lab_stop                 SIGTERM, wait, and insist on a balanced ledger (exit status 0)

set -euo pipefail
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$TOP/build
RUN=${RUN:-/run/sluice}
SLUICED=$BUILD/dataplane/sluiced
pids=()
SLUICED_PID=

fail() {
	echo "FAIL: $*" >&2
	[ -f "$RUN/sluiced.log" ] && tail -n 40 "$RUN/sluiced.log" >&2
	exit 1
}

wait_for() {
	local seconds=$1 end
	shift
	end=$((SECONDS + seconds))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

lab_pair() {
	local host=$1 device=$2
	ip netns add dev 2>/dev/null || true
	ip link add "$host" numrxqueues "${QUEUES:-1}" numtxqueues "${QUEUES:-1}" type veth \
		peer name "$device" numrxqueues "${QUEUES:-1}" numtxqueues "${QUEUES:-1}"
	ip link set "$device" netns dev
	ethtool -K "$host" tx off >/dev/null 2>&1 || true
	ip netns exec dev ethtool -K "$device" tx off tso off gso off gro off >/dev/null 2>&1 || true
	echo 1 >"/proc/sys/net/ipv6/conf/$host/disable_ipv6"
	ip link set "$host" up
	ip -n dev link set lo up
	ip -n dev link set "$device" up
}

lab_network() {
	lab_pair slu0 sld0
	ip -n dev addr add 10.77.0.2/24 dev sld0
	ip -n dev addr add fd77::2/64 dev sld0 nodad
}

dev() {
	ip netns exec dev "$@"
}

lab_config() {
	# Compiling the shipped signatures takes seconds: a test that wants them says where they are.
	local args=(-e '/^match:/,/^$/d') e
	mkdir -p "$RUN"
	for e in "$@"; do args+=(-e "$e"); done
	mkdir -p "$RUN/examples"
	cp "$TOP/config/examples/frame.keys" "$RUN/examples/"
	cp -r "$TOP/config/profiles" "$RUN/"
	sed "${args[@]}" "$TOP/config/sluice.yaml" >"$RUN/sluice.yaml"
}

lab_kafka() {
	local topics=${1:-telemetry:4,dead-letter:1,alerts:1}
	mkdir -p "$RUN"
	rm -f "$RUN/kafka"
	"$SLUICED" embedded-kafka --topics "$topics" --run-dir "$RUN" >"$RUN/kafka.log" 2>&1 &
	pids+=($!)
	wait_for 10 test -s "$RUN/kafka" || fail "embedded Kafka did not start: $(cat "$RUN/kafka.log")"
}

lab_sluiced() {
	rm -f "$RUN/status.json"
	# A test may have written a configuration of its own; its references are relative to it.
	[ -e "$RUN/profiles" ] || cp -r "$TOP/config/profiles" "$RUN/"
	[ -e "$RUN/signatures" ] || cp -r "$TOP/config/signatures" "$RUN/"
	"$SLUICED" run --config "$RUN/sluice.yaml" "$@" >>"$RUN/sluiced.log" 2>&1 &
	SLUICED_PID=$!
	pids+=("$SLUICED_PID")
	wait_for 30 sluiced_ready || fail "sluiced did not start"
}

sluiced_ready() {
	kill -0 "$SLUICED_PID" 2>/dev/null || fail "sluiced ended at start"
	test -s "$RUN/status.json"
}

brokers() {
	cat "$RUN/kafka"
}

kafka_values() {
	kcat -q -b "$(brokers)" -C -t "$1" -o beginning -e 2>/dev/null
}

records() {
	kafka_values "$1" | grep -v '"type":"checkpoint"' || true
}

status() {
	jq -r "$1" "$RUN/status.json"
}

lab_stop() {
	local code=0
	kill -TERM "$SLUICED_PID"
	wait "$SLUICED_PID" || code=$?
	[ $code = 0 ] || fail "sluiced ended with status $code"
	grep -q 'balanced: yes' "$RUN/sluiced.log" || fail "no balanced ledger at exit"
	SLUICED_PID=
}

lab_end() {
	local code=$? p
	for p in "${pids[@]}"; do kill -TERM "$p" 2>/dev/null || true; done
	for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done
	exit $code
}
trap lab_end EXIT
