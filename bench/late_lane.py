#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does a device that returns after three days make the others wait? Devices that are always there
send CoAP requests at a steady pace; meanwhile others return, one after the other, each with 10,000
readings over MQTT at QoS 1, as fast as the answers come. Prints p50, p99 and p99.9 of the time from
a live request to its acknowledgement in each part of the same run, and their ratios:

  quiet    nobody else sends
  late     a device returns: its readings are three days old, and take the late lane
  present  the same device and the same readings, of now: what the lane is worth, and what is merely
           load on the machine

bench/late_lane.py [--rounds N] [--pack N]... [--window N] [--devices N] [--readings N] [--rate PPS]
                   [--quiet SECONDS] [--discard]
                                                             (root; inside appliance/in-root)

--pack: readings per message. --devices: that return in one part, one after the other. A part lasts until
they have been acknowledged, and a second (--quiet) at least, as the quiet ones do. The parts follow each other in turn, as often as there are rounds. The
time is taken from just before sendto() to the kernel's receive time stamp of the answer. Acknowledged
means that Kafka has it: the embedded one here, on the same CPU as the clients and sluiced's other
threads; the worker has the other. --discard leaves Kafka out. Unless every
reading was delivered and counted as what it is, the exit status is 1; that it comes once, in order and
without an alert is for tests/unit/pipelines/test_alert.c to say."""

import argparse
import collections
import json
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import rig

TOP = pathlib.Path(__file__).resolve().parents[1]
SLUICED = str(TOP / "build" / "dataplane" / "sluiced")
RUN = pathlib.Path("/run/sluice")
ADDRESS = "10.77.0.1"
DAYS_MS = 3 * 86400 * 1000
LIVE = 50 # devices
SO_TIMESTAMPNS = 35
PARTS = ("quiet", "late", "present")


def configuration(options):
    import yaml
    lab = yaml.safe_load((TOP / "config" / "sluice.yaml").read_text())
    del lab["frame"], lab["match"]
    lab["user"] = ""
    lab["dataplane"].update(polling="busy", workers=1)
    lab["listeners"] = [entry for entry in lab["listeners"] if entry["protocol"] in ("mqtt", "coap")]
    lab["profile_files"] = []
    lab["profiles"] = [entry for entry in lab["profiles"] if entry["name"] == "by-path"]
    # What would alarm if it were taken for news.
    lab["profiles"][0]["fields"] = [{"name": "temperature", "type": "number", "rate": 1,
                                     "alert": {"above": {"raise": 85, "clear": 80}}}]
    if options.discard:
        lab["egress"] = {"sink": "discard"}
    return yaml.safe_dump(lab)


# --- live devices: one thread sends at the pace, this one takes the answers

def request(mid, device, payload):
    """A confirmable POST to /t/live-N/env, whose token is its number."""
    name = f"live-{device}".encode()
    return (struct.pack("!BBHI", 0x44, 2, mid & 0xFFFF, mid) + b"\xb1t" + bytes([len(name)]) + name + b"\x03env"
            + b"\x11\x32\xff" + payload)


class Live:
    def __init__(self, rate):
        self.rate, self.part, self.ended = rate, "quiet", False
        self.sent, self.times = {}, collections.defaultdict(list)
        self.lost = 0
        self.sockets = []
        for _ in range(LIVE):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            s.connect((ADDRESS, 5683))
            self.sockets.append(s)
        self.threads = [threading.Thread(target=self.send), threading.Thread(target=self.receive)]

    def send(self):
        begin, n = time.monotonic(), 0
        while not self.ended:
            n += 1
            payload = b'{"temperature":21.4,"time":%d,"seq":%d}' % (time.time_ns() // 1000000, n)
            raw = request(n, n % LIVE, payload)
            wait = begin + n / self.rate - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self.sent[n] = (self.part, time.time_ns())
            try:
                self.sockets[n % LIVE].send(raw)
            except OSError:
                del self.sent[n]

    def receive(self):
        poll = select.epoll()
        by_fd = {s.fileno(): s for s in self.sockets}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        while not self.ended or (self.sent and time.monotonic() < self.ended + 5):
            for fd, _ in poll.poll(0.1):
                raw, extra, _, _ = by_fd[fd].recvmsg(2048, 64)
                at = next(struct.unpack("qq", data) for level, kind, data in extra if kind == SO_TIMESTAMPNS)
                self.answer(by_fd[fd], raw, at[0] * 1000000000 + at[1])
        self.lost = len(self.sent)

    def answer(self, s, raw, at_ns):
        if raw[0] >> 4 & 3 == 0: # a response of its own
            s.send(bytes([0x60, 0]) + raw[2:4])
        if raw[1] == 0 or len(raw) < 8:
            return # only an acknowledgement: the response follows
        if raw[1] != 0x44:
            raise RuntimeError(f"a live device was told {raw[1] >> 5}.{raw[1] & 31:02}")
        found = self.sent.pop(struct.unpack("!I", raw[4:8])[0], None)
        if found:
            self.times[found[0]].append((at_ns - found[1]) / 1000)

    def start(self):
        for t in self.threads:
            t.start()

    def stop(self):
        self.ended = time.monotonic()
        for t in self.threads:
            t.join(20)


# --- devices that return, in a process of their own: sent as fast as the answers come

def packets_of(name, age_ms, readings, pack):
    now_ms = time.time_ns() // 1000000
    topic = f"t/{name}/env".encode()

    def publish(first):
        # One in seven is hot, and they jump: news of that kind would be an alert and a finding.
        rows = [b'{"temperature":%d,"time":%d,"seq":%d}' % (99 if n % 7 == 0 else 20, now_ms - age_ms - readings + n, n)
                for n in range(first, min(first + pack, readings))]
        body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", first // pack % 65535 + 1) + b"[" + b",".join(rows) + b"]"
        length, size = b"", len(body)
        while size or not length:
            length += bytes([size % 128 | (0x80 if size > 127 else 0)])
            size //= 128
        return b"\x32" + length + body

    return [publish(first) for first in range(0, readings, pack)]


def connected(name):
    client = name.encode()
    s = socket.create_connection((ADDRESS, 1883))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    hello = b"\x00\x04MQTT\x04\x02\x00\x3c" + struct.pack("!H", len(client)) + client
    s.sendall(b"\x10" + bytes([len(hello)]) + hello)
    if s.recv(4, socket.MSG_WAITALL) != b"\x20\x02\x00\x00":
        sys.exit("no CONNACK")
    return s


def unload(s, packets, window):
    sent = acked = 0
    while acked < len(packets):
        if sent < len(packets) and sent - acked < window:
            more = min(window - (sent - acked), len(packets) - sent)
            s.sendall(b"".join(packets[sent:sent + more]))
            sent += more
        acked += len(s.recv(4096)) // 4


def returned(name, devices, age_ms, readings, pack, window):
    all_packets = [packets_of(f"{name}-{n}", age_ms, readings, pack) for n in range(devices)]
    sockets = [connected(f"{name}-{n}") for n in range(devices)]
    print("connected", flush=True)
    sys.stdin.readline() # until told to
    begin = time.monotonic()
    for s, packets in zip(sockets, all_packets):
        unload(s, packets, window)
    print(json.dumps({"seconds": time.monotonic() - begin}), flush=True)
    for s in sockets:
        s.sendall(b"\xe0\x00")
        s.close()


def quantile(times, q):
    return sorted(times)[min(len(times) - 1, int(q * len(times)))]


def show(live, bursts):
    for part in PARTS:
        t = live.times[part]
        print(f"  {part:<8} {len(t):6} requests  p50 {quantile(t, 0.5):7.0f} us  p99 {quantile(t, 0.99):7.0f} us"
              f"  p99.9 {quantile(t, 0.999):7.0f} us" + (f"   bursts of {min(bursts[part]):.2f} to {max(bursts[part]):.2f} s" if bursts[part] else ""))
    quiet = live.times["quiet"]
    for part in PARTS[1:]:
        print(f"  {part} / quiet: " + "  ".join(f"{label} {quantile(live.times[part], q) / quantile(quiet, q):.2f}"
                                                for label, q in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))), flush=True)


def client(*arguments):
    return subprocess.Popen([sys.executable, __file__, *arguments], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def rounds(options, pack, live, readings):
    bursts = collections.defaultdict(list)
    for n in range(options.rounds * (1 if pack == 1 else 2)): # packed ones are soon told: more of them
        for part, age in (("late", DAYS_MS), ("present", 0)) if n % 2 == 0 else (("present", 0), ("late", DAYS_MS)):
            name = f"{part}-{pack}-{n}"
            c = client("--returned", name, str(options.devices), str(age), str(options.readings), str(pack), str(options.window))
            if "connected" not in c.stdout.readline():
                sys.exit("a device could not connect")
            time.sleep(0.3) # it made its packets: let that pass
            live.part = "quiet"
            time.sleep(options.quiet)
            live.part = part
            c.stdin.write("\n")
            c.stdin.flush()
            begin = time.monotonic()
            bursts[part].append(json.loads(c.stdout.readline())["seconds"])
            time.sleep(max(0, options.quiet - (time.monotonic() - begin)))
            live.part = "between"
            c.wait(10)
            readings[part] += options.devices * options.readings
    return bursts


def measure(options, pack, readings):
    live = Live(options.rate)
    live.start()
    live.part = "between"
    time.sleep(1)
    try:
        bursts = rounds(options, pack, live, readings)
    finally:
        live.stop()
    print(f"{pack} reading(s) per message:")
    show(live, bursts)
    if live.lost:
        print(f"  {live.lost} live requests without an answer")
    return live.lost == 0


def trouble(status, readings):
    """What of the late readings did not go as it should, by sluiced's own count."""
    mqtt, findings = status["transports"]["mqtt"], status["findings"]
    wrong = [] if status["balanced"] else ["the ledger does not balance"]
    if mqtt["records"]["delivered"] != readings["late"] + readings["present"]:
        wrong.append(f"{mqtt['records']['delivered']} records delivered")
    if findings.get("late", 0) != readings["late"]:
        wrong.append(f"findings {findings}")
    return wrong


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(what)
        time.sleep(0.1)


def run(options):
    (RUN / "sluice.yaml").write_text(configuration(options))
    processes = []
    with open(RUN / "log", "w", encoding="utf-8") as log:
        def start(*command):
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
            return processes[-1]

        try:
            start(SLUICED, "embedded-kafka", "--topics", "telemetry:4,dead-letter:1,alerts:1", "--run-dir", str(RUN))
            until(lambda: (RUN / "kafka").exists() and (RUN / "kafka").read_text(), 15, "the embedded Kafka did not start")
            daemon = start(SLUICED, "run", "--config", str(RUN / "sluice.yaml"))
            until(lambda: (RUN / "status.json").exists() or daemon.poll() is not None, 40, "sluiced did not start")
            if daemon.poll() is not None:
                sys.exit((RUN / "log").read_text()[-2000:])
            readings = inside(options)
            daemon.send_signal(signal.SIGTERM)
            if daemon.wait(30) != 0:
                sys.exit(f"sluiced ended with status {daemon.returncode}")
            wrong = trouble(json.loads((RUN / "status.json").read_text()), readings)
            print(f"{readings['late']} late readings, {readings['present']} of now: "
                  + ("; ".join(wrong) or "each delivered, and counted as what it is"), flush=True)
            if wrong:
                sys.exit(1)
        finally:
            for process in reversed(processes):
                if process.poll() is None:
                    process.terminate()
                    process.wait(20)


def inside(options):
    """The clients, in the namespace of the devices. How many readings they sent."""
    asked = subprocess.Popen(["ip", "netns", "exec", "dev", sys.executable, __file__, "--clients", *sys.argv[1:]],
                             stdout=subprocess.PIPE, text=True)
    readings = {}
    for line in asked.stdout:
        if line.startswith("{"):
            readings = json.loads(line)
        else:
            print(line, end="", flush=True)
    if asked.wait(20) != 0:
        sys.exit(1)
    return readings


def clients(options):
    print(f"input: {LIVE} live devices, {options.rate} CoAP requests/s in all; devices that return with {options.readings} readings, "
          f"{options.window} messages in flight, {options.devices} at a time, {options.rounds} times of each kind, twice as often packed; "
          f"{'nothing stored' if options.discard else 'embedded Kafka'}; one worker")
    readings = dict.fromkeys(PARTS, 0)
    if not all([measure(options, pack, readings) for pack in options.pack or [1, 100]]):
        sys.exit(1)
    print(json.dumps(readings))


def main():
    if sys.argv[1:2] == ["--returned"]:
        returned(sys.argv[2], *map(int, sys.argv[3:]))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--pack", type=int, action="append")
    parser.add_argument("--window", type=int, default=32)
    parser.add_argument("--readings", type=int, default=10000)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--quiet", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--discard", action="store_true")
    parser.add_argument("--clients", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.clients:
        clients(options)
    else:
        rig.in_lab(__file__)
        run(options)


if __name__ == "__main__":
    main()
