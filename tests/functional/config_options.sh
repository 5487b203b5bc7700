#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every option that is called live is taken by a running sluiced, one after the other; some are
# watched at work.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_config
cp "$RUN/examples/frame.keys" "$RUN/examples/other.keys"
lab_kafka
lab_controld
lab_sluiced
agreed() { "$ctl" config show --json 2>/dev/null | jq -e '.in_force == .version' >/dev/null; }
wait_for 10 agreed || fail "the planes did not agree: $(cat "$RUN/controld.log")"
cp "$RUN/sluice.yaml" "$RUN/before.yaml"
python3 "$TOP/tests/support/live_options.py" "$ctl" "$RUN" || fail "live options"
cmp "$RUN/before.yaml" "$RUN/sluice.yaml" || fail "not rolled back to the first text"
lab_stop
