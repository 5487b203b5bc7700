#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The load of bench/memif.py from generators that are not ours, into the discard sink.

bench/foreign.py [--seconds S] [--devices N] [--traffic KIND]...      (root; inside appliance/in-root)

net_pcap      a capture that this script writes, read round and round by DPDK's net_pcap
              (infinite_rx) as sluiced's port. The device copies each frame on the worker's own CPU
              and never runs dry, so a rate per CPU second of the worker is its whole rate, whoever
              else uses the machine. The ceiling is a loop that only receives from the same device.
dpdk-testpmd  txonly over memif. It cannot be told a payload (zeros), so its frames are `raw`
              telemetry from one address; sluice-gen sends the same size for comparison.

CoAP is left out: a repeated capture repeats message ids, which are duplicates, and testpmd cannot
build it; answers would need an ARP responder as well."""

import argparse
import os
import pathlib
import struct
import subprocess
import tempfile
import time

import rig

PCAP_MAC = bytes.fromhex("027063617000")  # of the first net_pcap device
KINDS = list(rig.PORTS)
TESTPMD_PAYLOAD = 100


def cbor(v):
    def head(major, n):
        return bytes([major << 5 | n]) if n < 24 else bytes([major << 5 | 24, n])
    if isinstance(v, str):
        return head(3, len(v)) + v.encode()
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, float):
        return b"\xfb" + struct.pack(">d", v)
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(cbor, v))
    return head(5, len(v)) + b"".join(cbor(k) + cbor(x) for k, x in v.items())


def payload(kind, device):
    """One reading, of the same shape and size as sluice-gen's."""
    name, t, rssi = f"gen-{device:06}", 15 + device % 200 / 10, 40 + device % 50
    return {
        "line": f"climate,device={name} temperature={t:.2f},humidity=55.25,battery=3.61,rssi=-{rssi}i".encode(),
        "json": f'{{"device":"{name}","temperature":{t:.2f},"humidity":55.25,"battery":3.61,"rssi":-{rssi}}}'.encode(),
        "senml-json": f'[{{"bn":"{name}/","n":"temperature","u":"Cel","v":{t:.2f}}},'
                      f'{{"n":"humidity","u":"%RH","v":55.25}}]'.encode(),
        "senml-cbor": cbor([{-2: name + "/", 0: "temperature", 1: "Cel", 2: t}, {0: "humidity", 1: "%RH", 2: 55.25}]),
        "cbor": cbor({"device": name, "temperature": t, "humidity": 55.25, "battery": 3.61}),
        "raw": bytes([0x5a]) * 100,
    }[kind]


def ones_sum(b):
    b += b"\0" * (len(b) % 2)
    n = sum(struct.unpack(f">{len(b) // 2}H", b))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return n


def frame(kind, device):
    body = payload(kind, device)
    source = bytes([10, 88, 1 + device % 16, 1 + device % 250])
    target = bytes(map(int, rig.TARGET.split(".")))
    udp = struct.pack(">HHHH", 40000, rig.PORTS[kind], 8 + len(body), 0)
    checksum = 0xffff ^ ones_sum(source + target + struct.pack(">HH", 17, len(udp) + len(body)) + udp + body)
    udp = udp[:6] + struct.pack(">H", checksum or 0xffff)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(body), 0, 0x4000, 64, 17, 0) + source + target
    ip = ip[:10] + struct.pack(">H", 0xffff ^ ones_sum(ip)) + ip[12:]
    return PCAP_MAC + bytes.fromhex("0253ffffff01") + b"\x08\x00" + ip + udp + body


def capture(path, kind, devices):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for device in range(devices):
            b = frame(kind, device)
            f.write(struct.pack("<IIII", 1700000000, device, len(b), len(b)) + b)


def pcap_ceiling(device, seconds):
    got = rig.generate(device, "--receive", "--seconds", str(seconds))
    return got["received"] / got["cpu_seconds"]


def pcap_records(run, device, seconds):
    """Accepted records, and records shed, per CPU second of the worker."""
    with rig.Sluiced(run, rig.configuration(run, device)) as s:
        before, threads = s.next_status()
        time.sleep(seconds)
        after, threads_after = s.next_status()
    cpu = rig.worker_cpu(threads_after) - rig.worker_cpu(threads)
    udp = [x["transports"]["udp"] for x in (before, after)]
    accepted = udp[1]["records"]["accepted"] - udp[0]["records"]["accepted"]
    shed = sum(udp[1]["messages"]["shed"].values()) - sum(udp[0]["messages"]["shed"].values())
    return accepted / cpu, shed / cpu, rig.ledger(s)


def net_pcap(kinds, seconds, devices):
    for kind in kinds:
        with tempfile.TemporaryDirectory() as run:
            path = pathlib.Path(run, "load.pcap")
            capture(path, kind, devices)
            device = f"net_pcap0,rx_pcap={path},infinite_rx=1"
            top = pcap_ceiling(device, seconds)
            accepted, shed, ledger = pcap_records(run, device, seconds)
        print(f"net_pcap {kind:<11} {len(payload(kind, 0)):3} B  {accepted / 1e6:6.3f} M records/CPU s of the worker"
              f"  ceiling {top / 1e6:6.3f} M frames/CPU s  {100 * accepted / top:5.1f} %"
              f"  shed {shed / (accepted + shed):6.1%}  {ledger}", flush=True)


def testpmd(run, seconds):
    frame_bytes = 14 + 28 + TESTPMD_PAYLOAD
    command = ["dpdk-testpmd", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "256", "--lcores=0@0,1@0",
               f"--file-prefix=pmd{os.getpid()}", "--log-level=*:error", f"--vdev={rig.memif(run, 'client')}", "--",
               "--forward-mode=txonly", f"--txpkts={frame_bytes}", f"--tx-ip=10.88.0.2,{rig.TARGET}",
               f"--tx-udp=40000,{rig.PORTS['raw']}", f"--eth-peer=0,{rig.MEMIF_MAC}", "--total-num-mbufs=16384",
               "--no-flush-rx", "--auto-start", "--stats-period=1"]
    pmd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    pmd.terminate()
    try:
        pmd.wait(20)
    except subprocess.TimeoutExpired:
        pmd.kill()
        pmd.wait()


def memif_records(send, seconds):
    """Accepted records per CPU second of the worker while `send` sends over memif."""
    with tempfile.TemporaryDirectory() as run:
        with rig.Sluiced(run, rig.configuration(run, rig.memif(run, "server", rig.MEMIF_MAC), polling="adaptive")) as s:
            threads = s.threads()
            send(run)
            cpu = rig.worker_cpu(s.threads()) - rig.worker_cpu(threads)
        return s.after["transports"]["udp"]["records"]["accepted"] / cpu, rig.ledger(s)


def memif_senders(seconds):
    def ours(run):
        rig.generate(rig.memif(run, "client"), "--traffic", "raw", "--target", rig.TARGET, "--devices", "1",
                     "--payload", str(TESTPMD_PAYLOAD), "--seconds", str(seconds))
    rates = {}
    for name, send in (("sluice-gen", ours), ("dpdk-testpmd", lambda run: testpmd(run, seconds + 3))):
        rates[name], ledger = memif_records(send, seconds)
        print(f"memif raw, {name:<12} {rates[name] / 1e6:6.3f} M records/CPU s of the worker"
              f"  {ledger}", flush=True)
    print(f"dpdk-testpmd against sluice-gen {rates['dpdk-testpmd'] / rates['sluice-gen']:.2f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--traffic", action="append", choices=KINDS)
    options = parser.parse_args()
    print(f"input: {options.devices} devices, one reading per frame, at least {options.seconds} s per line; "
          "JSON envelope, discard sink, one worker")
    net_pcap(options.traffic or KINDS, options.seconds, options.devices)
    memif_senders(options.seconds)
    rig.finish()


main()
