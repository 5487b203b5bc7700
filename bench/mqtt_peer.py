#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same QoS 1 load on mosquitto and on sluiced, one after the other: the same kernel client
(mqtt_publish) in a namespace, the same veth pair; its other end belongs to the kernel for mosquitto
and to AF_XDP for sluiced. Then the same number of connections and messages in flight on sluiced over
memif from sluice-gen, which mosquitto cannot use. Prints messages per second, CPU time of each
broker's process per message, the time from PUBLISH to PUBACK, and the ratio per core.

bench/mqtt_peer.py [--connections N] [--inflight K]... [--seconds S] [--no-steer] [--no-memif]
                                                                     (root; inside appliance/in-root)

Neither stores anything: mosquitto has no subscriber and no persistence, sluiced decodes, makes its
records and hands them to the discard sink. The CPU time of sluiced contains its polling, so where
the client is the limit the worker's busy time says more; both are printed.

On a veth, what a broker sends is received by the client's TCP within the broker's own system call. For
both brokers that work is steered (RPS) to the CPU of the client, whose it would be on a wire;
--no-steer leaves it where it falls."""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import types

import rig

TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = TOP / "build"
RUN = pathlib.Path("/run/sluice")
ADDRESS = "10.77.0.1"


def configuration(connections):
    import yaml
    lab = yaml.safe_load((TOP / "config" / "sluice.yaml").read_text())
    del lab["frame"], lab["profile_files"], lab["match"]
    lab["user"] = ""
    lab["listeners"] = [entry for entry in lab["listeners"] if entry["protocol"] == "mqtt"]
    lab["profiles"] = [entry for entry in lab["profiles"] if entry["name"] == "by-path"]
    lab["egress"] = {"sink": "discard"}
    lab["mqtt"] = {"connections": 2 * connections + 16}
    return yaml.safe_dump(lab)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(broker, options, inflight):
    client = subprocess.Popen(
        ["ip", "netns", "exec", "dev", "taskset", "-c", "0", str(BUILD / "bench" / "mqtt_publish"), ADDRESS,
         str(options.connections), str(inflight), str(options.seconds)], stdout=subprocess.PIPE, text=True)
    if "connected" not in client.stdout.readline():
        sys.exit("the client did not connect")
    before, threads = cpu_seconds(broker.pid), rig.thread_cpu(broker.pid)
    result = json.loads(client.stdout.readline())
    result["broker_cpu_s"] = cpu_seconds(broker.pid) - before
    result["worker_cpu_s"] = rig.worker_cpu(rig.thread_cpu(broker.pid)) - rig.worker_cpu(threads)
    if client.wait(60) != 0:
        sys.exit("the client did not get all its answers")
    return result


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(what)
        time.sleep(0.1)


def mosquitto(options, inflight):
    (RUN / "mosquitto.conf").write_text(f"listener 1883 {ADDRESS}\nallow_anonymous true\npersistence false\nlog_type none\n"
                                        "set_tcp_nodelay true\nuser root\n")
    subprocess.run(["ip", "addr", "add", f"{ADDRESS}/24", "dev", "slu0"], check=True)
    broker = subprocess.Popen(["taskset", "-c", "1", "/usr/sbin/mosquitto", "-c", str(RUN / "mosquitto.conf")],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        return load(broker, options, inflight)
    finally:
        broker.send_signal(signal.SIGTERM)
        broker.wait(10)
        subprocess.run(["ip", "addr", "del", f"{ADDRESS}/24", "dev", "slu0"], check=True)


def busy_ns():
    return json.loads((RUN / "status.json").read_text())["workers"][0]["busy_ns"]


def trouble(status):
    """What explains a run that stood still: segments sent again, frames that found no room."""
    tcp, worker = status["counters"]["tcp"], status["workers"][0]
    found = {name: n for name, n in tcp.items() if name.startswith(("rtx", "retrans", "timeout", "no-", "tx-no"))}
    found |= {name: n for name, n in status["counters"]["net"].items() if name != "tx"}
    found |= {f"dropped-{name}": n for name, n in status["frames"]["dropped"].items()}
    found |= {f"lost-{name}": n for port in status["lost_before_us"].values() for name, n in port.items()}
    found["tx-full"] = worker["tx_full"]
    return {name: n for name, n in found.items() if n}


def sluiced(options, inflight):
    (RUN / "sluice.yaml").write_text(configuration(options.connections))
    (RUN / "status.json").unlink(missing_ok=True)
    with open(RUN / "sluiced.log", "w", encoding="utf-8") as log:
        broker = subprocess.Popen([str(BUILD / "dataplane" / "sluiced"), "run", "--config", str(RUN / "sluice.yaml")],
                                  stdout=log, stderr=log)
    try:
        until(lambda: (RUN / "status.json").exists() or broker.poll() is not None, 40, "sluiced did not start")
        if broker.poll() is not None:
            sys.exit((RUN / "sluiced.log").read_text()[-2000:])
        time.sleep(1)
        before = busy_ns()
        result = load(broker, options, inflight)
        time.sleep(1.2)
        # Connecting and the answers after the end are in it: a few per cent too much.
        status = json.loads((RUN / "status.json").read_text())
        result["busy_s"] = (busy_ns() - before) / 1e9
        result["trouble"] = trouble(status)
    finally:
        broker.send_signal(signal.SIGTERM)
        code = broker.wait(30)
    if code != 0:
        sys.exit(f"sluiced ended with status {code}")
    return result


def show(name, r):
    client = r["client_cpu_s"] / r["seconds"]
    per = r["broker_cpu_s"] / r["answered"] * 1e6
    # The worker's polling is not work: busy time is what the messages took.
    busy = f", worker {r['worker_cpu_s'] / r['answered'] * 1e6:.2f}, worker busy {100 * r['busy_s'] / r['seconds']:.0f} % = {r['busy_s'] / r['answered'] * 1e6:.2f} us/message" if "busy_s" in r else ""
    limit = "  (the client is the limit)" if client > 0.9 else ""
    print(f"{name:<10} {r['answered_per_s'] / 1e3:7.1f} k messages/s  process CPU {100 * r['broker_cpu_s'] / r['seconds']:.0f} % of one core"
          f" = {per:.2f} us/message{busy}  PUBACK p50 {r['p50_us']} p99 {r['p99_us']} us  client CPU {100 * client:.0f} %{limit}", flush=True)
    return per


def steer():
    """What the client receives is the work of the client's CPU."""
    subprocess.run(["ip", "netns", "exec", "dev", "sh", "-c",
                    "echo 1 >/sys/class/net/sld0/queues/rx-0/rps_cpus"], check=True)


def over_memif(options, inflight):
    """sluiced alone, without a kernel in between."""
    os.environ["TMPDIR"] = str(RUN)
    import mqtt_memif
    import rig
    m = mqtt_memif.measure(1, options.connections, types.SimpleNamespace(coalesce=1, seconds=max(options.seconds, mqtt_memif.SECONDS_MIN)), inflight)
    mqtt_memif.show(m, mqtt_memif.ceiling(2)[1])
    if rig.unbalanced:
        sys.exit("the ledger does not balance")
    return m["busy"] * m["share"] / m["rate"] * 1e6


def compare(options, inflight):
    print(f"input: {options.connections} kernel TCP connections, {inflight} message(s) in flight each, 64 B of JSON, QoS 1, "
          f"{options.seconds} s; client on CPU 0, mosquitto on CPU 1, sluiced with its worker on CPU 1; nothing stored")
    theirs, ours = mosquitto(options, inflight), sluiced(options, inflight)
    a, b = show("mosquitto", theirs), show("sluiced", ours)
    if ours["trouble"]:
        print(f"           sluiced: {ours['trouble']}")
    print(f"veth: messages per CPU second of the process, sluiced / mosquitto: {a / b:.2f}"
          f"; by the worker's busy time: {a / (ours['busy_s'] / ours['answered'] * 1e6):.2f}", flush=True)
    if not options.no_memif:
        c = over_memif(options, inflight)
        print(f"memif: worker time {c:.2f} us/message; mosquitto on the veth / this: {a / c:.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--inflight", type=int, action="append")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--no-steer", action="store_true")
    parser.add_argument("--no-memif", action="store_true")
    options = parser.parse_args()
    rig.in_lab(__file__)
    if not options.no_steer:
        steer()
    for inflight in options.inflight or [10, 1]:
        compare(options, inflight)


if __name__ == "__main__":
    main()
