# SPDX-License-Identifier: Apache-2.0
"""What the benches of the whole data path share: a configuration with one worker on one DPDK device,
sluiced around a measurement, sluice-gen, and the CPU time of each thread.

CPU time is what the kernel says a thread has run, so that rates per CPU second hold on a machine
that others use too. A thread that polls an empty queue counts as running: where the load does not
fill the worker, the rate per CPU second of the worker is a lower bound."""

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = TOP / "build"
SLUICED = str(BUILD / "dataplane" / "sluiced")
TARGET = "10.88.0.1"
PORTS = {"line": 8094, "json": 8095, "senml-json": 8097, "senml-cbor": 8098, "cbor": 8099, "raw": 8100}
FRAME_KEY = "00112233445566778899aabbccddeeff"  # GEN_FRAME_KEY in bench/gen/gen.h
MEMIF_MAC = "02:53:4c:00:00:01"
INSIDE = "SLUICE_BENCH_INSIDE"
NETWORK = """
mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/sluice /run/lock
ip link set lo up && ip addr add 192.0.2.1/32 dev lo
. tests/support/lab.sh && lab_network
trap - EXIT
exec python3 "$@"
"""


def in_lab(script):
    """Runs the script again in namespaces of its own with the lab's veth pair, as a functional test has
    them; returns there."""
    if INSIDE in os.environ:
        return
    os.environ[INSIDE] = "1"
    os.chdir(TOP)
    os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
                          "--mount-proc", "bash", "-euc", NETWORK, "bench", script, *sys.argv[1:]])


def memif(run, role, mac=None):
    return (f"net_memif0,role={role},id=0,socket={run}/memif.sock,socket-abstract=no,rsize=11"
            + (f",mac={mac}" if mac else ""))


def configuration(run, device, sink="discard", brokers="embedded", polling="busy", pack=1,
                  encoding="json", devices=0):
    import yaml
    lab = yaml.safe_load((TOP / "config" / "sluice.yaml").read_text())
    profile = {"line": "line", "raw": "by-address"}
    keys = pathlib.Path(run, "frame.keys")
    keys.write_text("".join(f"gen-{n:06d} aes-128-gcm 0 {FRAME_KEY}\n" for n in range(devices)))
    return yaml.safe_dump({
        "appliance": "bench", "lab": True, "run_dir": str(run), "state_dir": f"{run}/state", "user": "",
        "dataplane": {"workers": 1, "memory": "1536MiB", "polling": polling, "mbufs": 32768},
        "ports": [{"name": "wire", "devices": [device], "interfaces": [{"addresses": [f"{TARGET}/16"]}]}],
        "listeners": [{"name": "coap", "protocol": "coap", "port": 5683, "profile": "by-path", "auth": "none", "unknown": "accept"}]
        + [{"name": kind, "protocol": "udp", "port": port, "format": kind, "profile": profile.get(kind, "by-field"),
            "trust": ["10.88.0.0/16"], "unknown": "accept"} for kind, port in PORTS.items()]
        + [{"name": "frame", "protocol": "frame", "port": 8101, "format": "json", "profile": "by-identity"}] * (devices > 0),
        "profiles": [p for p in lab["profiles"] if p["name"] in ("by-path", "line", "by-field")]
        + [{"name": "by-address", "device": {"from": "address"}, "route": "telemetry"},
           {"name": "by-identity", "device": {"from": "identity"}, "route": "telemetry"}],
        "frame": {"keys": f"file:{keys}"} if devices else {},
        "topics": [{"name": "telemetry", "partitions": 4}, {"name": "dead-letter", "partitions": 1}],
        "routes": [{"name": "telemetry", "topic": "telemetry", "ack": "kafka", "encoding": encoding, "pack": pack}],
        "coap": {"exchanges": 2000000},
        "egress": {"sink": sink},
        "kafka": {"brokers": brokers, "dead_letter_topic": "dead-letter", "accept_weak_topic": True,
                  "compression": "lz4" if pack > 1 else "none"},
    })


unbalanced = 0


def ledger(s):
    """For a line of output; finish() turns an unbalanced ledger into the exit status."""
    global unbalanced
    unbalanced += not s.balanced
    return "ledger balanced" if s.balanced else f"ledger NOT BALANCED ({s.trouble})"


def finish(good=True):
    """Ends the bench; `good` is its own judgement."""
    sys.exit(0 if good and not unbalanced else 1)


def generator(device, name, *options, cpu=0):
    return [str(BUILD / "bench" / "sluice-gen"), "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "256",
            f"--lcores=0@{cpu}", f"--file-prefix=gen{os.getpid()}{name}", "--log-level=*:error", f"--vdev={device}",
            "--", *options]


def last_json(text):
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


class Sender:
    """sluice-gen that sends, line by line of what it prints. It has its port until the other end has left, which
    polls: DPDK 24.11's memif unmaps the rings of whoever leaves first while the other reads them."""

    def __init__(self, device, *options):
        self.process = subprocess.Popen(generator(device, "client", "--stay", *options), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        senders.append(self)

    def line(self, bound=60):
        """The next line, which is JSON."""
        if not select.select([self.process.stdout], [], [], bound)[0]:
            self.process.kill()
            sys.exit(f"sluice-gen said nothing for {bound} s")
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            sys.exit(f"sluice-gen: {line}{self.process.stderr.read()}")
        return json.loads(line)

    def end(self):
        """After the other end has left."""
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


senders = []


def senders_end():
    while senders:
        senders.pop().end()


def generate(device, *options, bound=60):
    """sluice-gen until it has reported, and what it reported."""
    if "--receive" not in options:
        return Sender(device, *options).line(bound)
    done = subprocess.run(generator(device, "client", *options), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, timeout=bound, check=True)
    return last_json(done.stdout)


def thread_cpu(pid):
    """CPU seconds by name of thread; threads of one name are added up."""
    seconds = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            ran = int((task / "schedstat").read_text().split()[0]) / 1e9
        except FileNotFoundError:
            continue
        seconds[name] = seconds.get(name, 0.0) + ran
    return seconds


def worker_cpu(threads):
    return sum(s for name, s in threads.items() if name.startswith("dpdk-worker"))


class Sluiced:
    """with Sluiced(run, configuration) as s: ...; afterwards s.after is the last status and s.balanced says
    whether the ledger was."""

    def __init__(self, run, text):
        self.run = pathlib.Path(run)
        (self.run / "sluice.yaml").write_text(text)

    def status(self):
        return json.loads((self.run / "status.json").read_text())

    def threads(self):
        return thread_cpu(self.process.pid)

    def next_status(self):
        """The next status that is written, and the CPU time of the threads at that moment."""
        at = (self.run / "status.json").stat().st_mtime_ns
        deadline = time.monotonic() + 10
        while (self.run / "status.json").stat().st_mtime_ns == at and time.monotonic() < deadline:
            time.sleep(0.002)
        return self.status(), self.threads()

    def __enter__(self):
        log = open(self.run / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([SLUICED, "run", "--config", str(self.run / "sluice.yaml")], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not (self.run / "status.json").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                sys.exit(f"sluiced did not start: {(self.run / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        senders_end()
        self.after = self.status()
        self.balanced = self.after["balanced"] and code == 0
        self.trouble = f"exit status {code}, {self.after.get('imbalance', 'the last status balanced')}"
