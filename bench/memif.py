#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records per second of one worker core, from sluice-gen over memif into the discard sink, against
what a bare DPDK receive loop takes from the same generator over memif in the same run.

bench/memif.py [--seconds S] [--devices N] [--traffic KIND]...      (root; inside appliance/in-root)

Prints the input, one line per kind of traffic, and the ratio to the ceiling. The worker has a core
of its own; the generator shares the other with sluiced's housekeeping and egress threads, so where
`worker busy` is well below 100 % the generator is the limit, and the line says so."""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = TOP / "build"
KINDS = ["line", "json", "senml-json", "senml-cbor", "cbor", "raw", "coap-non", "coap-con"]
PORTS = {"line": 8094, "json": 8095, "senml-json": 8097, "senml-cbor": 8098, "cbor": 8099, "raw": 8100}


def configuration(run):
    import yaml
    lab = yaml.safe_load((TOP / "config" / "sluice.yaml").read_text())
    profile = {"line": "line", "raw": "by-address"}
    return yaml.safe_dump({
        "appliance": "bench", "lab": True, "run_dir": str(run), "state_dir": f"{run}/state", "user": "",
        "dataplane": {"workers": 1, "memory": "1536MiB", "polling": "busy", "mbufs": 32768},
        "ports": [{"name": "memif", "devices": [f"net_memif0,role=server,id=0,socket={run}/memif.sock,socket-abstract=no,rsize=11"],
                   "interfaces": [{"addresses": ["10.88.0.1/16"]}]}],
        "listeners": [{"name": "coap", "protocol": "coap", "port": 5683, "profile": "by-path", "auth": "none", "unknown": "accept"}]
        + [{"name": kind, "protocol": "udp", "port": port, "format": kind, "profile": profile.get(kind, "by-field"),
            "trust": ["10.88.0.0/16"], "unknown": "accept"} for kind, port in PORTS.items()],
        "profiles": [p for p in lab["profiles"] if p["name"] in ("by-path", "line", "by-field")]
        + [{"name": "by-address", "device": {"from": "address"}, "route": "telemetry"}],
        "topics": [{"name": "telemetry", "partitions": 8}, {"name": "dead-letter", "partitions": 1}],
        "routes": [{"name": "telemetry", "topic": "telemetry", "ack": "kafka", "encoding": "json"}],
        "coap": {"exchanges": 2000000},
        "egress": {"sink": "discard"},
        "kafka": {"brokers": "embedded", "dead_letter_topic": "dead-letter", "accept_weak_topic": True},
    })


def generator(run, role, *options):
    return [str(BUILD / "bench" / "sluice-gen"), "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "256",
            "--lcores=0@0", f"--file-prefix=gen{os.getpid()}{role}", "--log-level=*:error",
            f"--vdev=net_memif0,role={role},id=0,socket={run}/memif.sock,socket-abstract=no,rsize=11", "--", *options]


def last_json(text):
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


def ceiling(seconds):
    """A generator into a loop that does nothing but receive, on the worker's core."""
    with tempfile.TemporaryDirectory() as run:
        receiver = generator(run, "server", "--receive", "--seconds", str(seconds + 6))
        receiver[receiver.index("--lcores=0@0")] = "--lcores=0@1"
        counting = subprocess.Popen(receiver, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        time.sleep(2)
        # Nobody answers ARP here: the sender is told to receive-wait for the link only.
        sending = subprocess.run(
            generator(run, "client", "--traffic", "json", "--target", "10.88.0.1", "--blind", "--seconds", str(seconds)),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=seconds + 60, check=True)
        out, _ = counting.communicate(timeout=60)
    return last_json(out)["received"] / last_json(sending.stdout)["seconds"]


def read_status(run):
    return json.loads(pathlib.Path(run, "status.json").read_text())


def measure(kind, seconds, devices):
    with tempfile.TemporaryDirectory() as run:
        pathlib.Path(run, "sluice.yaml").write_text(configuration(run))
        log = open(pathlib.Path(run, "log"), "w+", encoding="utf-8")
        daemon = subprocess.Popen([str(BUILD / "dataplane" / "sluiced"), "run", "--config", f"{run}/sluice.yaml"],
                                  stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while not pathlib.Path(run, "status.json").exists():
                if daemon.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    sys.exit(f"sluiced did not start: {log.read()[-2000:]}")
                time.sleep(0.1)
            before = read_status(run)
            sent = last_json(subprocess.run(
                generator(run, "client", "--traffic", kind, "--target", "10.88.0.1", "--devices", str(devices), "--seconds", str(seconds)),
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=seconds + 60, check=True).stdout)
            time.sleep(1.1)
        finally:
            daemon.send_signal(signal.SIGTERM)
            code = daemon.wait(30)
        after = read_status(run)
    transport = "coap" if kind.startswith("coap") else "udp"
    t = after["transports"][transport]
    busy = (after["workers"][0]["busy_ns"] - before["workers"][0]["busy_ns"]) / 1e9 / seconds
    return {"kind": kind, "records_per_s": t["records"]["accepted"] / seconds, "delivered": t["records"]["delivered"],
            "shed": sum(t["messages"]["shed"].values()), "refused": t["messages"]["refused"],
            "frames_per_s": after["frames"]["rx"] / seconds, "busy": min(busy, 1.0), "balanced": after["balanced"] and code == 0,
            "missed": after["lost_before_us"]["memif"]["missed"], "generator": sent}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--traffic", action="append", choices=KINDS)
    options = parser.parse_args()
    print(f"input: {options.devices} devices, one reading of four fields per frame, about 100 payload bytes, "
          f"{options.seconds} s per kind; JSON envelope, discard sink, one worker")
    top = ceiling(options.seconds)
    print(f"{'memif receive ceiling':<22} {top / 1e6:8.3f} M frames/s")
    for kind in options.traffic or KINDS:
        m = measure(kind, options.seconds, options.devices)
        extra = f"  p50 {m['generator']['p50_us']} us p99 {m['generator']['p99_us']} us" if "p50_us" in m["generator"] else ""
        shed = f"  shed {m['shed']}" if m["shed"] else ""
        print(f"{kind:<22} {m['records_per_s'] / 1e6:8.3f} M records/s  {100 * m['records_per_s'] / top:5.1f} % of ceiling"
              f"  worker busy {100 * m['busy']:3.0f} %  ledger {'balanced' if m['balanced'] else 'NOT BALANCED'}{shed}{extra}",
              flush=True)


main()
