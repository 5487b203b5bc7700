#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""controlplane/openapi.yaml against the running sluice-controld: every route of the daemon is
described and every described one exists, answers have the described shape, and bad input is refused
as the description says."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import jsonschema
    import yaml
except ImportError:
    sys.exit(77)

TOP = Path(__file__).resolve().parents[2]
CONTROLD = TOP / "build/controlplane/sluice-controld"
if not CONTROLD.exists():
    sys.exit(77)
DOC = yaml.safe_load((TOP / "controlplane/openapi.yaml").read_text())


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("sluice", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def check(ok, what):
    if not ok:
        sys.exit(f"FAIL: {what}")


def described(method, path):
    for known, methods in DOC["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path) and method.lower() in methods:
            return methods[method.lower()]
    return None


def call(method, target, body=None, kind="application/json"):
    c = Connection(API)
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    c.request(method, target, data, {"Content-Type": kind} if data is not None else {})
    r = c.getresponse()
    answer = json.loads(r.read())
    c.close()
    operation = described(method, target.split("?")[0])
    check(operation is not None, f"{method} {target} is not described")
    shape = operation["responses"].get(str(r.status), operation["responses"]["default"])
    schema = dict(shape["content"]["application/json"]["schema"], components=DOC["components"])
    try:
        jsonschema.Draft202012Validator(schema).validate(answer)
    except jsonschema.ValidationError as e:
        sys.exit(f"FAIL: {method} {target} {r.status}: {e.message} at {list(e.path)}")
    return r.status, answer


def expect(status, method, target, body=None, **more):
    got, answer = call(method, target, body, **more)
    check(got == status, f"{method} {target}: {got}, not {status}: {answer}")
    return answer


def raw(data):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(API)
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        return s.recv(65536)
    except OSError:
        return b""
    finally:
        s.close()


def routes_agree():
    table = re.findall(r'^\t\{"(\w+)", "([^"]+)"', (TOP / "controlplane/routes.c").read_text(), re.M)
    code = {(m.lower(), p) for m, p in table}
    doc = {(m, re.sub(r"\{\w+\}", "{}", p)) for p, ms in DOC["paths"].items() for m in ms}
    check(code == doc, f"routes and description differ: {code ^ doc}")


def good_calls():
    for target in ("status", "counters", "events", "doctor", "devices", "audit", "audit/verify", "config",
                   "config/history", "config/options", "blocks", "certificates", "trust", "templates"):
        expect(200, "GET", f"/v1/{target}")
    expect(201, "POST", "/v1/devices", {"name": "dev-1", "labels": {"a": "b"}, "claims": {"topic": ["x"]}})
    expect(200, "GET", "/v1/devices/dev-1")
    expect(200, "PATCH", "/v1/devices/dev-1", {"state": "suspended", "reason": "test"})
    expect(200, "PUT", "/v1/devices/dev-1/credentials", {"kind": "aes-128-gcm", "key": "00" * 16, "number": 3})
    expect(200, "DELETE", "/v1/devices/dev-1/credentials/aes-128-gcm/3")
    expect(200, "POST", "/v1/import", b"name\nx-1\nx-2\nx/3\n", kind="text/csv")
    check(len(expect(200, "GET", "/v1/devices?limit=2")["devices"]) == 2, "limit")
    expect(200, "DELETE", "/v1/devices/x-1?reason=gone")
    text = expect(200, "GET", "/v1/config")["text"]
    expect(200, "POST", "/v1/config/check", {"text": text})
    expect(200, "PATCH", "/v1/config/options", {"option": "egress.linger", "value": "7ms"})
    expect(200, "POST", "/v1/config/rollback", {})
    expect(200, "GET", "/v1/config/versions/1")
    expect(201, "POST", "/v1/blocks", {"address": "10.0.0.0/8", "reason": "x"})
    expect(200, "DELETE", "/v1/blocks/1")
    expect(200, "PUT", "/v1/templates", {"issuer": "own", "pattern": "*", "profile": "p"})


def bad_calls():
    expect(409, "POST", "/v1/devices", {"name": "dev-1"})
    expect(400, "POST", "/v1/devices", {"name": "dev-2", "colour": "red"})
    answer = expect(400, "POST", "/v1/devices", {"name": "dev-2", "profle": "x"})
    check("did you mean 'profile'" in answer["error"]["message"], answer)
    expect(400, "POST", "/v1/devices", {"name": 7})
    expect(400, "POST", "/v1/devices", {})
    expect(400, "POST", "/v1/devices", [])
    expect(400, "POST", "/v1/devices", {"name": "a/b"})
    expect(400, "POST", "/v1/devices", {"name": "z", "records_per_s": -1})
    expect(400, "POST", "/v1/devices", {"name": "z", "records_per_s": 1 << 40})
    expect(400, "POST", "/v1/devices", b'{"name":"x","name":"y"}')
    expect(400, "POST", "/v1/devices", b"{")
    expect(400, "POST", "/v1/devices", b"[" * 100000)
    expect(400, "POST", "/v1/devices", b'{"name":"\xff"}')
    expect(404, "GET", "/v1/devices/nobody")
    expect(404, "DELETE", "/v1/devices/nobody")
    expect(400, "GET", "/v1/devices?limit=many")
    expect(422, "POST", "/v1/config", {"text": "ports: 7\n"})
    expect(422, "POST", "/v1/config", {"text": "}"})
    expect(404, "PATCH", "/v1/config/options", {"option": "no.such", "value": "1"})
    expect(404, "POST", "/v1/config/rollback", {"version": 999})
    expect(400, "POST", "/v1/import", b"nme\nx\n", kind="text/csv")
    expect(413, "POST", "/v1/import", b"name\n" + b"x" * (9 << 20), kind="text/csv")
    expect(503, "GET", "/v1/flows")
    expect(503, "GET", "/v1/ca")
    for garbage in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 200000,
                    b"POST /v1/devices HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n"):
        raw(garbage)
    expect(200, "GET", "/v1/status")


def roles():
    probe = ("import os,sys,socket;os.setgroups([]);os.setgid(65534);os.setuid(65534);"
             "s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);"
             "s.sendall(b'GET /v1/status HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n');"
             "print(s.recv(12).decode())")
    os.chmod(RUN, 0o755)
    out = subprocess.run([sys.executable, "-c", probe, API], capture_output=True, text=True, timeout=20)
    check("403" in out.stdout, f"nobody may read: {out.stdout}{out.stderr}")


RUN = tempfile.mkdtemp()
API = f"{RUN}/api.sock"
shutil.copy(TOP / "config/sluice.yaml", RUN)
shutil.copytree(TOP / "config/examples", f"{RUN}/examples")
daemon = subprocess.Popen([CONTROLD, "-c", f"{RUN}/sluice.yaml", "-s", f"{RUN}/state", "-r", RUN, "-m", "off"])
try:
    for _ in range(200):
        if os.path.exists(API):
            break
        time.sleep(0.05)
    routes_agree()
    good_calls()
    bad_calls()
    roles()
    check(daemon.poll() is None, "sluice-controld ended")
finally:
    daemon.terminate()
    daemon.wait(timeout=10)
    shutil.rmtree(RUN)
print("ok")
