#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# User names and passwords whose hashes were imported from elsewhere: bcrypt, crypt, PBKDF2, argon2.
# Real clients with the right password publish as their user, others are told so. A success is
# remembered: no second look. While 900 users at once guess wrong at 100,000 rounds of PBKDF2 each, the
# queue of the authentication thread is bounded, and connections that are there go on.
. "$(dirname "$0")/../support/lab.sh"
lab_network
lab_yaml <<'PY'
import base64, hashlib
next(l for l in c["listeners"] if l["name"] == "mqtt").update(auth="password", profile="by-identity")


def pbkdf2(rounds, salt, password="correct horse"):
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    text = [base64.b64encode(b).decode().rstrip("=").replace("+", ".") for b in (salt, digest)]
    return "$pbkdf2-sha256$%d$%s$%s" % (rounds, *text)


# Those of tests/unit/dataplane/mqtt/test_auth.c; made by bcrypt, openssl passwd and libargon2.
secrets = {
    "sha256": "$sluice-sha256$000102030405060708090a0b0c0d0e0f$"
              "4ac7628e73d357ef4e766280d83143f038aca73ee89a1c8a6bf9b0acd607e0fa",
    "bcrypt": "$2b$04$1j5rHQ7mogbudoRqxcTR5u1zEca1Tl4b9salR8IgfePl9QSa7qiEK",
    "crypt": "$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0",
    "argon2": "$argon2id$v=19$m=256,t=2,p=1$c2FsdHNhbHRzYWx0$pwZ7sGME81TL89Hs/ia4qXIxzecJdXvdtALit/lGF0w",
    "pbkdf2": pbkdf2(100000, b"a salt of its own"),
}
slow = pbkdf2(100000, b"one salt for all")
secrets.update({f"victim-{n}": slow for n in range(900)})
c["mqtt"] = {"users": [{"name": n, "secret": s} for n, s in secrets.items()]}
PY
lab_kafka
lab_sluiced

publish() { # USER PASSWORD VERSION VALUE
	dev timeout 20 mosquitto_pub -h 10.77.0.1 -V "$3" -q 1 -i "id-$1" -u "$1" -P "$2" -t "t/any/env" -m "{\"n\":$4}"
}
n=0
for version in 311 5; do
	for user in sha256 bcrypt crypt argon2 pbkdf2; do
		n=$((n + 1))
		publish "$user" 'correct horse' $version $n || fail "$user, MQTT $version: the right password was refused"
		[ "$(records telemetry | jq -r "select(.fields.n == $n).device")" = "$user" ] ||
			fail "acknowledged and not in Kafka as $user's: $(records telemetry | tail -n 1)"
		publish "$user" 'correct hors' $version 99 >"$RUN/answer" 2>&1 && fail "$user, MQTT $version: a wrong password was accepted"
		grep -qi 'not authori[sz]ed\|bad user name or password' "$RUN/answer" || fail "$user was told: $(cat "$RUN/answer")"
	done
	publish nobody 'correct horse' $version 99 >/dev/null 2>&1 && fail "an unknown user was accepted"
done
refused() { status '.counters.mqtt_refused.credentials // 0'; }
counted() { [ "$(refused)" = 12 ]; }
wait_for 5 counted || fail "12 refusals: $(status .counters.mqtt_refused)"

# Asked so far: four slow methods, once right and twice wrong each. Remembered since.
asked() { [ "$(status '.counters.mqtt["passwords-asked"] // 0')" = "$1" ]; }
wait_for 5 asked 12 || fail "asked: $(status .counters.mqtt)"
for i in $(seq 5); do publish pbkdf2 'correct horse' 5 $((100 + i)) || fail "not remembered"; done
lab_counted
asked 12 || fail "a password that was right before was looked at again: $(status .counters.mqtt)"

dev env PYTHONPATH="$TOP/tests/support" timeout 60 python3 - >"$RUN/acked" <<'PY' || fail "the clients, see above"
import sys, time
from mqtt_swarm import Swarm

acked = []
good = Swarm("10.77.0.1", on_ack=lambda c, p: acked.append(p))
for n in range(20):
    good.add(f"good-{n}", user="sha256", password="correct horse")
if not good.run(10, lambda: good.connected == 20):
    sys.exit(f"{good.connected} of 20 connected")
flood = Swarm("10.77.0.1")
end, number, sent = time.monotonic() + 4, 0, 0
while time.monotonic() < end:
    if number < 900:
        for _ in range(15):
            flood.add(f"bad-{number}", user=f"victim-{number}", password="a guess")
            number += 1
    for c in good.clients:
        if len(c.pending) < 2:
            good.publish(c, "t/any/env", '{"n":%d}' % (1000 + sent))
            sent += 1
    good.step(0.01)
    flood.step(0.01)
if not good.run(10, lambda: not good.pending()) or good.ended:
    sys.exit(f"{good.pending()} unacknowledged, {good.ended} ended by the server")
if sent < 200:
    sys.exit(f"only {sent} sent beside the flood")
codes = [c.refused for c in flood.clients]
print(f"{number} guesses: {codes.count(3)} told to come later, {codes.count(4)} refused, {flood.connected} accepted; "
      f"{len(acked)} of {sent} acknowledged meanwhile", file=sys.stderr)
if flood.connected or codes.count(3) < 300:
    sys.exit("the queue is not bounded")
for c in good.clients + flood.clients:
    (good if c in good.clients else flood).close(c)
print(*acked, sep="\n")
PY
sort "$RUN/acked" >"$RUN/acked.sorted"
records telemetry | jq -r 'select(.fields.n >= 1000) | "{\"n\":\(.fields.n | floor)}"' | sort >"$RUN/stored"
diff "$RUN/acked.sorted" "$RUN/stored" >"$RUN/diff" || fail "acknowledged (<) and stored (>): $(head "$RUN/diff")"
again() { publish crypt 'correct horse' 5 500; }
wait_for 30 again || fail "nobody is looked at after the flood"
lab_stop
[ "$(status '.counters.mqtt_refused["auth-busy"] // 0')" -ge 300 ] || fail "not counted: $(status .counters.mqtt_refused)"
