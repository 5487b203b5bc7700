#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# CPU time of the whole of sluiced while nothing arrives, adaptive polling against busy polling, on a
# veth with AF_XDP. Input: none, for 10 s each.
set -euo pipefail
cd "$(dirname "$0")/.."
measure() {
	unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc bash -euc '
mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/sluice /run/lock
ip link set lo up && ip addr add 192.0.2.1/32 dev lo
. tests/support/lab.sh
lab_network
lab_config "s/^  polling: adaptive.*/  polling: $1/"
lab_kafka
lab_sluiced
sleep 3
before=$(status ".cpu_ns, .uptime_ns" | paste -sd" ")
sleep 10
after=$(status ".cpu_ns, .uptime_ns" | paste -sd" ")
awk -v b="$before" -v a="$after" -v p="$1" "BEGIN {
	split(b, x, \" \"); split(a, y, \" \");
	printf \"polling %-9s %6.2f %% of one core\n\", p, 100 * (y[1] - x[1]) / (y[2] - x[2]) }"
lab_stop' idle "$1" 2>/dev/null
}
measure adaptive
measure busy
