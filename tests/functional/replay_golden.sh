#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The golden captures give the golden records, byte for byte, and the golden ledgers: `mixed` all
# protocols of UDP, `profiles` what the shipped profiles make of their devices' messages.
# After a change that is meant to change them: tests/functional/replay_golden.sh --update
. "$(dirname "$0")/../support/lab.sh"
captures=$TOP/tests/functional/captures
lab_config
for name in mixed profiles; do
	"$SLUICED" replay --config "$RUN/sluice.yaml" --out json "$captures/$name.pcap" >"$RUN/out.json" 2>"$RUN/out.log" ||
		fail "replay: $(cat "$RUN/out.log")"
	sed -n '/^ledger of epoch/,$p' "$RUN/out.log" | grep -v ' latency \| memory \| dpdk ' >"$RUN/out.ledger"
	if [ "${1:-}" = --update ]; then
		cp "$RUN/out.json" "$captures/$name.json"
		cp "$RUN/out.ledger" "$captures/$name.ledger"
		continue
	fi
	diff "$captures/$name.json" "$RUN/out.json" || fail "$name: records differ from the golden ones"
	diff "$captures/$name.ledger" "$RUN/out.ledger" || fail "$name: the ledger differs from the golden one"
done
