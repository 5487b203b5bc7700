#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The golden capture gives the golden records, byte for byte, and the golden ledger.
# After a change that is meant to change them: tests/functional/replay_golden.sh --update
. "$(dirname "$0")/../support/lab.sh"
captures=$TOP/tests/functional/captures
lab_config
"$SLUICED" replay --config "$RUN/sluice.yaml" --out json "$captures/mixed.pcap" >"$RUN/out.json" 2>"$RUN/out.log" ||
	fail "replay: $(cat "$RUN/out.log")"
sed -n '/^ledger of epoch/,$p' "$RUN/out.log" | grep -v ' latency ' >"$RUN/out.ledger"
if [ "${1:-}" = --update ]; then
	cp "$RUN/out.json" "$captures/mixed.json"
	cp "$RUN/out.ledger" "$captures/mixed.ledger"
	exit 0
fi
diff "$captures/mixed.json" "$RUN/out.json" || fail "records differ from the golden ones"
diff "$captures/mixed.ledger" "$RUN/out.ledger" || fail "the ledger differs from the golden one"
