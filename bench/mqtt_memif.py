#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MQTT publishes per second of one worker core, from sluice-gen over memif into the discard sink, at
QoS 0 and 1 and with more and more connections that publish in turn; what a publish costs as they
grow; what an idle connection costs in memory; connects per second.

bench/mqtt_memif.py [--seconds S] [--connections N]... [--qos Q]... [--coalesce N] [--million]
                                                           (root; inside appliance/in-root)

The worker has a core of its own; the generator shares the other with sluiced's housekeeping and
egress threads. `worker busy` is wall time: where it is well below 100 % the generator is the limit.
A QoS 1 publish is three segments, as with a device that publishes seldom: PUBLISH, PUBACK, and an
acknowledgement of that of its own."""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from memif import BUILD, TOP, ceiling, generator, last_json, read_status


def configuration(run, connections):
    import yaml
    lab = yaml.safe_load((TOP / "config" / "sluice.yaml").read_text())
    return yaml.safe_dump({
        "appliance": "bench", "lab": True, "run_dir": str(run), "state_dir": f"{run}/state", "user": "",
        "dataplane": {"workers": 1, "memory": "512MiB", "huge_pages": "never", "polling": "busy", "mbufs": 32768},
        "ports": [{"name": "memif", "devices": [f"net_memif0,role=server,id=0,socket={run}/memif.sock,socket-abstract=no,rsize=11"],
                   "interfaces": [{"addresses": ["10.88.0.1/16"]}]}],
        "listeners": [{"name": "mqtt", "protocol": "mqtt", "port": 1883, "format": "json", "profile": "by-path",
                       "auth": "none", "unknown": "accept"}],
        "profiles": [p for p in lab["profiles"] if p["name"] == "by-path"],
        "topics": [{"name": "telemetry", "partitions": 8}, {"name": "dead-letter", "partitions": 1}],
        "routes": [{"name": "telemetry", "topic": "telemetry", "ack": "kafka", "encoding": "json"}],
        "mqtt": {"connections": connections},
        "egress": {"sink": "discard"},
        "kafka": {"brokers": "embedded", "dead_letter_topic": "dead-letter", "accept_weak_topic": True},
    })


def capacity(connections):
    """Configured connections: no memory pressure (70 %) with all of them up."""
    return connections * 3 // 2 + 16


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Rss in smaps_rollup")


def worker_cpu(pid):
    """CPU time of the worker: the busiest thread of a busy-polling sluiced."""
    best = 0
    for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):
        fields = stat.read_text().rsplit(")", 1)[1].split()
        best = max(best, int(fields[11]) + int(fields[12]))
    return best / os.sysconf("SC_CLK_TCK")


def start(run, connections):
    pathlib.Path(run, "sluice.yaml").write_text(configuration(run, connections))
    log = open(pathlib.Path(run, "log"), "w+", encoding="utf-8")
    daemon = subprocess.Popen([str(BUILD / "dataplane" / "sluiced"), "run", "--config", f"{run}/sluice.yaml"],
                              stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while not pathlib.Path(run, "status.json").exists():
        if daemon.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            daemon.kill()
            sys.exit(f"sluiced did not start: {log.read()[-2000:]}")
        time.sleep(0.1)
    return daemon


def stop(daemon, seconds=60):
    daemon.send_signal(signal.SIGTERM)
    return daemon.wait(seconds)


def base_memory():
    with tempfile.TemporaryDirectory() as run:
        daemon = start(run, 1)
        bytes_ = resident(daemon.pid)
        stop(daemon)
    return bytes_


def measure(qos, connections, options, base):
    with tempfile.TemporaryDirectory() as run:
        daemon = start(run, capacity(connections))
        try:
            empty = resident(daemon.pid)
            # QoS 0 is limited per connection only: TCP acknowledges every second segment at once.
            inflight = max(options.coalesce, 1 if qos else 8)
            sender = subprocess.Popen(
                generator(run, "client", "--traffic", "mqtt", "--target", "10.88.0.1", "--connections", str(connections),
                          "--qos", str(qos), "--inflight", str(inflight), "--coalesce", str(options.coalesce),
                          "--ack-delay", "0", "--hold", "3", "--seconds", str(options.seconds)),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            first = sender.stdout.readline()
            if not first:
                sys.exit(f"sluice-gen: {sender.stderr.read()}")
            connected = json.loads(first)
            time.sleep(1)
            idle = resident(daemon.pid)
            time.sleep(2.5)
            before, cpu, began = read_status(run), worker_cpu(daemon.pid), time.monotonic()
            time.sleep(max(1, options.seconds - 1.5))
            after = read_status(run)
            share = (worker_cpu(daemon.pid) - cpu) / (time.monotonic() - began)
            out, _ = sender.communicate(timeout=options.seconds + 60)
            time.sleep(1.1)
        finally:
            code = stop(daemon)
        final = read_status(run)
    seconds = (after["uptime_ns"] - before["uptime_ns"]) / 1e9
    busy = (after["workers"][0]["busy_ns"] - before["workers"][0]["busy_ns"]) / 1e9 / seconds
    accepted = after["transports"]["mqtt"]["records"]["accepted"] - before["transports"]["mqtt"]["records"]["accepted"]
    return {"qos": qos, "connections": connections, "connected": connected, "generator": last_json(out),
            "publishes_per_s": accepted / seconds, "busy": min(busy, 1.0), "share": min(share, 1.0),
            "frames_per_s": (after["frames"]["rx"] - before["frames"]["rx"]) / seconds,
            "slot_bytes": (empty - base) / capacity(connections),
            "grown_bytes": (idle - empty) / connections, "final": final["transports"]["mqtt"],
            "balanced": final["balanced"] and code == 0}


def show(m, top):
    g = m["generator"]
    latency = f"  PUBACK p50 {g['p50_us']} p99 {g['p99_us']} p999 {g['p999_us']} us" if "p50_us" in g else ""
    limit = "" if m["busy"] > 0.9 else "  (generator is the limit)"
    trouble = {k: g[k] for k in ("wrong_answers", "lost_connections", "retransmits", "out_of_order") if g[k]}
    print(f"QoS {m['qos']} {m['connections']:>8} connections  {m['publishes_per_s'] / 1e3:8.1f} k publishes/s"
          f"  {m['frames_per_s'] / 1e3:8.1f} k frames/s in ({100 * m['frames_per_s'] / top:.0f} % of ceiling)"
          f"  worker busy {100 * m['busy']:3.0f} % and on its core {100 * m['share']:3.0f} % of the time{limit}{latency}")
    # With few connections what grows is the packet pool.
    memory = (f"  memory {m['slot_bytes']:.0f} B per configured connection, +{m['grown_bytes']:.0f} B when connected"
              if m["connections"] >= 10000 else "")
    print(f"      connects {m['connected']['connects_per_s'] / 1e3:.1f} k/s{memory}"
          f"  {'balanced' if m['balanced'] else 'LEDGER NOT BALANCED'}{'  ' + str(trouble) if trouble else ''}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, action="append")
    parser.add_argument("--qos", type=int, action="append", choices=[0, 1])
    parser.add_argument("--coalesce", type=int, default=1)
    parser.add_argument("--million", action="store_true", help="1,000,000 connections as well")
    options = parser.parse_args()
    counts = options.connections or [1000, 10000, 100000]
    if options.million:
        counts = [*counts, 1000000]
    print(f"input: 64 B of JSON per publish, MQTT 3.1.1, topic of 17 B, {options.coalesce} per segment, devices in turn from "
          f"200 addresses, {options.seconds} s each; at most 1024 QoS 1 messages unanswered; JSON envelope, discard sink, one worker")
    top = max(ceiling(2), ceiling(2))
    print(f"memif receive ceiling {top / 1e6:.3f} M frames/s")
    base = base_memory()
    for qos in options.qos or [0, 1]:
        cost = {}
        for connections in counts:
            m = measure(qos, connections, options, base)
            show(m, top)
            # Busy time is wall time: on a machine that others use, what they took is left out.
            cost[connections] = m["busy"] * m["share"] / m["publishes_per_s"] * 1e9 if m["publishes_per_s"] else float("nan")
        print(f"QoS {qos} worker time per publish: "
              + ", ".join(f"{n}: {c:.0f} ns (x{c / cost[counts[0]]:.2f})" for n, c in cost.items()), flush=True)


if __name__ == "__main__":
    main()
