#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The live table of quickstart, from sluiced's status.json: a line each second.

--for SECONDS   stop after so long (0: never)
--verdict       no table: exit 0 if the final ledger balances and every protocol that the lab's
                devices speak had records acknowledged by Kafka, else say what is missing"""

import argparse
import json
import os
import sys
import time

STATUS = os.path.join(os.environ.get("SLUICE_RUN", "/run/sluice"), "status.json")
HEADER = (f"{'time':>5} {'packets/s':>10} {'udp/s':>8} {'frame/s':>8} {'coap/s':>8} {'mqtt/s':>8} "
          f"{'acked':>9} {'copies':>7} {'held':>5} {'alerts':>7} {'dropped':>8}  {'p50/p99 wire-to-ack':<20} found, dropped by reason")


def read():
    try:
        with open(STATUS, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def reasons(status):
    found = dict(status["frames"]["dropped"])
    for t in status["transports"].values():
        for door in ("refused", "shed"):
            for reason, n in t["messages"][door].items():
                found[reason] = found.get(reason, 0) + n
    return found


def row(seconds, before, now):
    span = max((now["uptime_ns"] - before["uptime_ns"]) / 1e9, 1e-9)

    def rate(pick):
        return (pick(now) - pick(before)) / span

    def records(name):
        return lambda s: s["transports"][name]["records"]["accepted"]

    transports = now["transports"].values()
    acked = sum(t["records"]["delivered"] for t in transports)
    busy = [t["latency_us"] for t in transports if t["records"]["delivered"]]
    p50 = max((b["p50"] for b in busy), default=0)
    p99 = max((b["p99"] for b in busy), default=0)
    drops = reasons(now)
    top = sorted({**now["findings"], **drops}.items(), key=lambda kv: -kv[1])[:4]
    copies = sum(t["messages"]["duplicate"] for t in transports)
    alerts = now["stages"]["alerts"]
    print(f"{seconds:>4}s {rate(lambda s: s['frames']['rx']):>10.0f} {rate(records('udp')):>8.0f} "
          f"{rate(records('frame')):>8.0f} {rate(records('coap')):>8.0f} {rate(records('mqtt')):>8.0f} "
          f"{acked:>9} {copies:>7} {now['stages']['quarantine']['records']:>5} "
          f"{alerts['raised'] + alerts['cleared']:>7} {sum(drops.values()):>8}  "
          f"{f'{p50 / 1000:.1f} / {p99 / 1000:.1f} ms':<20} "
          + ", ".join(f"{k} {v}" for k, v in top), flush=True)


def table(limit):
    before, seconds = read(), 0
    while limit == 0 or seconds < limit:
        if seconds % 20 == 0:
            print(HEADER, flush=True)
        time.sleep(1)
        seconds += 1
        now = read()
        if now is None or before is None:
            before = now
            continue
        row(seconds, before, now)
        before = now


def verdict():
    status = read()
    if status is None:
        sys.exit(f"quickstart: no {STATUS}")
    wrong = [] if status["balanced"] else [f"ledger: {status['imbalance']}"]
    for name in ("udp", "frame", "coap", "mqtt"):
        delivered = status["transports"][name]["records"]["delivered"]
        print(f"{name}: {delivered} records acknowledged by Kafka")
        if delivered == 0:
            wrong.append(f"no {name} record was acknowledged by Kafka")
    if wrong:
        sys.exit("quickstart: " + "; ".join(wrong))
    print("quickstart: every ledger balances")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--for", dest="limit", type=int, default=0)
    parser.add_argument("--verdict", action="store_true")
    options = parser.parse_args()
    if options.verdict:
        verdict()
    else:
        table(options.limit)


try:
    main()
except KeyboardInterrupt:
    pass
