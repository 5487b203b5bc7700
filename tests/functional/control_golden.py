#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What sluicectl prints, as a table and as JSON, against tests/golden/sluicectl: every command of the
table has its case here. After a wanted change: tests/functional/control_golden.py --update."""

import difflib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from control_lab import BUILD, TOP, Lab  # noqa: E402

GOLDEN = TOP / "tests/golden/sluicectl"
UPDATE = "--update" in sys.argv
lab = Lab()
work = lab.dir / "work"
work.mkdir()
printed = {}  # noun -> text
covered = set()  # (command, "table" | "json")

# Every command: "NOUN VERB" or "NOUN".
COMMANDS = set()
for line in subprocess.run([BUILD / "controlplane/sluicectl", "manual", "markdown"], capture_output=True, text=True,
                           timeout=60).stdout.splitlines():
    words = re.match(r"### `sluicectl ([a-z-]+)(?: ([a-z-]+))?", line)
    if words:
        COMMANDS.add(" ".join(w for w in words.groups() if w))
# They print no JSON: a file of their own form, or a stream.
TEXT_ONLY = {"completion bash", "completion zsh", "manual man", "manual markdown", "device export", "flow watch",
             "backup restore", "profile show"}

VARYING = ("pid", "epoch", "disk_free", "bytes", "requests", "started_s", "build", "events", "apply_ns",
           "registry_bytes", "uptime_seconds", "version_id")


def plain(text):
    """Without what differs from run to run; columns keep their width."""
    text = text.replace(str(lab.dir), "/DIR")
    text = re.sub(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----(\\n|\n)?", r"(\1)\n", text, flags=re.S)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "YYYY-MM-DD hh:mm:ssZ", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "f" * 64, text)
    text = re.sub(r"\b(?!f{64})[4-7][0-9a-f]{31}\b", "5" * 32, text)
    text = re.sub(r'("\w*(?:_s|_ns|_ms)":) ?\d{6,}', r"\1 0", text)
    for name in VARYING:
        text = re.sub(rf'("{name}"): (\d+|".*?")', r"\1: 0", text)
        text = re.sub(rf"^((?:\S+\.)?{name} +)\S.*$", r"\1#", text, flags=re.M)
    text = re.sub(r"\b(pid|build|for|up) [\d.]+( (?:ms|min))?", r"\1 #\2", text)
    text = re.sub(r"\b(pid #) +", r"\1 ", text)  # the next column begins where the digits ended
    text = re.sub(r"\d+ calls", "# calls", text)
    text = re.sub(r"[\d.]+ [KMGT]?i?B, [\d.]+ [KMGT]?i?B free", "# KiB, # GiB free", text)
    return re.sub(r"[ \t]+$", "", text, flags=re.M)


def command_of(words):
    for n in (2, 1):
        if " ".join(words[:n]) in COMMANDS:
            return " ".join(words[:n])
    return lab.fail(f"no such command: {words}")


def run(*words, only=None, hide=None):
    """Once as a table and, unless it changes something, once as JSON."""
    words = [str(w) for w in words]
    name = command_of(words)
    forms = [f for f in ("table", "json") if only in (None, f) and not (f == "json" and name in TEXT_ONLY)]
    for form in forms:
        argv = words + (["--json"] if form == "json" else [])
        done = lab.ctl(*argv)
        if form == "json" and done.returncode in (0, 8):
            json.loads(done.stdout)
        out = plain(done.stdout + done.stderr)
        for pattern, to in (hide or {}).items():
            out = re.sub(pattern, to, out)
        said = " ".join(plain(w) if " " not in w else f"'{plain(w)}'" for w in argv)
        noun = words[0]
        printed[noun] = printed.get(noun, "") + f"$ sluicectl {said}\n{out}[{done.returncode}]\n\n"
        covered.add((name, form))
    return done


def both(*words, change):
    """A command that changes something: the table with these words, JSON with `change` in them."""
    run(*words, only="table")
    run(*[change.get(str(w), w) for w in words], only="json")


def text(name, content):
    (work / name).write_text(content)
    return work / name


# --- without anybody behind it, then with
RULES = """signatures:
  - {id: 1, name: shell, expression: 'wget\\s+http', severity: critical, action: ban, for: 1h, reference: CWE-78, match: 'wget http'}
  - {id: 2, name: traversal, expression: '(\\.\\./){2}', scope: both, severity: high, action: refuse, match: '../../'}
"""
(lab.dir / "signatures").mkdir()
(lab.dir / "signatures/rules.yaml").write_text(RULES)
run("status", only="table")
lab.controld()
lab.signd()
run("status")
MACHINE = "there are huge pages|the clock is synchronised|there is disk space"
THIS_MACHINE = {rf"(?m)^({MACHINE}) .*$": r"\1 ...",
                rf'(?s)("check": "(?:{MACHINE})",\s*).*?(\s*\}})': r"\1...\2",
                r"the last change is \d+ s old": "the last change is # s old", r"pid \d+": "pid #"}
run("doctor", hide=THIS_MACHINE)

both("device", "add", "pump-1", "--profile", "line", "--label", "site=basel", "--claim", "topic:plant/%d/#",
     "--records-per-s", 10, change={"pump-1": "pump-2"})
run("device", "add", "pump-1", only="table")
run("device", "add", "a/b")
fleet = "name,profile,state,labels\npump-3,line,active,site=a;floor=2\nbad/name,,,\npump-4,,asleep,\npump-5,,pending,\n"
both("device", "import", text("fleet.csv", fleet), change={
    str(work / "fleet.csv"): text("more.csv", "name\npump-6\npump-7\n")})
lab.sluiced()
run("device", "list", "--match", "pump-[1-3]")
run("device", "list", "--state", "revoked")
run("device", "list", "--limit", 2)
run("device", "show", "pump-1")
run("device", "show", "nobody")
both("device", "set", "pump-1", "--records-per-s", 5, change={"5": "6"})
both("device", "suspend", "pump-1", "--reason", "sends nonsense", change={"pump-1": "pump-2"})
run("device", "show", "pump-1", only="table")
both("device", "resume", "pump-1", change={"pump-1": "pump-2"})
both("device", "revoke", "pump-6", "--reason", "stolen", change={"pump-6": "pump-7"})
run("device", "resume", "pump-6")
both("device", "password", "pump-1", "--password-file", text("password", "correct horse\n"), change={})
both("device", "key", "pump-1", "--key-file", text("key", "00" * 32 + "\n"), "--number", 1, change={"1": "2"})
both("device", "credential-remove", "pump-1", "hmac-sha-256", 1, change={"1": "2"})
both("device", "remove", "pump-6", "--reason", "taken down", change={"pump-6": "pump-7"})
run("device", "add", "pump-6")
run("device", "export")

run("event", "list")
run("top", "--count", 1, "--every", 0.1)
run("flow", "list")
run("flow", "list", "--device", "nobody", only="table")
run("flow", "show", "pump-1")
run("flow", "watch", "--for", 0)
run("flow", "top", "--count", 1, "--every", 0.2)
both("flow", "drop", "--device", "pump-1", change={})
both("flow", "block", "--address", "10.9.0.0/16", "--reason", "flood", "--for", "2h", change={"10.9.0.0/16": "10.8.0.0/16"})
both("flow", "limit", "--device", "pump-1", "--records-per-s", 1, "--reason", "noisy", change={"pump-1": "pump-2"})
run("flow", "block", "--reason", "x")
run("flow", "blocks")
both("flow", "allow", 1, change={"1": "2"})
run("flow", "allow", "--address", "10.200.0.0/16")
run("flow", "top", "--count", 1, "--every", 0.1)
run("flow", "allow", "--device", "nobody")

run("dlq", "list", "--device", "pump-1")
run("dlq", "show", "0/42")
run("why", "pump-1")
both("dlq", "replay", "0/42", change={})
run("dlq", "replay", "--limit", 1, only="table")

run("topic", "check")
both("topic", "create", "alerts", "--partitions", 4, change={})
run("topic", "check", only="table")

config = (lab.dir / "sluice.yaml").read_text()
run("config", "show", hide={"(?s).+": "...\n"})
run("config", "check", text("same.yaml", config))
run("config", "check", text("bad.yaml", config.replace("profile: line", "profile: lime")))
run("config", "diff", text("linger.yaml", config.replace("linger: 2ms", "linger: 3ms")))
both("config", "apply", work / "linger.yaml", "--comment", "larger batches", change={})
both("config", "set", "egress.linger", "9ms", "--comment", "larger still", change={"9ms": "8ms"})
run("config", "set", "egress.lingr", "9ms")
run("config", "get", "egress.linger")
run("config", "history")
both("config", "rollback", "--version", 1, change={})

newer = text("newer.yaml", RULES.replace("name: shell", "name: download"))
bad = text("bad-rules.yaml", RULES.replace("severity: high", "severity: hihg"))
COMPILED = {r"(compile_ms|database_bytes|scratch_bytes)(\W+)\d+": r"\1\g<2>0"}
run("rules", "list")
run("rules", "test", newer, "--config", lab.dir / "sluice.yaml", hide=COMPILED)
run("rules", "test", bad)
run("rules", "check", newer)
run("rules", "check", bad)
both("rules", "apply", newer, "--comment", "better name", change={})
run("rules", "apply", bad, only="table")
run("rules", "stats")
run("rules", "history")
both("rules", "rollback", "--version", 1, change={})

run("ca", "show")
both("ca", "init", "--organisation", "Example Works", change={})
run("ca", "show")
both("ca", "request", "--organisation", "Example Works", change={})
both("ca", "import", "--certificate", work / "same.yaml", change={})
run("ca", "crl", "--days", 3, hide={r'"number": \d+': '"number": 0'})
both("cert", "issue", "pump-1", "--days", 20, change={})
both("cert", "renew", "pump-1", "--early", change={})
run("cert", "renew", "pump-1")
run("cert", "add", "pump-1", "--certificate", work / "same.yaml")
run("cert", "list", "--expiring", "30d")
serial = lab.call("GET", "/v1/certificates")[1]["certificates"][0]["serial"]
run("cert", "show", serial)
run("cert", "show", "00")
both("cert", "revoke", serial, "--reason", "lost", change={})
root = lab.call("GET", "/v1/ca")[1]["root"]["pem"]
both("trust", "add", "again", "--pem", text("root.pem", root), change={})
run("trust", "list", only="table")
run("trust", "list", only="json")
run("trust", "remove", "own", "--dry-run")
run("trust", "remove", "nobody")
run("crl", "import", work / "same.yaml")
run("crl", "list")
both("template", "set", "--issuer", "own", "--pattern", "pump-*", "--profile", "line", change={"pump-*": "valve-*"})
run("template", "set", "--issuer", "nobody", "--pattern", "*", "--profile", "line")
run("template", "list")
both("template", "remove", "own", "pump-*", change={"pump-*": "valve-*"})
run("device", "provision", "--certificate", work / "root.pem")

os.environ["SLUICED"] = str(BUILD / "dataplane/sluiced")
profiles = text("profiles.yaml", """lab: yes
ports: [{name: w, devices: d, interfaces: [{addresses: [10.0.0.1/24]}]}]
listeners: [{name: m, protocol: mqtt, port: 1883, profile: plain, auth: none}]
topics: [{name: t, partitions: 2}, {name: dead-letter}]
routes: [{name: r, topic: t}]
kafka: {brokers: embedded, dead_letter_topic: dead-letter}
profiles:
  - {name: plain, route: r, device: {from: path, segment: 1}}
  - {name: room, route: r, schema: 2, device: {from: path, segment: 1}, match: {paths: [t/+/room]},
     map: [{op: convert, field: temp, from: degF, unit: Cel}]}
""")
run("profile", "list", "--config", profiles)
run("profile", "show", "room", "--config", profiles)
run("profile", "show", "romo", "--config", profiles)
run("profile", "test", text("sample.json", '{"temp":212}'), "--path", "t/r-1/room", "--at", 1780000000000000000, "--config", profiles)
run("profile", "test", text("broken.json", '{"temp":'), "--path", "t/r-1/room", "--at", 1780000000000000000, "--config", profiles)
run("audit", "list", "--limit", 3, "--before", 6)
run("audit", "verify")
both("backup", "create", work / "backup", change={})
run("backup", "restore", work / "backup")
run("status")
run("doctor", hide=THIS_MACHINE)
run("completion", "bash", hide={"(?s).+": "...\n"})
run("completion", "zsh", hide={"(?s).+": "...\n"})
run("manual", "markdown", hide={"(?s).+": "...\n"})
(work / "man").mkdir()
run("manual", "man", work / "man")

# --- every command, in both forms
for name in sorted(COMMANDS):
    for form in ("table", "json"):
        if form == "json" and name in TEXT_ONLY:
            continue
        lab.check((name, form) in covered, f"'sluicectl {name}' has no case here as {form}: add one and run with --update")

# --- help at every level: usage, options, examples
helped = ""
for words in [[]] + [[n] for n in sorted({c.split()[0] for c in COMMANDS})]:
    done = lab.ctl(*words, "--help")
    lab.check(done.returncode == 0 and "Examples:" in done.stdout, f"no help for {words}")
    helped += f"$ sluicectl {' '.join(words + ['--help'])}\n{done.stdout}\n"
for name in sorted(COMMANDS):
    done = lab.ctl(*name.split(), "--help")
    lab.check(done.returncode == 0 and "usage: sluicectl " + name in done.stdout and "sluicectl " + name in
              done.stdout.split("Examples:")[1], f"no help or example for {name}: {done.stdout}")
printed["help"] = helped

if UPDATE:
    for old in GOLDEN.glob("*.txt"):
        old.unlink()
    for noun, said in printed.items():
        (GOLDEN / f"{noun}.txt").write_text(said)
    print(f"{len(covered)} cases written")
    sys.exit(0)
wanted = {p.stem: p.read_text() for p in GOLDEN.glob("*.txt")}
for noun in sorted(set(printed) | set(wanted)):
    if printed.get(noun) != wanted.get(noun):
        sys.stdout.writelines(difflib.unified_diff(wanted.get(noun, "").splitlines(True), printed.get(noun, "").splitlines(True),
                                                   f"tests/golden/sluicectl/{noun}.txt", "now"))
        lab.fail(f"sluicectl {noun} prints something else; if that is wanted: {sys.argv[0]} --update")
print(f"{len(covered)} cases of {len(COMMANDS)} commands")
