#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The process: runs as its user without capabilities once started, keeps every thread but the workers
# off the workers' CPUs, says what is wrong with a configuration and exits 2, never half-started;
# SIGUSR1 prints the ledgers; a stop with nothing to do is quick.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
lab_kafka
lab_sluiced

capabilities=$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$SLUICED_PID/status")
[ "$capabilities" = 0000000000000000 ] || fail "effective capabilities after start: $capabilities"
[ "$(stat -c %U "/proc/$SLUICED_PID/task")" != nobody ] || fail "no user"
[ "$(awk '/^Uid:/ {print $2}' "/proc/$SLUICED_PID/status")" = "$(id -u sluice)" ] || fail "not running as sluice"
[ "$(awk '/^NoNewPrivs:/ {print $2}' "/proc/$SLUICED_PID/status")" = 1 ] || fail "new privileges possible"

# AF_XDP and the TAP twin go on working without them.
dev ping -c 2 -i 0.2 -W 2 10.77.0.1 || fail "no answer after the privilege drop"

cpus=$(nproc)
worker_cpu=$((cpus - 1))
workers=0
for task in "/proc/$SLUICED_PID"/task/*; do
	name=$(cat "$task/comm")
	allowed=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$task/status")
	case $name in
	dpdk-worker*)
		workers=$((workers + 1))
		[ "$allowed" = "$worker_cpu" ] || fail "worker thread $name may run on $allowed"
		;;
	*)
		[ "$cpus" = 1 ] || python3 - "$allowed" "$worker_cpu" <<'PY' || fail "thread $name may run on $allowed, a worker's CPU"
import sys
cpus = set()
for part in sys.argv[1].split(","):
    low, _, high = part.partition("-")
    cpus.update(range(int(low), int(high or low) + 1))
sys.exit(int(sys.argv[2]) in cpus)
PY
		;;
	esac
done
[ "$workers" = 1 ] || fail "$workers worker threads"

kill -USR1 "$SLUICED_PID"
printed() { grep -q '^ledger of epoch' "$RUN/sluiced.log"; }
wait_for 5 printed || fail "SIGUSR1 printed no ledger"
first=$(status .epoch)
lab_stop
lab_sluiced
[ "$(status .epoch)" -gt "$first" ] || fail "the epoch did not grow"
lab_stop

mistake() { # SED EXPECTED-SENTENCE
	local code=0
	sed -e "$1" "$TOP/config/sluice.yaml" >"$RUN/bad.yaml"
	"$SLUICED" run --config "$RUN/bad.yaml" >"$RUN/bad.log" 2>&1 || code=$?
	[ "$code" = 2 ] || fail "exit status $code for '$1': $(cat "$RUN/bad.log")"
	grep -qE "bad.yaml:[0-9]+: .*$2" "$RUN/bad.log" || fail "no line and sentence for '$1': $(cat "$RUN/bad.log")"
}
mistake 's/^  workers: 1/  worker: 1/' workers
mistake 's/^  workers: 1/  workers: many/' workers
mistake 's/^    port: 8095/    port: 99999/' port
mistake 's/route: telemetry/route: telemetri/' telemetry
mistake 's/^kafka:/kafka:\n  properties: {acks: "1"}/' ack

# A frame that AF_XDP cannot receive would be lost without a word.
code=0
sed 's/^  - name: lan/&\n    mtu: 3400/' "$TOP/config/sluice.yaml" >"$RUN/bad.yaml"
timeout 30 "$SLUICED" run --config "$RUN/bad.yaml" >"$RUN/bad.log" 2>&1 || code=$?
[ "$code" != 0 ] || fail "an MTU of 3400 was accepted"
grep -q 'mtu 3400: AF_XDP takes up to 3366' "$RUN/bad.log" || fail "no sentence about the MTU: $(cat "$RUN/bad.log")"
