#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mqtt_two_workers.sh with two kernel queues, each bound to an AF_XDP device of its own: the kernel
# spreads flows as it likes, so both workers receive, and both receive frames of the other's flows.
QUEUES=2
. "$(dirname "$0")/mqtt_two_workers.sh"
status '[.workers[] | {rx, handed_over, taken_over}]'
status '.workers[].rx' | while read -r rx; do
	[ "$rx" -gt 100 ] || fail "a queue got only $rx frames: $(status .workers)"
done
