#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The end of quickstart, while the lab is still up: what became of the workshop's presses, as
sluicectl and Kafka tell it. Exit status 1 if something that must have been noticed was not."""

import json
import os
import subprocess
import sys
import time

RUN = os.environ.get("SLUICE_RUN", "/run/sluice")
# What `why` must have to say about each (one of the decisions, reason), and what the press is. An attack
# is refused or held back, as the gravest signature that hits wants it.
PRESSES = {
    "press-1": ("sends every fifth message twice", (("duplicate",), None)),
    "press-2": ("has a broken cable: 9999 degrees", (("quarantined",), "out-of-range")),
    "press-3": ("has a sensor that is stuck", (("flagged",), "stuck")),
    "press-4": ("runs hot once, and cools down", (("alert-raised",), None)),
    "press-5": ("has been taken over", (("quarantined", "refused"), "signature")),
}
ENOUGH_S = 15  # a press needs its time to run hot and cool down, a sensor to be stuck
wrong = []


def uptime_s():
    with open(os.path.join(RUN, "status.json"), encoding="utf-8") as f:
        return json.load(f)["uptime_ns"] / 1e9


def sluicectl(*words):
    done = subprocess.run(["sluicectl", *words], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        wrong.append(f"sluicectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def topic(name):
    with open(os.path.join(RUN, "kafka"), encoding="utf-8") as f:
        brokers = f.read().strip()
    done = subprocess.run(["kcat", "-q", "-b", brokers, "-C", "-t", name, "-o", "beginning", "-e"],
                          capture_output=True, text=True, timeout=30, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def why(name, what, expected):
    print(f"\n{name} {what}:\n" + sluicectl("why", name).rstrip())
    told = json.loads(sluicectl("why", name, "--json") or '{"decisions":[]}')["decisions"]
    decisions, reason = expected
    if not any(d["decision"] in decisions and reason in (None, d.get("reason")) for d in told):
        wrong.append(f"`sluicectl why {name}` does not say {' or '.join(decisions)} {reason or ''}".rstrip())


def main():
    time.sleep(1)  # what was sent last
    for name, (what, expected) in PRESSES.items():
        why(name, what, expected)
    alerts = [a["alert"] for a in topic("alerts") if a.get("device") == "press-4" and a.get("field") == "temp"]
    print(f"\nalert topic, press-4: {', '.join(alerts) or 'nothing'}")
    if alerts != ["raise", "clear"]:
        wrong.append(f"the alert topic does not hold one raise and one clear of press-4: {alerts}")
    letters = topic("dead-letter")
    for name in ("press-2", "press-5"):
        n = sum(d.get("device") == name for d in letters)
        print(f"dead-letter topic: {n} originals of {name}")
        if n == 0:
            wrong.append(f"no original of {name} is in the dead-letter topic")
    if wrong and uptime_s() >= ENOUGH_S:
        sys.exit("quickstart: " + "\nquickstart: ".join(wrong))


main()
