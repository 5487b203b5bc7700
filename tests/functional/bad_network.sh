#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Loss, repetition, reordering and bit errors, by a seed: every CoAP request is acknowledged in the
# end and recorded once, fragmented datagrams arrive whole or not at all, nothing arrives damaged, and
# every frame is accounted for.
#
#   [netns dev] sld0 ~~~~ imp0 [impair] imp1 ~~~~ slu0 [sluiced]
. "$(dirname "$0")/../support/lab.sh"
IMPAIR=$BUILD/tests/support/impair

lab_network imp0
lab_wire slu0 imp1
lab_config "\$a net: {fragment_timeout: 1s}"
lab_kafka
lab_sluiced
"$IMPAIR" --seed 2026 --loss 5 --duplicate 5 --reorder 5 --reorder-ms 2 --corrupt 2 imp0 imp1 >"$RUN/impair" &
impair=$!
pids+=("$impair")
wait_for 5 grep -q ready "$RUN/impair" || fail "impair did not start"

# Large arrays leave the kernel in fragments: 40 records each.
dev python3 - <<'PY' || fail "the datagrams could not be sent"
import json, socket, time
families = [(socket.AF_INET, "10.77.0.1"), (socket.AF_INET6, "fd77::1")]
sockets = [(socket.socket(f, socket.SOCK_DGRAM), (a, 8095)) for f, a in families]
for n in range(200):
    s, to = sockets[n % 2]
    one = {"device": "small-%d" % n, "n": n, "i": 0, "v": n * 1000}
    many = [{"device": "big-%d" % n, "n": n, "i": i, "v": n * 1000 + i, "pad": "." * 30} for i in range(40)]
    s.sendto(json.dumps(one).encode(), to)
    s.sendto(json.dumps(many).encode(), to)
    time.sleep(0.005)
PY

clients=()
for n in $(seq 12); do
	address=10.77.0.1
	((n % 2)) || address='[fd77::1]'
	dev coap-client -B 90 -v 6 -m post "coap://$address/t/coap-$n/env" -e "{\"n\":$n}" >"$RUN/coap-$n" 2>&1 &
	clients+=($!)
done
for c in "${clients[@]}"; do wait "$c" || fail "a CoAP client ended with $?"; done
grep -L 'c:2\.04' "$RUN"/coap-[0-9]* | grep . && fail "not acknowledged"

settled() { [ "$(records telemetry | wc -l)" = "$before" ] || { before=$(records telemetry | wc -l); false; }; }
before=0
sleep 3 # past the time-out of fragments
wait_for 20 settled || fail "records keep coming"
kill -TERM "$impair"
wait "$impair" || fail "impair ended with $?"
lab_stop

records telemetry >"$RUN/records"
python3 - "$RUN" <<'PY' || fail "see above; impair: $(tail -n 1 "$RUN/impair")"
import collections, json, sys
run = sys.argv[1]
got = collections.Counter()
for line in open(run + "/records"):
    r = json.loads(line)
    f = r["fields"]
    if not r["device"].startswith("coap-"):
        n, i = int(f["n"]), int(f["i"])
        if f["v"] != n * 1000 + i or not r["device"].endswith("-%d" % n):
            sys.exit("damaged: " + line)
    got[r["device"]] += 1
for n in range(1, 13):
    if got["coap-%d" % n] != 1:
        sys.exit("coap-%d was recorded %d times" % (n, got["coap-%d" % n]))
for n in range(200):
    if got["big-%d" % n] % 40:
        sys.exit("big-%d: %d records of one datagram" % (n, got["big-%d" % n]))
small = sum(got["small-%d" % n] > 0 for n in range(200))
big = sum(got["big-%d" % n] > 0 for n in range(200))
print("small", small, "big", big, "of 200")
if not (150 < small < 200 and 100 < big < 200):
    sys.exit("that is not what 5 % of loss makes of 200")
frames = json.load(open(run + "/status.json"))["frames"]
print(frames)
if frames["in_reassembly"] != 0:
    sys.exit("fragments are left behind")
for why in ("udp-checksum", "fragment-expired"):
    if frames["dropped"].get(why, 0) == 0:
        sys.exit("no " + why)
PY
