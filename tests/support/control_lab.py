# SPDX-License-Identifier: Apache-2.0
"""A sluice-controld with sluice-signd and a data plane (tests/support/fake_sluiced.c) in a directory
of its own, for tests that talk to its API or run sluicectl against it."""

import atexit
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / os.environ.get("SLUICE_BUILD", "build")


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("sluice", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class Lab:
    def __init__(self):
        for name in ("controlplane/sluice-controld", "controlplane/sluice-signd",
                     "controlplane/sluicectl", "tests/support/fake_sluiced"):
            if not (BUILD / name).exists():
                print(f"{name} is not built")
                sys.exit(77)
        self.dir = Path(tempfile.mkdtemp(prefix="control-"))
        self.dir.chmod(0o755)
        self.api = str(self.dir / "api.sock")
        self.processes = {}
        self.log = open(self.dir / "log", "ab")
        shutil.copy(TOP / "config/sluice.yaml", self.dir)
        for name in ("examples", "profiles"):
            shutil.copytree(TOP / "config" / name, self.dir / name)
        (self.dir / "state/ca").mkdir(parents=True)
        (self.dir / "kek").write_bytes(os.urandom(32))
        atexit.register(self.close)

    def close(self):
        for p in self.processes.values():
            p.kill()
            p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def fail(self, what):
        where = " < ".join(f"{os.path.basename(f.filename)}:{f.lineno}"
                           for f in reversed(traceback.extract_stack()) if "functional" in f.filename)
        self.log.flush()
        sys.exit(f"{(self.dir / 'log').read_text(errors='replace')[-3000:]}\nFAIL {where}: {what}")

    def check(self, ok, what):
        if not ok:
            self.fail(what)

    def until(self, condition, what, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            for name, p in self.processes.items():
                self.check(p.poll() is None or name == "sluiced", f"{name} ended while waiting for {what}")
            self.check(time.monotonic() < end, f"no {what} in {seconds} s")
            time.sleep(0.02)

    def start(self, name, *command, **more):
        self.processes[name] = subprocess.Popen([str(c) for c in command], stderr=self.log,
                                                stdin=subprocess.DEVNULL, **more)
        return self.processes[name]

    def stop(self, name, how=signal.SIGTERM):
        p = self.processes.pop(name)
        p.send_signal(how)
        p.wait(timeout=20)

    def controld(self, *options, state="state", config="sluice.yaml", **more):
        if os.path.exists(self.api):
            os.unlink(self.api)
        p = self.start("controld", BUILD / "controlplane/sluice-controld", "-c", self.dir / config,
                       "-s", self.dir / state, "-r", self.dir, *(options or ("-m", "off")), **more)
        self.until(self.answers, "answer of sluice-controld")
        return p

    def answers(self):
        try:
            return self.call("GET", "/v1/config/history")[0] > 0
        except OSError:
            return False

    def signd(self):
        p = self.start("signd", BUILD / "controlplane/sluice-signd", "--key-file", self.dir / "kek",
                       "--ca-dir", self.dir / "state/ca", "--socket", self.dir / "sign.sock")
        self.until(lambda: "Seccomp:\t2" in Path(f"/proc/{p.pid}/status").read_text(), "seccomp")
        return p

    def sluiced(self, *options):
        p = self.start("sluiced", BUILD / "tests/support/fake_sluiced", self.dir / "channel.sock", *options)
        self.until(lambda: self.call("GET", "/v1/status")[1]["data_plane"]["connected"], "data plane")
        if not options:
            self.until(lambda: self.call("GET", "/v1/counters")[1]["counters"], "counters")
        return p

    def call(self, method, target, body=None, kind="application/json"):
        """Status and decoded answer; `body` is JSON unless it is bytes."""
        c = Connection(self.api)
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        try:
            c.request(method, target, data, {"Content-Type": kind} if data is not None else {})
            r = c.getresponse()
            return r.status, json.loads(r.read())
        finally:
            c.close()

    def ctl(self, *words, env=None, text=True, **more):
        """A finished sluicectl with its output."""
        environment = dict(os.environ, SLUICE_API=self.api, **(env or {}))
        return subprocess.run([BUILD / "controlplane/sluicectl", *map(str, words)], capture_output=True,
                              text=text, timeout=120, env=environment, stdin=subprocess.DEVNULL, **more)
