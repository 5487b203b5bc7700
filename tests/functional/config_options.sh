#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every option that is called live is taken by a running sluiced, one after the other; some are
# watched at work.
. "$(dirname "$0")/../support/lab.sh"
export SLUICE_API=$RUN/api.sock
ctl=$BUILD/controlplane/sluicectl
lab_network
lab_config
cp "$RUN/examples/frame.keys" "$RUN/examples/other.keys"
cp -r "$TOP/config/profiles" "$RUN/" 2>/dev/null || true
mkdir -p "$RUN/control"
lab_kafka
"$BUILD/controlplane/sluice-controld" -c "$RUN/sluice.yaml" -s "$RUN/control" -r "$RUN" -m off 2>>"$RUN/controld.log" &
pids+=($!)
lab_sluiced
agreed() { "$ctl" config show --json 2>/dev/null | jq -e '.in_force == .version' >/dev/null; }
wait_for 10 agreed || fail "the planes did not agree: $(cat "$RUN/controld.log")"
cp "$RUN/sluice.yaml" "$RUN/before.yaml"
python3 "$TOP/tests/support/live_options.py" "$ctl" "$RUN" || fail "live options"
cmp "$RUN/before.yaml" "$RUN/sluice.yaml" || fail "not rolled back to the first text"
lab_stop
