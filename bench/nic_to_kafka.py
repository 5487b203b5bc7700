#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records per second from the wire to Kafka's acknowledgement, one record per message and packed with
lz4, per core of CPU time of the whole of sluiced: worker, egress, librdkafka's threads and housekeeping.

bench/nic_to_kafka.py [--seconds S] [--rate PPS]... [--pack N]... [--traffic KIND] [--only mock|kafka]
                                                       (root; inside appliance/in-root)

sluice-gen sends at each rate over memif; the worker sleeps when nothing comes (adaptive polling), so
CPU time follows work. Two brokers: the embedded one (librdkafka's mock, a process of its own, not
counted) and a real Apache Kafka (tests/kafka/broker, not counted). What sluiced cannot hand over
in time it sheds at the door, and the line says how much: a rate with much shed is beyond what broker
and machine take, not a figure for sluiced."""

import argparse
import contextlib
import os
import pathlib
import subprocess
import tempfile
import time

import rig

BROKER = str(rig.TOP / "tests" / "kafka" / "broker")


@contextlib.contextmanager
def mock(run):
    with open(pathlib.Path(run, "kafka.log"), "w", encoding="utf-8") as log:
        process = subprocess.Popen([rig.SLUICED, "embedded-kafka", "--topics", "telemetry:4,dead-letter:1", "--run-dir", run],
                                   stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 15
        while not pathlib.Path(run, "kafka").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield "embedded"
    finally:
        process.terminate()
        process.wait(15)


@contextlib.contextmanager
def kafka(run):
    environment = os.environ | {"SLUICE_KAFKA_DIR": f"{run}/broker"}

    def broker(*arguments):
        return subprocess.run([BROKER, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, timeout=120, check=True).stdout
    try:
        address = broker("start").strip()
        broker("topic", "telemetry", "4", "retention.bytes=268435456")
        broker("topic", "dead-letter", "1")
        yield address
    finally:
        broker("wipe")


def shares(before, after):
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    kinds = {"worker": 0.0, "egress": 0.0, "librdkafka": 0.0, "rest": 0.0}
    for name, s in spent.items():
        if name.startswith("dpdk-worker"):
            kinds["worker"] += s
        elif name.startswith("rdk:"):
            kinds["librdkafka"] += s
        elif name.startswith("egress"):
            kinds["egress"] += s
        else:
            kinds["rest"] += s
    total = sum(kinds.values())
    return ", ".join(f"{kind} {100 * s / total:.0f} %" for kind, s in kinds.items())


def measure(broker, kind, rate, seconds, pack):
    with tempfile.TemporaryDirectory() as run, broker(run) as brokers:
        device = rig.memif(run, "server", rig.MEMIF_MAC)
        text = rig.configuration(run, device, sink="kafka", brokers=brokers, polling="adaptive", pack=pack)
        with rig.Sluiced(run, text) as s:
            before, threads = s.next_status()
            sent = rig.generate(rig.memif(run, "client"), "--traffic", kind, "--target", rig.TARGET,
                                "--rate", str(rate), "--seconds", str(seconds))
            threads_after = s.threads()
        udp = s.after["transports"]["udp"]
        cpu = (s.after["cpu_ns"] - before["cpu_ns"]) / 1e9
        delivered = udp["records"]["delivered"]
        shed = sum(udp["messages"]["shed"].values())
        packed = f"packed by {pack}, lz4" if pack > 1 else "single"
        print(f"{broker.__name__:<6} {kind} {packed:<18} at {rate:>7}/s: {delivered / sent['seconds'] / 1e3:7.1f} k acknowledged/s"
              f"  {delivered / cpu / 1e6:6.3f} M records per CPU s  shed {shed / max(1, udp['messages']['received']):6.1%}"
              f"  {rig.ledger(s)}  ({shares(threads, threads_after)})", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rate", type=int, action="append")
    parser.add_argument("--pack", type=int, action="append")
    parser.add_argument("--traffic", choices=list(rig.PORTS), default="json")
    parser.add_argument("--only", choices=["mock", "kafka"])
    options = parser.parse_args()
    print(f"input: 1000 devices, one reading per frame, ack from all replicas (one), {options.seconds} s per line")
    for broker in (mock, kafka):
        if options.only in (None, broker.__name__):
            for pack in options.pack or [1, 500]:
                for rate in options.rate or [100000, 300000, 600000]:
                    measure(broker, options.traffic, rate, options.seconds, pack)
    rig.finish()


main()
