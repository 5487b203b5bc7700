#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""controlplane/openapi.yaml against a running sluice-controld, sluice-signd and data plane: every
operation is described, called and answers in the described shape; every body refuses unknown fields,
wrong types and missing fields, every operation whom its role does not allow; bad HTTP does no harm."""

import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from control_lab import TOP, Lab  # noqa: E402

try:
    import jsonschema
    import yaml
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError:
    sys.exit(77)
import datetime

DOC = yaml.safe_load((TOP / "controlplane/openapi.yaml").read_text())
lab = Lab()
seen = set()  # operations that answered with success
refused = set()  # and with an error


def described(method, path):
    best = None
    for known, methods in DOC["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path) and method.lower() in methods:
            if best is None or known.count("{") < best[0].count("{"):
                best = (known, methods[method.lower()])
    return best


def schema_of(schema):
    return dict(schema, components=DOC["components"])


def call(method, target, body=None, kind="application/json"):
    status, answer = lab.call(method, target, body, kind)
    found = described(method, target.split("?")[0])
    lab.check(found is not None, f"{method} {target} is not described")
    known, operation = found
    shape = operation["responses"].get(str(status), operation["responses"]["default"])
    schema = shape["content"]["application/json"]["schema"]
    try:
        jsonschema.Draft202012Validator(schema_of(schema)).validate(answer)
    except jsonschema.ValidationError as e:
        lab.fail(f"{method} {target} {status}: {e.message} at {list(e.path)}")
    if status < 300:
        lab.check(str(status) in operation["responses"], f"{method} {known}: status {status} is not described")
        for name in (q.split("=")[0] for q in target.partition("?")[2].split("&") if q):
            lab.check(name in [p["name"] for p in operation.get("parameters", [])],
                      f"{method} {known}: parameter {name} is not described")
        if isinstance(body, dict):
            described_body = operation["requestBody"]["content"]["application/json"]["schema"]
            try:
                jsonschema.Draft202012Validator(schema_of(described_body)).validate(body)
            except jsonschema.ValidationError as e:
                lab.fail(f"{method} {known} took a body that is not described: {e.message}")
        seen.add((method.lower(), known))
    else:
        refused.add((method.lower(), known))
    return status, answer


def expect(status, method, target, body=None, **more):
    got, answer = call(method, target, body, **more)
    lab.check(got == status, f"{method} {target}: {got}, not {status}: {answer}")
    return answer


def operations():
    for path, methods in DOC["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def routes_agree():
    table = re.findall(r'^\t\{"(\w+)", "([^"]+)"', (TOP / "controlplane/routes.c").read_text(), re.M)
    code = {(m.lower(), p) for m, p in table}
    doc = {(m, re.sub(r"\{\w+\}", "{}", p)) for p, m, _ in operations()}
    lab.check(code == doc, f"routes and description differ: {code ^ doc}")


# --- an outside CA

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def name(cn):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, cn)])


def pem(thing):
    return thing.public_bytes(serialization.Encoding.PEM).decode()


def certificate(cn, key, issuer=None, issuer_key=None, ca=False):
    b = (x509.CertificateBuilder().subject_name(name(cn)).issuer_name(issuer.subject if issuer else name(cn))
         .public_key(key.public_key()).serial_number(x509.random_serial_number())
         .not_valid_before(NOW - DAY).not_valid_after(NOW + 90 * DAY)
         .add_extension(x509.BasicConstraints(ca, None), critical=True))
    if ca:
        b = b.add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
    return b.sign(issuer_key or key, hashes.SHA256())


def good_calls():
    for target in ("status", "counters", "events", "doctor", "devices", "audit", "audit/verify", "config",
                   "config/history", "config/options", "blocks", "certificates", "trust", "templates", "flows"):
        expect(200, "GET", f"/v1/{target}")
    expect(201, "POST", "/v1/devices", {"name": "dev-1", "labels": {"a": "b"}, "claims": {"topic": ["x"]}})
    expect(200, "GET", "/v1/devices/dev-1")
    expect(200, "GET", "/v1/devices?limit=1&match=dev-*&state=active&label=a%3Db&after=a")
    expect(200, "PATCH", "/v1/devices/dev-1", {"state": "suspended", "reason": "test"})
    expect(200, "PUT", "/v1/devices/dev-1/credentials", {"kind": "aes-128-gcm", "key": "00" * 16, "number": 3})
    expect(200, "PUT", "/v1/devices/dev-1/credentials", {"kind": "password", "password": "secret word"})
    expect(200, "DELETE", "/v1/devices/dev-1/credentials/aes-128-gcm/3")
    answer = expect(200, "POST", "/v1/import?update=yes", b"name,state\nx/y,active\nok-1,active\n", kind="text/csv")
    lab.check(answer["refused_rows"] == [{"line": 2, "name": "x/y", "reason": "not a device name"}], answer)
    expect(201, "POST", "/v1/devices", {"name": "gone"})
    expect(200, "DELETE", "/v1/devices/gone?reason=test")
    text = expect(200, "GET", "/v1/config")["text"]
    expect(200, "POST", "/v1/config/check", {"text": text})
    expect(200, "PATCH", "/v1/config/options", {"option": "egress.linger", "value": "7ms", "comment": "test"})
    expect(200, "GET", "/v1/config/options?option=egress.linger")
    expect(200, "POST", "/v1/config", {"text": text, "comment": "back"})
    expect(200, "GET", "/v1/config/versions/1")
    expect(200, "POST", "/v1/config/rollback", {"version": 1})
    rules = (lab.dir / "signatures/rules.yaml").read_text()
    expect(200, "GET", "/v1/rules")
    expect(200, "POST", "/v1/rules/check", {"text": rules})
    expect(200, "POST", "/v1/rules", {"text": rules + "# newer\n", "comment": "test"})
    lab.check((lab.dir / "signatures/rules.yaml").read_text().endswith("# newer\n"), "the file was not replaced")
    expect(200, "GET", "/v1/rules/history?limit=5")
    expect(200, "GET", "/v1/rules/stats")
    expect(200, "POST", "/v1/rules/rollback", {"version": 1})
    lab.check((lab.dir / "signatures/rules.yaml").read_text() == rules, "rollback does not bring the first text back")
    expect(200, "GET", "/v1/audit?limit=3&before=9")
    block = expect(201, "POST", "/v1/blocks", {"address": "10.0.0.0/8", "reason": "x"})
    expect(200, "DELETE", f"/v1/blocks/{block.get('id', 1)}")
    expect(201, "POST", "/v1/blocks", {"address": "10.0.0.0/8", "reason": "x"})
    expect(200, "POST", "/v1/blocks/allow", {"address": "10.0.0.0/8"})
    expect(404, "POST", "/v1/blocks/allow", {"address": "10.0.0.0/8"})
    expect(200, "GET", "/v1/dead-letters?limit=5&scan=100&newer=60&device=pump-1&reason=malformed")
    expect(200, "GET", "/v1/dead-letters/0/42")
    expect(200, "GET", "/v1/devices/pump-1/why")
    expect(200, "POST", "/v1/dead-letters/replay", {"id": "0/42"})
    expect(200, "GET", "/v1/topics")
    expect(201, "POST", "/v1/topics", {"name": "alerts", "partitions": 4, "replicas": 3})
    expect(400, "POST", "/v1/topics", {"name": "alerts", "replicas": 0})
    expect(200, "POST", "/v1/flows/drop", {"device": "pump-1"})
    expect(200, "GET", "/v1/flows?device=pump-1&limit=10")


def certificate_calls():
    expect(404, "GET", "/v1/ca")
    expect(201, "POST", "/v1/ca", {"organisation": "Test"})
    expect(200, "GET", "/v1/ca")
    expect(201, "POST", "/v1/ca/request", {"organisation": "Test"})
    issued = expect(201, "POST", "/v1/certificates", {"device": "dev-1", "days": 30})
    expect(200, "GET", f"/v1/certificates/{issued['serial']}")
    expect(200, "GET", "/v1/certificates?expiring=9999999&device=dev-1&limit=5&after=0:")
    expect(409, "POST", "/v1/certificates", {"device": "dev-1", "renew": True})
    expect(201, "POST", "/v1/certificates", {"device": "dev-1", "renew": True, "early": True})
    expect(200, "POST", f"/v1/certificates/{issued['serial']}/revoke", {"reason": "lost"})
    expect(201, "POST", "/v1/ca/crl", {"days": 3})
    key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("factory", key, ca=True)
    leaf = certificate("dev-1", leaf_key, root, key)
    expect(409, "POST", "/v1/devices/dev-1/certificates", {"certificate": pem(leaf)})
    expect(201, "POST", "/v1/trust", {"name": "factory", "pem": pem(root)})
    expect(201, "POST", "/v1/devices/dev-1/certificates", {"certificate": pem(leaf)})
    crl = (x509.CertificateRevocationListBuilder().issuer_name(root.subject).last_update(NOW - DAY)
           .next_update(NOW + DAY).add_extension(x509.CRLNumber(5), False).sign(key, hashes.SHA256()))
    expect(200, "POST", "/v1/crls", pem(crl).encode(), kind="application/pkix-crl")
    expect(200, "PUT", "/v1/templates", {"issuer": "factory", "pattern": "new-*", "profile": "line"})
    answer = expect(200, "POST", "/v1/provision", {"certificate": pem(certificate("new-1", leaf_key, root, key))})
    lab.check(answer["created"] and answer["state"] == "pending" and not answer["accepted"], answer)
    expect(200, "DELETE", "/v1/templates/factory/new-*")
    expect(200, "DELETE", "/v1/trust/factory?dry_run=yes")
    expect(200, "DELETE", "/v1/trust/factory")
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption()).decode()
    expect(201, "POST", "/v1/ca/import", {"certificate": pem(root), "key": private, "replace": True})
    expect(200, "POST", "/v1/backup", {"directory": f"{lab.dir}/backup"})


def bad_calls():
    expect(409, "POST", "/v1/devices", {"name": "dev-1"})
    answer = expect(400, "POST", "/v1/devices", {"name": "dev-2", "profle": "x"})
    lab.check("did you mean 'profile'" in answer["error"]["message"], answer)
    for body in ({"name": "a/b"}, {"name": "z", "records_per_s": -1}, {"name": "z", "records_per_s": 1 << 40},
                 {"name": "z", "labels": {"k": 7}}, {"name": "z", "claims": {"id": "x"}},
                 {"name": "z", "claims": {"colour": []}}, {"name": "z", "state": "asleep"}, {"name": ""},
                 {"name": "z" * 65}, b'{"name":"x","name":"y"}', b"{", b"[" * 100000, b'{"name":"\xff"}',
                 b'{"name":"a\\u0000b"}'):
        expect(400, "POST", "/v1/devices", body)
    for target in ("devices/nobody", "certificates/00", "config/versions/999", "config/options?option=no.such"):
        expect(404, "GET", f"/v1/{target}")
    expect(404, "DELETE", "/v1/devices/nobody")
    expect(404, "DELETE", "/v1/blocks/999")
    expect(404, "DELETE", "/v1/trust/nobody")
    expect(404, "DELETE", "/v1/templates/nobody/x")
    expect(404, "DELETE", "/v1/devices/nobody/credentials/password/0")
    expect(404, "PATCH", "/v1/devices/nobody", {"state": "active"})
    expect(404, "PATCH", "/v1/config/options", {"option": "no.such", "value": "1"})
    expect(404, "POST", "/v1/config/rollback", {"version": 999})
    for target in ("devices?limit=many", "devices?state=asleep", "audit?limit=-1", "certificates?expiring=x",
                   "flows?limit=x", "devices?label=nothing"):
        expect(400, "GET", f"/v1/{target}")
    expect(422, "POST", "/v1/config", {"text": "ports: 7\n"})
    expect(422, "POST", "/v1/config", {"text": "}"})
    expect(404, "POST", "/v1/rules/rollback", {"version": 999})
    for path in ("/v1/rules", "/v1/rules/check"):
        answer = expect(422, "POST", path, {"text": "signatures:\n  - {id: 1}\n"})
        lab.check(answer["mistakes"][0]["line"] == 2 and "missing" in answer["mistakes"][0]["problem"], answer)
    expect(400, "POST", "/v1/import", b"nme\nx\n", kind="text/csv")
    expect(413, "POST", "/v1/import", b"name\n" + b"x" * (9 << 20), kind="text/csv")
    expect(400, "POST", "/v1/crls", b"nonsense", kind="application/pkix-crl")
    expect(400, "POST", "/v1/crls", b"", kind="application/pkix-crl")
    expect(400, "POST", "/v1/provision", {"certificate": "nonsense"})
    expect(400, "POST", "/v1/trust", {"name": "x", "pem": "nonsense"})
    expect(400, "POST", "/v1/backup", {"directory": "relative"})
    status, _ = lab.call("GET", "/v1/nothing")
    lab.check(status == 404, f"an unknown path: {status}")
    status, _ = lab.call("PUT", "/v1/status")
    lab.check(status == 405, f"an unknown method: {status}")
    status, _ = lab.call("GET", "/v1/devices/" + "x" * 2000)
    lab.check(status in (404, 414), f"a long path: {status}")


WRONG = {"string": 7, "integer": "x", "boolean": 7, "object": 7, "array": 7}


def example(schema):
    """A value of the described type that is right in form, if not in meaning."""
    if "$ref" in schema:
        schema = DOC["components"]["schemas"][schema["$ref"].split("/")[-1]]
    if "enum" in schema:
        return schema["enum"][0]
    return {"string": "x", "integer": 1, "boolean": True, "object": {}, "array": []}[schema["type"]]


def every_body_is_checked():
    for path, method, operation in operations():
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            continue
        schema = content["application/json"]["schema"]
        schema = DOC["components"]["schemas"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
        target = re.sub(r"\{\w+\}", "dev-1", path)
        good = {k: example(v) for k, v in schema["properties"].items() if k in schema.get("required", [])}
        cases = [({**good, "surely_unknown": 1}, "unknown-field"), ([], "wrong-type"), (b"7", "bad-json"),
                 (b"{", "bad-json"), (b"\xff\xfe", "bad-json")]
        for field, kind in schema["properties"].items():
            kind = DOC["components"]["schemas"][kind["$ref"].split("/")[-1]] if "$ref" in kind else kind
            kind = kind.get("type", "string")
            kind = kind[0] if isinstance(kind, list) else kind
            cases.append(({**good, field: WRONG[kind]}, "wrong-type"))
            cases.append(({**good, field: None}, "wrong-type"))
            if field in good:
                cases.append(({k: v for k, v in good.items() if k != field}, "missing-field"))
        for body, code in cases:
            status, answer = call(method.upper(), target, body)
            lab.check(status == 400 and answer["error"]["code"] == code,
                      f"{method} {path} {body}: {status} {answer}, not 400 {code}")
        status, answer = call(method.upper(), target, b'{"x":"' + b"y" * (9 << 20) + b'"}')
        lab.check(status == 413, f"{method} {path}: an oversized body: {status}")


def raw(data):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(lab.api)
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        return s.recv(65536)
    except OSError:
        return b""
    finally:
        s.close()


def bad_http():
    for garbage in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 200000,
                    b"POST /v1/devices HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
                    b"POST /v1/devices HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                    b"POST /v1/devices HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                    b"POST /v1/devices HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{\"name\":",
                    b"GET /v1/devices/%00%2e%2e%2f HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /v1/status HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n"):
        raw(garbage)
    # As many silent callers as it takes, and one that asks: it is answered, or told to come back.
    silent = []
    for _ in range(30):
        s = socket.socket(socket.AF_UNIX)
        s.connect(lab.api)
        s.sendall(b"GET /v1/st")
        silent.append(s)
    expect(200, "GET", "/v1/status")
    for s in silent:
        s.close()


# --- roles, by the caller's credentials

PROBE = """
import os, socket, sys
path, uid, gid, groups = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
os.setgroups([int(g) for g in groups.split(',') if g]); os.setgid(gid); os.setuid(uid)
for line in sys.stdin:
    s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(path)
    method, target = line.split()
    s.sendall(f'{method} {target} HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n'.encode())
    print(s.recv(12).decode().split()[1], flush=True)
    s.close()
"""


def ask_as(uid, gid, groups, calls):
    out = subprocess.run([sys.executable, "-c", PROBE, lab.api, str(uid), str(gid), groups],
                         input="".join(f"{m} {t}\n" for m, t in calls), capture_output=True, text=True, timeout=120)
    lab.check(out.returncode == 0, out.stderr)
    return [int(x) for x in out.stdout.split()]


def roles():
    # A call that is allowed gets to its handler: anything but 403.
    calls = [(m.upper(), re.sub(r"\{\w+\}", "nobody-999", p)) for p, m, _ in operations()]
    reads = [m == "GET" or t == "/v1/config/check" for m, t in calls]
    for who, uid, gid, groups, allowed in (
            ("nobody", 65534, 65534, "", lambda read: False),
            ("a stranger in other groups", 1234, 1234, "1,2,3", lambda read: False),
            ("a viewer", 1235, 1235, str(VIEWERS), lambda read: read),
            ("a viewer by its first group", 1235, VIEWERS, "", lambda read: read),
            ("an operator", 1236, 1236, f"1,{OPERATORS}", lambda read: True),
            ("an operator who is a viewer too", 1236, 1236, f"{VIEWERS},{OPERATORS}", lambda read: True)):
        got = ask_as(uid, gid, groups, [c for c, read in zip(calls, reads)])
        for (method, target), read, status in zip(calls, reads, got):
            lab.check((status != 403) == allowed(read), f"{who}: {method} {target}: {status}")
    who = lab.call("GET", "/v1/audit?limit=200")[1]["entries"]
    lab.check(all(e["uid"] in (0, 1236) for e in who), "somebody without the role changed something")


def groups_make():
    """The groups of an installation, in this mount namespace only."""
    text = Path("/etc/group").read_text()
    path = Path(tempfile.mkdtemp()) / "group"
    path.write_text(text + f"sluice-operator:x:{OPERATORS}:\nsluice-viewer:x:{VIEWERS}:\n")
    os.chmod(path, 0o644)
    done = subprocess.run(["mount", "--bind", path, "/etc/group"], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"cannot make groups: {done.stderr}")
        sys.exit(77)


OPERATORS, VIEWERS = 60001, 60002
groups_make()
(lab.dir / "signatures").mkdir()
(lab.dir / "signatures/rules.yaml").write_text(
    "signatures:\n  - {id: 1, name: a, expression: abc, severity: low, action: tag, match: abc}\n")
daemon = lab.controld()
lab.signd()
lab.sluiced()
routes_agree()
good_calls()
certificate_calls()
bad_calls()
every_body_is_checked()
missing = {(m, p) for p, m, _ in operations()} - seen
lab.check(not missing, f"never called with success: {sorted(missing)}")
bad_http()
roles()
lab.check(daemon.poll() is None, "sluice-controld ended")
lab.check(lab.call("GET", "/v1/audit/verify")[1]["unbroken"], "the audit log is broken")
print(f"{len(seen)} operations called, {len(refused)} refused something")
