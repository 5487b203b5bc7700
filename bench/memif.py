#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records per second of one worker core, from sluice-gen over memif into the discard sink, against
what a bare DPDK receive loop takes from the same generator over memif in the same run.

bench/memif.py [--seconds S] [--devices N] [--traffic KIND]...      (root; inside appliance/in-root)

Prints the input, one line per kind of traffic, and the ratio to the ceiling, both per CPU second of the
thread that receives. Both sleep when nothing comes. The worker has a core of its own; the generator
shares the other with sluiced's housekeeping and egress threads, so where `worker busy` is well below
100 % the generator is the limit. Busy time passes while others have the CPU, CPU time does not."""

import argparse
import subprocess
import tempfile
import time

import rig

KINDS = [*rig.PORTS, "raw-original", "frame", "coap-non", "coap-con"]
LEDGER = {"frame": "frame", "coap-non": "coap", "coap-con": "coap"}  # the others are UDP


def ceiling(seconds):
    """A generator into a loop that does nothing but receive, on the worker's core: frames per second, and
    per CPU second of the loop."""
    with tempfile.TemporaryDirectory() as run:
        receiver = rig.generator(rig.memif(run, "server"), "server", "--receive", "--seconds", str(seconds + 6), cpu=1)
        counting = subprocess.Popen(receiver, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        time.sleep(2)
        # Nobody answers ARP here: the sender waits for the link only.
        sending = rig.generate(rig.memif(run, "client"), "--traffic", "json", "--target", rig.TARGET, "--blind",
                               "--seconds", str(seconds), bound=seconds + 60)
        out, _ = counting.communicate(timeout=60)
        rig.senders_end()
    got = rig.last_json(out)
    return got["received"] / sending["seconds"], got["received"] / got["cpu_seconds"]


def measure(kind, seconds, devices):
    with tempfile.TemporaryDirectory() as run:
        text = rig.configuration(run, rig.memif(run, "server"), polling="adaptive", devices=devices if kind == "frame" else 0,
                                 encoding="original" if kind == "raw-original" else "json")
        with rig.Sluiced(run, text) as s:
            before, threads = s.status(), s.threads()
            sent = rig.generate(rig.memif(run, "client"), "--traffic", kind.removesuffix("-original"), "--target", rig.TARGET,
                                "--devices", str(devices), "--seconds", str(seconds), bound=seconds + 60)
            cpu = rig.worker_cpu(s.threads()) - rig.worker_cpu(threads)
            time.sleep(1.1)
        t = s.after["transports"][LEDGER.get(kind, "udp")]
        busy = (s.after["workers"][0]["busy_ns"] - before["workers"][0]["busy_ns"]) / 1e9 / seconds
        accepted = t["records"]["accepted"]
        return {"rate": accepted / seconds, "cpu_rate": accepted / cpu, "shed": sum(t["messages"]["shed"].values()),
                "busy": min(busy, 1.0), "ledger": rig.ledger(s), "generator": sent}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--traffic", action="append", choices=KINDS)
    options = parser.parse_args()
    print(f"input: {options.devices} devices, one reading of four fields per frame, about 100 payload bytes, "
          f"{options.seconds} s per kind; JSON envelope, discard sink, one worker")
    top, cpu_top = ceiling(options.seconds)
    print(f"{'memif receive ceiling':<22} {top / 1e6:8.3f} M frames/s   {cpu_top / 1e6:8.3f} M per CPU s")
    for kind in options.traffic or KINDS:
        m = measure(kind, options.seconds, options.devices)
        extra = f"  p50 {m['generator']['p50_us']} us p99 {m['generator']['p99_us']} us" if "p50_us" in m["generator"] else ""
        shed = f"  shed {m['shed']}" if m["shed"] else ""
        print(f"{kind:<22} {m['rate'] / 1e6:8.3f} M records/s  {m['cpu_rate'] / 1e6:8.3f} M per CPU s of the worker"
              f"  {100 * m['cpu_rate'] / cpu_top:5.1f} % of ceiling  worker busy {100 * m['busy']:3.0f} %"
              f"  {m['ledger']}{shed}{extra}", flush=True)
    rig.finish()


if __name__ == "__main__":
    main()
