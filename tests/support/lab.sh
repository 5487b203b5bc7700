# SPDX-License-Identifier: Apache-2.0
# Sourced by functional tests, which run as root in namespaces of their own (tests/support/suite.py).
# shellcheck shell=bash disable=SC2119,SC2120
#
#   kernel clients                     DPDK
#   [netns dev] sld0 10.77.0.2/24 ~~~~ slu0 [sluiced] 10.77.0.1/24
#               fd77::2/64                            fd77::1/64
#
#   lab_network [HOST]       the drawing above (more pairs: lab_pair HOST DEVICE); QUEUES queues each way;
#                            lab_wire ONE OTHER: a pair that stays in this namespace
#   lab_config SED...        $RUN/sluice.yaml from config/sluice.yaml through these sed expressions
#   lab_yaml ARG... <<'PY'   the same, changed by a program to which it is the dictionary `c`
#   lab_kafka                embedded Kafka; lab_sluiced: the data plane; both wait until ready
#   lab_controld OPTION...   the control plane, asked with "$ctl"; together: sluiced has what it has
#   lab_saved                `touch "$RUN/changed"` behind a change: until sluiced has written it down
#   status JQ, lab_counted   of status.json; until it knows what has happened so far
#   send_json TEXT [FROM]    one datagram from the namespace to the listener of JSON
#   dev CMD...               run a client in the namespace
#   records TOPIC            what Kafka holds, one JSON record per line, checkpoints left out
#   fail, wait_for, says     those of script.sh
#   lab_stop                 SIGTERM, wait, and insist on a balanced ledger (exit status 0)

. "$(dirname "${BASH_SOURCE[0]}")/script.sh"
BUILD=$TOP/build
RUN=${RUN:-/run/sluice}
SLUICED=$BUILD/dataplane/sluiced
export SLUICE_API=$RUN/api.sock
ctl=$BUILD/controlplane/sluicectl
pids=()
SLUICED_PID='' CONTROLD_PID=
SLUICED_SAID=0 # bytes of the log that were there before it started
logs+=("$RUN/kafka.log" "$RUN/controld.log" "$RUN/sluiced.log")

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

# Frames as they are, and none but those of a test.
lab_quiet() { # INTERFACE
	ethtool -K "$1" tx off tso off gso off gro off >/dev/null 2>&1 || true
	[ ! -e "/proc/sys/net/ipv6/conf/$1" ] || echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"
	ip link set "$1" up
}

lab_wire() { # INTERFACE INTERFACE
	ip link add "$1" numrxqueues 1 numtxqueues 1 type veth peer name "$2" numrxqueues 1 numtxqueues 1
	lab_quiet "$1"
	lab_quiet "$2"
}

lab_network() {
	lab_pair "${1:-slu0}" sld0
	ip -n dev addr add 10.77.0.2/24 dev sld0
	ip -n dev addr add fd77::2/64 dev sld0 nodad
}

dev() {
	ip netns exec dev "$@"
}

# What a configuration refers to.
lab_files() {
	mkdir -p "$RUN/examples"
	cp "$TOP/config/examples/frame.keys" "$RUN/examples/"
	[ -e "$RUN/profiles" ] || cp -r "$TOP/config/profiles" "$RUN/"
	[ -e "$RUN/signatures" ] || cp -r "$TOP/config/signatures" "$RUN/"
}

# Compiling the shipped signatures takes seconds: a test that wants them says where they are.
lab_config() {
	local args=(-e '/^match:/,/^$/d') e
	for e in "$@"; do args+=(-e "$e"); done
	lab_files
	sed "${args[@]}" "$TOP/config/sluice.yaml" >"$RUN/sluice.yaml"
}

lab_yaml() {
	lab_files
	python3 -c '
import sys, yaml
c = yaml.safe_load(open(sys.argv.pop(1)))
del c["match"]
exec(sys.stdin.read())
yaml.safe_dump(c, sys.stdout)' "$TOP/config/sluice.yaml" "$@" >"$RUN/sluice.yaml"
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
	touch "$RUN/sluiced.log"
	SLUICED_SAID=$(stat -c %s "$RUN/sluiced.log")
	"$SLUICED" run --config "$RUN/sluice.yaml" "$@" >>"$RUN/sluiced.log" 2>&1 &
	SLUICED_PID=$!
	pids+=("$SLUICED_PID")
	wait_for 30 sluiced_ready || fail "sluiced did not start"
}

sluiced_ready() {
	kill -0 "$SLUICED_PID" 2>/dev/null || fail "sluiced ended at start"
	test -s "$RUN/status.json"
}

lab_controld() {
	mkdir -p "$RUN/control"
	"$BUILD/controlplane/sluice-controld" -c "$RUN/sluice.yaml" -s "$RUN/control" -r "$RUN" -m 127.0.0.1:19464 "$@" 2>>"$RUN/controld.log" &
	CONTROLD_PID=$!
	pids+=("$CONTROLD_PID")
	wait_for 10 "$ctl" audit verify >/dev/null || fail "sluice-controld did not start"
}

together() {
	"$ctl" status --json 2>/dev/null | jq -e '.data_plane.connected and .data_plane.registry_version == .registry.version' >/dev/null
}

lab_saved() {
	wait_for 10 test "$RUN/state/secrets.snapshot" -nt "$RUN/changed" || fail "no snapshot"
}

send_json() {
	dev python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[2], 0))
s.sendto(sys.argv[1].encode(), ("10.77.0.1", 8095))' "$1" "${2:-0.0.0.0}"
}

# No frame for half a second: tcpdump has written all it saw.
lab_caught() { # CAPTURE
	local size
	size=$(stat -c %s "$1")
	sleep 0.5
	[ "$(stat -c %s "$1")" = "$size" ]
}

# Twice, to $RUN/replay1.json and the same again.
lab_replay() { # CAPTURE
	local n
	for n in 1 2; do
		"$SLUICED" replay --config "$RUN/sluice.yaml" --out json "$1" >"$RUN/replay$n.json" 2>"$RUN/replay$n.log" ||
			fail "replay $n: $(cat "$RUN/replay$n.log")"
		grep -q 'balanced: yes' "$RUN/replay$n.log" || fail "replay ledger: $(cat "$RUN/replay$n.log")"
	done
	cmp "$RUN/replay1.json" "$RUN/replay2.json" || fail "two replays of one capture differ"
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

# Until status.json says what was so when it was called, or later: it is made each second.
lab_counted() {
	local turn
	for turn in begun made; do
		touch "$RUN/$turn"
		wait_for 10 test "$RUN/status.json" -nt "$RUN/$turn" || fail "status.json is not made any more"
	done
}

status() {
	jq -r "$1" "$RUN/status.json"
}

lab_stop() {
	local code=0
	kill -TERM "$SLUICED_PID"
	wait "$SLUICED_PID" || code=$?
	[ $code = 0 ] || fail "sluiced ended with status $code"
	tail -c "+$((SLUICED_SAID + 1))" "$RUN/sluiced.log" | says 'balanced: yes' || fail "no balanced ledger at exit"
	SLUICED_PID=
}

lab_end() {
	local p
	for p in "${pids[@]}"; do kill -TERM "$p" 2>/dev/null || true; done
	for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done
}
at_end lab_end
