#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, and what sluice-controld does then: killed at any moment of a write load, a disk
that is full, a clock that jumps, an audit log that somebody changed, a data plane that hangs or takes
its time (others are answered meanwhile), an empty machine that gets a backup; and secrets, which are
nowhere they should not be."""

import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from http.client import HTTPException
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from control_lab import BUILD, Lab  # noqa: E402

lab = Lab()


def good(method, target, body=None, **more):
    status, answer = lab.call(method, target, body, **more)
    lab.check(status < 300, f"{method} {target}: {status} {answer}")
    return answer


def whole():
    """The registry, its references and the audit chain, as doctor and audit verify see them."""
    checks = {c["check"]: c for c in good("GET", "/v1/doctor")["checks"]}
    lab.check(checks["the registry is whole"]["ok"], checks["the registry is whole"])
    verified = good("GET", "/v1/audit/verify")
    lab.check(verified["unbroken"], verified)
    return verified["entries"]


def killed_at_any_moment():
    """Writers note what was answered; after each kill all of it must be there."""
    answered, rounds = {}, 8

    def write(who, stop):
        n = 0
        while not stop.is_set():
            name = f"w{who}-{random.getrandbits(40):x}"
            n += 1
            try:
                if lab.call("POST", "/v1/devices", {"name": name})[0] == 201:
                    answered[name] = "active"
                if n % 3 == 0 and lab.call("PATCH", f"/v1/devices/{name}", {"state": "suspended"})[0] == 200:
                    answered[name] = "suspended"
                if n % 5 == 0:
                    rows = "".join(f"{name}-{i}\n" for i in range(50))
                    if lab.call("POST", "/v1/import", f"name\n{rows}".encode(), "text/csv")[0] == 200:
                        answered.update({f"{name}-{i}": "active" for i in range(50)})
            except (OSError, ValueError, HTTPException):
                return

    for n in range(rounds):
        lab.controld()
        stop = threading.Event()
        threads = [threading.Thread(target=write, args=(i, stop)) for i in range(3)]
        for t in threads:
            t.start()
        time.sleep(random.uniform(0.02, 0.4))
        lab.stop("controld", signal.SIGKILL)
        stop.set()
        for t in threads:
            t.join(30)
        lab.controld()
        whole()
        there, after = {}, ""
        while after is not None:
            page = good("GET", f"/v1/devices?limit=10000&after={after}")
            there.update({d["name"]: d["state"] for d in page["devices"]})
            after = page["next"]
        lost = {k: (v, there.get(k)) for k, v in answered.items() if there.get(k) != v
                and not (v == "active" and there.get(k) == "suspended")}  # answered is noted after
        lab.check(not lost, f"round {n}: answered, and lost: {list(lost.items())[:5]}")
        lab.stop("controld")
    print(f"{rounds} kills, {len(answered)} devices answered, none lost")


def a_full_disk():
    small = lab.dir / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small], capture_output=True).returncode:
        print("no tmpfs: the full disk is only in the unit test")
        return
    try:
        lab.controld(state="small")
        good("POST", "/v1/devices", {"name": "before"})
        with open(small / "filler", "wb") as f:
            try:
                while True:
                    f.write(b"x" * 4096)
                    f.flush()
            except OSError:
                pass
        refused = 0
        for i in range(400):
            status, answer = lab.call("POST", "/v1/devices", {"name": f"full-{i}"})
            if status == 507:
                refused += 1
                lab.check("nothing was changed" in answer["error"]["hint"], answer)
                break
            lab.check(status == 201, f"{status} {answer}")
        lab.check(refused == 1, "the disk was never full")
        status, _ = lab.call("GET", f"/v1/devices/full-{i}")
        lab.check(status == 404, "a refused change stands")
        good("GET", "/v1/devices/before")
        lab.check(any("disk" in p["problem"] for p in good("GET", "/v1/status")["problems"]), "status does not say so")
        (small / "filler").unlink()
        good("POST", "/v1/devices", {"name": "after"})
        whole()
        lab.stop("controld")
    finally:
        subprocess.run(["umount", "-l", small], check=False)


SHIM = r"""
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
static long off(void) { const char *s = getenv("CLOCK_OFFSET"); return s ? atol(s) : 0; }
int clock_gettime(clockid_t id, struct timespec *t) {
	static int (*real)(clockid_t, struct timespec *);
	if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int ret = real(id, t);
	if (ret == 0 && id == CLOCK_REALTIME) t->tv_sec += off();
	return ret;
}
time_t time(time_t *out) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); if (out) *out = t.tv_sec; return t.tv_sec; }
"""


def the_clock_jumps():
    (lab.dir / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", lab.dir / "shim.so", lab.dir / "shim.c"], check=True)
    versions = []
    for offset, name in ((0, "now"), (86400 * 3650, "in-ten-years"), (-86400 * 3650, "ten-years-ago"), (0, "now-again")):
        lab.controld(env=dict(os.environ, LD_PRELOAD=str(lab.dir / "shim.so"), CLOCK_OFFSET=str(offset)))
        if name == "ten-years-ago":
            checks = {c["check"]: c["ok"] for c in good("GET", "/v1/doctor")["checks"]}
            lab.check(not checks["the clock did not jump back"], "doctor does not see the clock")
        good("POST", "/v1/devices", {"name": name})
        versions.append(good("GET", f"/v1/devices/{name}")["version"])
        whole()
        lab.stop("controld")
    lab.check(versions == sorted(set(versions)), f"versions went back with the clock: {versions}")


def tampering_is_noticed():
    lab.controld()
    entries = whole()
    lab.stop("controld")
    shutil.copytree(lab.dir / "state", lab.dir / "kept")
    for what in ("UPDATE audit SET who='nobody' WHERE id=3", "UPDATE audit SET after=NULL WHERE id=2",
                 "UPDATE audit SET chain=(SELECT chain FROM audit WHERE id=5) WHERE id=4",
                 f"DELETE FROM audit WHERE id={entries // 2}", "UPDATE audit SET id=-1 WHERE id=1"):
        db = sqlite3.connect(lab.dir / "state/registry.db")
        try:
            db.execute(what)
            lab.fail(f"{what} was allowed")
        except sqlite3.DatabaseError as e:
            lab.check("append-only" in str(e), e)
        db.execute("DROP TRIGGER audit_no_update")
        db.execute("DROP TRIGGER audit_no_delete")
        db.execute(what)
        db.commit()
        db.close()
        lab.controld()
        verified = lab.ctl("audit", "verify")
        lab.check(verified.returncode == 8, f"{what}: {verified.stdout}")
        lab.check(lab.ctl("doctor").returncode == 8, "doctor finds nothing")
        lab.stop("controld")
        shutil.rmtree(lab.dir / "state")
        shutil.copytree(lab.dir / "kept", lab.dir / "state")


def a_hanging_data_plane():
    lab.controld()
    lab.sluiced("--hang")
    begin = time.monotonic()
    answer = good("POST", "/v1/devices", {"name": "while-it-hangs"})
    lab.check(answer["applied"] == "waiting", answer)
    lab.check(time.monotonic() - begin < 10, "the API waits for the data plane")
    good("GET", "/v1/devices")
    lab.stop("sluiced", signal.SIGKILL)
    lab.sluiced()
    lab.until(lambda: (lambda s: s["data_plane"]["registry_version"] == s["registry"]["version"])(
        good("GET", "/v1/status")), "registry in the next data plane")
    lab.stop("sluiced")
    lab.stop("controld")


class Caller(threading.Thread):
    """One call of the API that may have to wait."""

    def __init__(self, *call):
        super().__init__(daemon=True)
        self.call, self.status, self.answer = call, None, None
        self.start()

    def run(self):
        self.status, self.answer = lab.call(*self.call)


def held():
    return (lab.dir / "log").read_text(errors="replace").count("held ")


def others_are_answered_meanwhile():
    """A dead letter list, a topic check and 10,000 signatures take their time in the data plane."""
    (lab.dir / "signatures").mkdir()
    rules = "signatures:\n" + "".join(
        f"  - {{id: {n + 1}, name: s{n}, expression: needle{n}x, severity: low, action: tag, match: needle{n}x}}\n"
        for n in range(10000))
    (lab.dir / "signatures/rules.yaml").write_text("signatures: []\n")
    lab.controld()
    good("POST", "/v1/devices", {"name": "steady"})
    lab.sluiced("--slow")
    callers = [Caller("GET", "/v1/dead-letters"), Caller("GET", "/v1/topics"),
               Caller("POST", "/v1/rules", {"text": rules, "comment": "many"})]
    lab.until(lambda: held() == 3, "three questions held")
    callers.append(Caller("GET", "/v1/dead-letters?limit=7"))  # in line behind the first
    for n in range(20):
        good("GET", "/v1/devices/steady")
        good("POST", "/v1/devices", {"name": f"meanwhile-{n}"})
    lab.check(lab.ctl("device", "show", "steady").returncode == 0, "device show")
    lab.check(good("GET", "/v1/status")["data_plane"]["connected"], "status")
    lab.check(held() == 3 and all(c.is_alive() for c in callers), "somebody did not wait")

    def done():
        good("GET", "/v1/devices/steady/why")  # lets go what is held
        return not any(c.is_alive() for c in callers)

    lab.until(done, "answers")
    for c in callers:
        lab.check(c.status == 200, f"{c.call[:2]}: {c.status} {c.answer}")
    lab.check(held() == 4 and callers[0].answer == callers[3].answer, "the one in line")
    lab.check(callers[2].answer["applied"] == "yes", callers[2].answer)
    lab.check(len(good("GET", "/v1/rules")["rules"]) == 10000, "signatures in force")
    lab.check(any(e["action"] == "rules.apply" for e in good("GET", "/v1/audit")["entries"]), "no audit")

    # Who asked is gone; the data plane goes; sluice-controld goes.
    s = socket.socket(socket.AF_UNIX)
    s.connect(lab.api)
    s.sendall(b"GET /v1/dead-letters HTTP/1.1\r\nHost: sluice\r\n\r\n")
    lab.until(lambda: held() == 5, "a question of one who goes")
    s.close()
    good("GET", "/v1/devices/steady/why")
    c = Caller("GET", "/v1/topics")
    lab.until(lambda: held() == 6, "another question")
    lab.stop("sluiced", signal.SIGKILL)
    c.join(20)
    lab.check(c.status == 503 and c.answer["error"]["code"] == "data-plane-away", f"{c.status} {c.answer}")
    lab.sluiced("--slow")
    c = Caller("GET", "/v1/topics")
    lab.until(lambda: held() == 7, "a question at the end")
    lab.stop("controld")
    c.join(20)
    lab.check(c.status == 503 and c.answer["error"]["code"] == "ends", f"{c.status} {c.answer}")
    lab.stop("sluiced", signal.SIGKILL)


PASSWORD, KEY = "Xk7-unmistakable-words", "c0ffee" * 10 + "c0ff"


def secrets_stay_where_they_are():
    daemon = lab.controld("-m", "127.0.0.1:19464")
    lab.signd()
    filter_ = Path(f"/proc/{daemon.pid}/coredump_filter").read_text().strip()
    lab.check(int(filter_, 16) == 0, f"memory would be in a core dump: {filter_}")
    limits = Path(f"/proc/{daemon.pid}/limits").read_text()
    lab.check("Max core file size        0" in limits, "a core dump may be written")
    good("POST", "/v1/devices", {"name": "holder"})
    good("PUT", "/v1/devices/holder/credentials", {"kind": "password", "password": PASSWORD})
    good("PUT", "/v1/devices/holder/credentials", {"kind": "hmac-sha-256", "key": KEY, "number": 1})
    lab.call("PUT", "/v1/devices/holder/credentials", {"kind": "hmac-sha-256", "key": KEY + "zz"})  # refused
    lab.call("PUT", "/v1/devices/holder/credentials", {"kind": "nonsense", "password": PASSWORD})
    good("POST", "/v1/ca", {"organisation": "Test"})
    private = good("POST", "/v1/certificates", {"device": "holder"})["key"].splitlines()[2]
    good("POST", "/v1/backup", {"directory": f"{lab.dir}/backup"})
    seen = {}
    for words in (("device", "list"), ("device", "show", "holder"), ("device", "export"), ("audit", "list", "--limit", 1000),
                  ("cert", "list"), ("ca", "show"), ("status",), ("doctor",), ("event", "list"), ("top", "--count", 1)):
        for form in ((), ("--json",)):
            done = lab.ctl(*words, *form)
            seen[" ".join(map(str, words + form))] = done.stdout + done.stderr
    seen["metrics"] = subprocess.run(["curl", "-s", "http://127.0.0.1:19464/metrics"], capture_output=True, text=True,
                                     timeout=30).stdout
    lab.check("sluice_registry_devices" in seen["metrics"], "no metrics")
    lab.log.flush()
    seen["the log"] = (lab.dir / "log").read_text(errors="replace")
    db = sqlite3.connect(lab.dir / "state/registry.db")
    seen["the audit table"] = "\n".join(map(str, db.execute("SELECT * FROM audit").fetchall()))
    for where, text in seen.items():
        for secret in (PASSWORD, KEY, KEY.upper(), bytes.fromhex(KEY).decode("latin1"), private, "argon2id"):
            lab.check(secret not in text, f"a secret is in {where}")
    # On disk: the password nowhere, the key only in the registry, the private key not even there.
    for path in [p for p in lab.dir.rglob("*") if p.is_file()]:
        content = path.read_bytes()
        lab.check(PASSWORD.encode() not in content, f"the password is in {path}")
        lab.check(private.encode() not in content, f"a device's private key is in {path}")
        if bytes.fromhex(KEY) in content or KEY.encode() in content:
            lab.check(path.name.startswith("registry.db"), f"the key is in {path}")
            lab.check(path.stat().st_mode & 0o077 == 0, f"others read {path}")
    # What the daemon frees it wipes: nothing of the request is left in its heap.
    lab.check(in_memory(daemon.pid, b"registry.db"), "the memory cannot be searched")
    left = [s for s in (PASSWORD, KEY) if in_memory(daemon.pid, s.encode())]
    lab.check(not left, f"still in the memory of sluice-controld: {left}")


def in_memory(pid, needle):
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if not rights.startswith("rw") or "[vvar" in line:
                continue
            begin, end = (int(x, 16) for x in span.split("-"))
            try:
                memory.seek(begin)
                if needle in memory.read(end - begin):
                    return True
            except OSError:
                continue
    return False


def an_empty_machine_gets_it_all_back():
    devices = {d["name"] for d in good("GET", "/v1/devices?limit=10000")["devices"]}
    root = good("GET", "/v1/ca")["root"]["pem"]
    for name in ("controld", "signd"):
        lab.stop(name)
    (lab.dir / "new/etc").mkdir(parents=True)
    done = lab.ctl("backup", "restore", lab.dir / "backup", "--state-dir", lab.dir / "new/state", "--config",
                   lab.dir / "new/etc/sluice.yaml")
    lab.check(done.returncode == 0, done.stdout + done.stderr)
    shutil.rmtree(lab.dir / "state")
    shutil.move(lab.dir / "new/state", lab.dir / "state")
    lab.controld(config="new/etc/sluice.yaml")
    lab.signd()
    lab.check({d["name"] for d in good("GET", "/v1/devices?limit=10000")["devices"]} == devices, "devices differ")
    lab.check(good("GET", "/v1/ca")["root"]["pem"] == root, "another CA")
    good("POST", "/v1/certificates", {"device": "holder"})
    whole()
    # A backup that is damaged replaces nothing.
    with open(lab.dir / "backup/registry.db", "r+b") as f:
        f.seek(5000)
        f.write(os.urandom(20000))
    for name in ("controld", "signd"):
        lab.stop(name)
    done = lab.ctl("backup", "restore", lab.dir / "backup", "--state-dir", lab.dir / "state", "--config", lab.dir / "c.yaml")
    lab.check(done.returncode == 4 and "nothing was replaced" in done.stderr, done.stdout + done.stderr)
    lab.check(not (lab.dir / "c.yaml").exists(), "it replaced something")


random.seed()
killed_at_any_moment()
a_full_disk()
the_clock_jumps()
tampering_is_noticed()
a_hanging_data_plane()
others_are_answered_meanwhile()
secrets_stay_where_they_are()
an_empty_machine_gets_it_all_back()
print("ok")
