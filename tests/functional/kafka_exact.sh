#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A real Kafka, nothing goes wrong: every record arrives once, in device order, under its key, in the
# partition every Kafka client would choose; the consumer's proof holds and notices tampering; a
# record the topic does not take is refused, and only that one.
. "$(dirname "$0")/../support/kafka.sh"
kafka_start
kafka_topic exact 4
drive exact 100000 --devices 500
driven 60
dump exact
check exact 4
prove exact

# The proof is worth something only if it fails: leave out one record, repeat one, change one.
tampered() { # PYTHON: m is the list of (partition, key, value)
	python3 - "$DIR/exact.dump" "$TOP/tests/support" "$1" >"$DIR/tampered.dump" <<'PY'
import sys
sys.path.insert(0, sys.argv[2])
from prove_complete import messages
m = [[p, k, v] for _, p, k, v, _ in messages(open(sys.argv[1], "rb"))]
exec(sys.argv[3])
for p, k, v in m:
    # kcat prints -1 as the length of an absent key
    sys.stdout.buffer.write(b"exact %d %d %d\n" % (p, len(k) or -1, len(v)) + k + v + b"\n")
PY
	"$TOP/tests/support/prove_complete.py" <"$DIR/tampered.dump" >/dev/null 2>&1
}
tampered 'pass' || fail "the proof fails on what nobody touched"
for harm in 'del m[1000]' 'm.insert(1001, m[1000])' 'm[1000][2] = m[1000][2].replace(b"x", b"y", 1)' \
	'm[1000], m[1001] = m[1001], m[1000]'; do
	! tampered "$harm" || fail "the proof does not notice: $harm"
done

kafka_topic small 2 max.message.bytes=40000
drive small 5000 --size 3000 --large-every 500
driven 60
dump small
check small 2
prove small
[ "$(grep -c refused "$DIR/acked")" = 10 ] || fail "not 10 refused: $(grep -c refused "$DIR/acked")"
