#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The systemd units: systemd-analyze finds nothing wrong with them, its exposure figure stays below
a bound, each program knows the options it is started with, and what must not be granted is not."""

import pathlib
import re
import subprocess
import sys
import tempfile

UNITS, BUILD = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
PROGRAMS = {"sluiced": "dataplane/sluiced", "sluice-controld": "controlplane/sluice-controld",
            "sluice-signd": "controlplane/sluice-signd"}
EXPOSURE = {"sluiced": 60, "sluice-controld": 25, "sluice-signd": 20}  # tenths; lower is safer
wrong = []


class Unit:
    """Keys may come often: all values, in order."""

    def __init__(self, text):
        self.keys_of = {}
        section = None
        for line in text.splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith("#"):
                key, value = line.split("=", 1)
                self.keys_of.setdefault((section, key), []).append(value)

    def all(self, key, section="Service"):
        return self.keys_of.get((section, key), [])

    def one(self, key, section="Service"):
        return " ".join(self.all(key, section))


def expect(true, why):
    if not true:
        wrong.append(why)


def options_known(name, program, command):
    usage = subprocess.run([program, "run", "--help"] if name == "sluiced" else [program, "--help"],
                           capture_output=True, text=True, timeout=20)
    text = usage.stdout + usage.stderr
    for option in re.findall(r"--[a-z-]+", command):
        expect(option in text, f"{name}: {option} is not in its usage")


for name, path in PROGRAMS.items():
    program = str(BUILD / path)
    text = (UNITS / f"{name}.service").read_text()
    unit = Unit(text)
    for command in unit.all("ExecStart") + unit.all("ExecStartPre"):
        expect(command.startswith(f"/usr/sbin/{name} "), f"{name}: starts {command}")
        options_known(name, program, command)
    for key in ("ProtectSystem", "NoNewPrivileges", "RestartSec", "CapabilityBoundingSet", "LimitCORE"):
        expect(unit.all(key), f"{name}: no {key}")
    with tempfile.TemporaryDirectory() as dir:
        for other in PROGRAMS:
            installed = (UNITS / f"{other}.service").read_text()
            installed = installed.replace(f"/usr/sbin/{other}", str(BUILD / PROGRAMS[other]))
            (pathlib.Path(dir) / f"{other}.service").write_text(installed)
        here = pathlib.Path(dir) / f"{name}.service"
        verify = subprocess.run(["systemd-analyze", "verify", "--man=no", here], capture_output=True,
                                text=True, timeout=60)
        noise = ("Failed to connect", "org.freedesktop", "/dev/", "Cannot set up", "Unit ")
        said = [line for line in verify.stderr.splitlines()
                if f"{name}.service" in line and not line.startswith(noise)]
        expect(not said, f"{name}: systemd-analyze verify: {' / '.join(said)}")
        security = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                                   f"--threshold={EXPOSURE[name]}", here], capture_output=True, text=True,
                                  timeout=60)
        last = [line for line in security.stdout.splitlines() if "Overall exposure" in line]
        expect(security.returncode == 0, f"{name}: {last or security.stderr}")
        print(name, *last)

signd = Unit((UNITS / "sluice-signd.service").read_text())
expect(signd.one("PrivateNetwork") == "yes" and signd.one("RestrictAddressFamilies") == "AF_UNIX",
       "sluice-signd has a network")
expect("%d/ca.key" in signd.one("ExecStart") and signd.all("LoadCredential"), "the key is no credential")
expect(Unit((UNITS / "sluiced.service").read_text()).one("Type") == "notify", "sluiced: not Type=notify")
for key in ("Requires", "BindsTo", "PartOf"):
    for name in PROGRAMS:
        expect(not Unit((UNITS / f"{name}.service").read_text()).all(key, "Unit"),
               f"{name}: {key}: one program must never take another with it")
users = set(re.findall(r"^u (\S+)", (UNITS / "sluice.sysusers").read_text(), re.M))
for name in PROGRAMS:
    user = Unit((UNITS / f"{name}.service").read_text()).one("User")
    expect(user in users | {""}, f"{name}: user {user} is not made")
for line in (UNITS / "sluice.tmpfiles").read_text().splitlines():
    if line and not line.startswith("#"):
        expect(line.split()[3] in users, f"tmpfiles: {line}")

for line in wrong:
    print("units:", line, file=sys.stderr)
sys.exit(1 if wrong else 0)
