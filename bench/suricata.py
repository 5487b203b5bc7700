#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packets per CPU second of sluiced and of Suricata on the same captures with the same patterns.

    SLUICE_SET=bench appliance/in-root bench/suricata.py [--signatures 10,100,1000] [--publishes N]

Both read the same MQTT capture (one PUBLISH of about 100 bytes of JSON per segment, each
acknowledged by TCP) from a file, in one packet thread, and look for the same literals in the payload
of every publish; the last one has one of them, and both must say so. Suricata runs its MQTT parser and Hyperscan (mpm-algo hs, runmode
single, no other output than the alerts); sluiced decodes, authorizes, matches, routes, encodes and
hands batches to the discard sink. Start-up and compilation do not count: each program reads a short
and a long capture, and what counts is the difference in packets over the difference in CPU seconds
of all its threads. The order alternates, the median of the rounds is printed."""

import argparse
import json
import os
import pathlib
import random
import resource
import statistics
import struct
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
SLUICED = TOP / "build" / "dataplane" / "sluiced"
CONNECTIONS = 200


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Capture:
    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        self.packets = 0
        self.us = 1_763_712_000_000_000

    def add(self, client, port, to_server, seq, ack, flags, payload=b""):
        server = bytes([10, 77, 0, 1])
        src, dst = (client, server) if to_server else (server, client)
        ports = (port, 1883) if to_server else (1883, port)
        tcp = struct.pack("!HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65000, 0, 0)
        pseudo = src + dst + struct.pack("!BBH", 0, 6, len(tcp) + len(payload))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp + payload)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + len(payload), 0, 0x4000, 64, 6, 0, src, dst)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        macs = (b"\x02\0\0\0\0\1\x02\0\0\0\0\2" if to_server else b"\x02\0\0\0\0\2\x02\0\0\0\0\1") + b"\x08\0"
        frame = macs + ip + tcp + payload
        self.us += 20
        self.file.write(struct.pack("<IIII", self.us // 1_000_000, self.us % 1_000_000, len(frame), len(frame)) + frame)
        self.packets += 1


def mqtt(kind, body):
    length, head = len(body), bytearray([kind])
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (128 if length else 0))
        if not length:
            return bytes(head) + body


def capture(path, publishes):
    c = Capture(path)
    clients = []
    for n in range(CONNECTIONS):
        address, port, name = bytes([10, 77, n // 200 + 1, n % 200 + 1]), 20000 + n, b"dev-%d" % n
        hello = mqtt(0x10, b"\0\4MQTT\4\2\0\x3c" + struct.pack("!H", len(name)) + name)
        c.add(address, port, True, 1000, 0, 0x02)
        c.add(address, port, False, 5000, 1001, 0x12)
        c.add(address, port, True, 1001, 5001, 0x10)
        c.add(address, port, True, 1001, 5001, 0x18, hello)
        c.add(address, port, False, 5001, 1001 + len(hello), 0x18, b"\x20\2\0\0")
        clients.append([address, port, 1001 + len(hello), 5005, name])
    for i in range(publishes):
        k = clients[i % CONNECTIONS]
        topic = b"t/" + k[4] + b"/env"
        body = b'{"time":%d,"temp":21.%02d,"humidity":4%d.5,"battery":3.%02d,"status":"ok","seq":%d}' % (
            1763712000000 + i, i % 100, i % 10, i % 100, i)
        if i == publishes - 1:
            body = body[:-1] + b',"word":"%s"}' % literals(1)[0].encode()
        packet = mqtt(0x30, struct.pack("!H", len(topic)) + topic + body)
        c.add(k[0], k[1], True, k[2], k[3], 0x18, packet)
        k[2] += len(packet)
        c.add(k[0], k[1], False, k[3], k[2], 0x10)
    c.file.close()
    return c.packets


def literals(n):
    r = random.Random(4711)
    return ["".join(r.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=12)) for _ in range(n)]


def write_rules(directory, words):
    (directory / "sluice.yaml.rules").write_text("signatures:\n" + "".join(
        f"  - {{id: {i + 1}, name: w{i}, expression: '{w}', severity: high, action: quarantine, match: '{w}'}}\n"
        for i, w in enumerate(words)))
    (directory / "suricata.rules").write_text("".join(
        f'alert mqtt any any -> any any (msg:"w{i}"; mqtt.publish.message; content:"{w}"; sid:{i + 1}; rev:1;)\n'
        for i, w in enumerate(words)))


def configurations(directory):
    import yaml
    lab = yaml.safe_load((TOP / "config" / "sluice.yaml").read_text())
    lab = {k: v for k, v in lab.items() if k not in ("frame", "match", "profile_files")}
    lab.update(user="", run_dir=str(directory), state_dir=str(directory / "state"))
    lab["listeners"] = [x for x in lab["listeners"] if x["protocol"] == "mqtt"]
    lab["egress"] = {"sink": "discard"}
    (directory / "state").mkdir()
    (directory / "sluice.yaml").write_text(yaml.safe_dump(lab))
    (directory / "suricata.yaml").write_text(f"""%YAML 1.1
---
vars: {{address-groups: {{HOME_NET: any, EXTERNAL_NET: any}}}}
default-log-dir: {directory}
stats: {{enabled: no}}
outputs: [{{fast: {{enabled: yes, filename: fast.log}}}}]
logging: {{default-log-level: notice, outputs: [{{console: {{enabled: yes}}}}]}}
app-layer: {{protocols: {{mqtt: {{enabled: yes}}}}}}
mpm-algo: hs
spm-algo: hs
runmode: single
stream: {{midstream: false, checksum-validation: yes, reassembly: {{depth: 0, toserver-chunk-size: 2560}}}}
""")


def cpu_of(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {run.returncode}\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, run.stdout


def proof(name, directory, said):
    """The word in the last publish was found, once."""
    if name == "sluiced":
        found = sum(h["hits"] for h in json.loads(said)["hits"])
    else:
        found = len((directory / "fast.log").read_text().splitlines())
    if found != 1:
        sys.exit(f"{name} found {found} words, not 1")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signatures", default="10,100,1000")
    parser.add_argument("--publishes", type=int, default=200000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="suricata-"))
    configurations(directory)
    short, long = directory / "short.pcap", directory / "long.pcap"
    packets = -capture(short, options.publishes // 10) + capture(long, options.publishes)
    for n in map(int, options.signatures.split(",")):
        write_rules(directory, literals(n))
        commands = {
            "sluiced": lambda f: [SLUICED, "signatures", "--config", directory / "sluice.yaml",
                                  "--set", directory / "sluice.yaml.rules", f],
            "suricata": lambda f: ["suricata", "-c", directory / "suricata.yaml", "-S", directory / "suricata.rules",
                                   "-r", f, "-l", directory, "--runmode", "single"],
        }
        (directory / "fast.log").unlink(missing_ok=True)  # appended to by every run
        for name, command in commands.items():  # also fills sluiced's cache of compiled signatures
            proof(name, directory, cpu_of(command(short))[1])
        seconds = {name: [] for name in commands}
        for round_ in range(options.rounds):
            for name in sorted(commands, reverse=round_ % 2 == 1):
                few, _ = cpu_of(commands[name](short))
                many, _ = cpu_of(commands[name](long))
                seconds[name].append(many - few)
        rate = {name: packets / statistics.median(s) for name, s in seconds.items()}
        print(json.dumps({"what": "packets-per-cpu-second", "signatures": n, "packets": packets,
                          "sluiced": round(rate["sluiced"]), "suricata": round(rate["suricata"]),
                          "times": round(rate["sluiced"] / rate["suricata"], 2),
                          "cpu_seconds": {k: [round(x, 3) for x in v] for k, v in seconds.items()}}), flush=True)
    subprocess.run(["rm", "-rf", str(directory)], check=True)


if __name__ == "__main__":
    os.chdir(TOP)
    main()
