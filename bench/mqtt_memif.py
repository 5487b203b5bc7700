#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MQTT publishes per second of one worker core, from sluice-gen over memif into the discard sink, at
QoS 0 and 1 and with more and more connections that publish in turn; what a publish costs as they
grow; what an idle connection costs in memory; connects per second.

bench/mqtt_memif.py [--seconds S] [--connections N]... [--qos Q]... [--coalesce N] [--million]
                    [--idle-only]                          (root; inside appliance/in-root)

The worker has a core of its own; the generator shares the other with sluiced's housekeeping and
egress threads. `worker busy` is wall time: where it is well below 100 % the generator is the limit.
A QoS 1 publish is three segments, as with a device that publishes seldom: PUBLISH, PUBACK, and an
acknowledgement of that of its own.

Memory: everything is reserved at start for the configured number C of connections, half as many again
as will be up, since near the limit strangers are turned away. `resident` is how much larger sluiced is
by the kernel's count with C configured and those up and idle than with 1,516 configured, for each that
is configured more; `account` is what status.json says that one costs. Exit status 1 if either is above 320 bytes from
100,000 connections on. `mqtt.busy_connections` and stored sessions, which do not grow with idle
connections, are set low in both."""

import argparse
import pathlib
import sys
import tempfile
import time

import rig
from memif import ceiling


IDLE_MAX = 320 # bytes of an idle connection, everything counted
STATUS_S = 1.05 # until sluiced writes the next one
SECONDS_MIN = 3 # then two of them are within the load


def configuration(run, connections, **mqtt):
    import yaml
    c = yaml.safe_load(rig.configuration(run, rig.memif(run, "server")))
    c["dataplane"].update(memory="512MiB", huge_pages="never")
    c["listeners"] = [{"name": "mqtt", "protocol": "mqtt", "port": 1883, "format": "json", "profile": "by-path",
                       "auth": "none", "unknown": "accept"}]
    c["profiles"] = [p for p in c["profiles"] if p["name"] == "by-path"]
    c["mqtt"] = {"connections": connections, **mqtt}
    del c["coap"]
    return yaml.safe_dump(c)


def capacity(connections):
    """Configured connections: no memory pressure (70 %) with all of them up."""
    return connections * 3 // 2 + 16


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Rss in smaps_rollup")


def sender_of(run, connections, *options):
    """sluice-gen, and what it said when all of them were connected."""
    sender = rig.Sender(rig.memif(run, "client"), "--traffic", "mqtt", "--target", rig.TARGET,
                        "--connections", str(connections), "--ack-delay", "0", *options)
    return sender, sender.line(30 + connections / 1000)


def reported(sender, seconds=60):
    """What it says at the end, when its connections are gone; until then sluiced stays."""
    line = sender.line(seconds)
    return line if "traffic" in line else sender.line(seconds)


LEAN = {"stored_sessions": 1, "busy_connections": 1024}
BASE = 1000


def base_memory():
    """With few connections, as idle as those that are compared with them: what publishing takes into use (batches,
    the flow book) is there in neither."""
    with tempfile.TemporaryDirectory() as run, rig.Sluiced(run, configuration(run, capacity(BASE), **LEAN)) as s:
        sender, _ = sender_of(run, BASE, "--qos", "0", "--inflight", "1", "--hold", "5", "--seconds", "1")
        time.sleep(2)
        bytes_now = resident(s.process.pid)
        reported(sender)
        return bytes_now


def idle(connections, base):
    room = capacity(connections)
    more = room - capacity(BASE)
    with tempfile.TemporaryDirectory() as run:
        with rig.Sluiced(run, configuration(run, room, **LEAN)) as s:
            empty = resident(s.process.pid)
            sender, connected = sender_of(run, connections, "--qos", "0", "--inflight", "1", "--hold", "5", "--seconds", "1")
            time.sleep(2)
            status, _ = s.next_status()
            up, memory = resident(s.process.pid), status["memory"]
            reported(sender)
    held = status["counters"]["tcp"]["connections"]
    each = (up - base) / more
    print(f"idle {connections:>8} of {room} connections: resident {each:.0f} B each ({(empty - base) / more:.0f} from the start),"
          f" account {memory['idle_connection']} B; {held} up, connects {connected['connects_per_s'] / 1e3:.1f} k/s,"
          f" {rig.ledger(s)}", flush=True)
    print("      " + ", ".join(f"{name} {part['reserved'] / part['capacity']:.1f}" for name, part in memory["parts"].items()
                               if part["scale"] in ("connection", "session")), flush=True)
    # With few connections what grows is the packet pool.
    return connections < 100000 or held == connections and max(each, memory["idle_connection"]) <= IDLE_MAX


def measure(qos, connections, options, inflight=None):
    # QoS 0 is limited per connection only: TCP acknowledges every second segment at once.
    inflight = inflight or max(options.coalesce, 1 if qos else 8)
    with tempfile.TemporaryDirectory() as run:
        with rig.Sluiced(run, configuration(run, capacity(connections))) as s:
            sender, connected = sender_of(run, connections, "--qos", str(qos), "--inflight", str(inflight), "--coalesce",
                                          str(options.coalesce), "--hold", "1", "--seconds", str(options.seconds))
            sender.line() # publishing begins
            end = time.monotonic() + options.seconds - 0.1
            before, threads = s.next_status()
            after, threads_after = s.next_status()
            # The last one that is still within the load: sluiced writes it once a second.
            while time.monotonic() + STATUS_S < end:
                after, threads_after = s.next_status()
            generator = reported(sender, options.seconds + 60)
        seconds = (after["uptime_ns"] - before["uptime_ns"]) / 1e9
        busy = (after["workers"][0]["busy_ns"] - before["workers"][0]["busy_ns"]) / 1e9 / seconds
        share = (rig.worker_cpu(threads_after) - rig.worker_cpu(threads)) / seconds
        accepted = [st["transports"]["mqtt"]["records"]["accepted"] for st in (before, after)]
        frames = [st["frames"]["rx"] for st in (before, after)]
        return {"qos": qos, "connections": connections, "connected": connected, "generator": generator,
                "rate": (accepted[1] - accepted[0]) / seconds, "frames_per_s": (frames[1] - frames[0]) / seconds,
                "busy": min(busy, 1.0), "share": min(share, 1.0), "ledger": rig.ledger(s)}


def show(m, cpu_top):
    g = m["generator"]
    latency = f"  PUBACK p50 {g['p50_us']} p99 {g['p99_us']} p999 {g['p999_us']} us" if "p50_us" in g else ""
    limit = "" if m["busy"] > 0.9 else "  (generator is the limit)"
    trouble = {k: g[k] for k in ("wrong_answers", "lost_connections", "retransmits", "out_of_order") if g[k]}
    print(f"QoS {m['qos']} {m['connections']:>8} connections  {m['rate'] / 1e3:8.1f} k publishes/s"
          f"  {m['frames_per_s'] / 1e3:8.1f} k frames/s in ({100 * m['frames_per_s'] / m['share'] / cpu_top:.0f} % of ceiling per CPU s)"
          f"  worker busy {100 * m['busy']:3.0f} % and on its core {100 * m['share']:3.0f} % of the time{limit}{latency}")
    print(f"      connects {m['connected']['connects_per_s'] / 1e3:.1f} k/s  {m['ledger']}{'  ' + str(trouble) if trouble else ''}",
          flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, action="append")
    parser.add_argument("--qos", type=int, action="append", choices=[0, 1])
    parser.add_argument("--coalesce", type=int, default=1)
    parser.add_argument("--million", action="store_true", help="1,000,000 connections as well")
    parser.add_argument("--idle-only", action="store_true", help="memory only")
    options = parser.parse_args()
    if options.seconds < SECONDS_MIN:
        parser.error(f"--seconds: at least {SECONDS_MIN}, or nothing is measured while they publish")
    counts = options.connections or [1000, 10000, 100000]
    if options.million:
        counts = [*counts, 1000000]
    print(f"input: 64 B of JSON per publish, MQTT 3.1.1, topic of 17 B, {options.coalesce} per segment, devices in turn from "
          f"200 addresses, {options.seconds} s each; at most 1024 QoS 1 messages unanswered; JSON envelope, discard sink, one worker")
    base = base_memory()
    small = [idle(n, base) for n in counts if n >= 10000]
    if options.idle_only:
        rig.finish(all(small))
    top, cpu_top = ceiling(2)
    print(f"memif receive ceiling {top / 1e6:.3f} M frames/s, {cpu_top / 1e6:.3f} M per CPU s")
    for qos in options.qos or [0, 1]:
        cost = {}
        for connections in counts:
            m = measure(qos, connections, options)
            show(m, cpu_top)
            # Busy time is wall time: on a machine that others use, what they took is left out.
            cost[connections] = m["busy"] * m["share"] / m["rate"] * 1e9 if m["rate"] else float("nan")
        print(f"QoS {qos} worker time per publish: "
              + ", ".join(f"{n}: {c:.0f} ns (x{c / cost[counts[0]]:.2f})" for n, c in cost.items()), flush=True)
    rig.finish(all(small))


if __name__ == "__main__":
    main()
