#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The record pipeline as quickstart shows it: five presses misbehave, each in its own way, and
# `sluicectl why`, the alert topic (one raise, one clear) and the dead-letter topic (the originals)
# tell which did what. Every record Kafka holds is there once.
. "$(dirname "$0")/../support/lab.sh"
export SLUICE_RUN=$RUN
export PATH=$BUILD/controlplane:$PATH

lab_network
lab_config
cp "$TOP/config/signatures/log4shell.yaml" "$RUN/" # all of them take seconds to compile
printf 'match:\n  signatures: log4shell.yaml\n' >>"$RUN/sluice.yaml"
lab_kafka
lab_controld
lab_sluiced
wait_for 10 together || fail "the planes did not meet"
dev python3 "$TOP/appliance/devices.py" workshop &
devices=$!
pids+=("$devices")
sleep 18
python3 "$TOP/appliance/explain.py" || fail "something was not noticed"
kill -TERM "$devices"
wait "$devices" || true
sleep 1
twice=$(records telemetry | jq -r 'select(.device|startswith("press-"))|"\(.device) \(.seq)"' | sort | uniq -d)
[ -z "$twice" ] || fail "there twice: $twice"
[ "$(status '[.transports[].messages.duplicate]|add')" -gt 0 ] || fail "no duplicate was counted"
lab_stop
