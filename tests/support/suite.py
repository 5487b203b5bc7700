#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything tests/run does inside the Debian 13 root: builds, unit tests, lints, sanitizers, fuzz
smoke, functional tests. Each step has a bound; a summary line closes the run."""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
LOGS = TOP / "build" / "test-logs"
FUNCTIONAL = TOP / "tests" / "functional"
FUZZ_SECONDS = int(os.environ.get("SLUICE_FUZZ_SECONDS", "6"))
SKIP = 77
# A network and mount namespace of its own for every functional test: /sys shows its interfaces,
# /run is private, and whatever it leaves running dies with the PID namespace.
NAMESPACE = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork",
             "--kill-child", "--mount-proc"]
NAMESPACE_SETUP = (
    "mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && "
    "mkdir -p /run/netns /run/sluice /run/lock && ip link set lo up && "
    # Resolvers that ask for configured address families do not count 127.0.0.1.
    "ip addr add 192.0.2.1/32 dev lo && exec \"$@\""
)


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, name, state, seconds, log):
        mark = {"pass": "ok  ", "fail": "FAIL", "skip": "skip"}[state]
        print(f"  {mark} {name} ({seconds:.1f} s)", flush=True)
        if state == "pass":
            self.passed += 1
        elif state == "skip":
            self.skipped.append(name)
        else:
            self.failed.append(name)
            tail = log.read_text(errors="replace").splitlines()[-40:] if log.exists() else []
            print("\n".join("      | " + line for line in tail), flush=True)


def run(command, log, timeout, env=None):
    """Run in a process group of its own, so that a time-out ends everything it started."""
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with open(log, "ab") as out:
        process = subprocess.Popen(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True, env=env)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            out.write(f"\ntimed out after {timeout} s\n".encode())
            code = -1
    return code, time.monotonic() - start


def build(tally, folder, options, env=None):
    log = LOGS / f"{folder}.log"
    log.unlink(missing_ok=True)
    seconds, code = 0.0, 0
    if not (TOP / folder / "build.ninja").exists():
        code, seconds = run(["meson", "setup", folder, *options], log, 120, env)
    if code == 0:
        code, more = run(["ninja", "-C", folder], log, 900, env)
        seconds += more
    tally.add(f"build {folder}", "pass" if code == 0 else "fail", seconds, log)
    return code == 0


def meson_tests(tally, folder, suites, timeout):
    """Run meson suites and count every test on its own."""
    log = LOGS / f"{folder}-tests.log"
    log.unlink(missing_ok=True)
    command = ["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs"]
    for suite in suites:
        command += ["--suite", suite]
    results = TOP / folder / "meson-logs" / "testlog.json"
    results.unlink(missing_ok=True)
    code, seconds = run(command, log, timeout)
    if not results.exists():
        tally.add(f"{folder} tests", "fail", seconds, log)
        return
    failures = 0
    for line in results.read_text().splitlines():
        test = json.loads(line)
        short = test["name"].split(" / ")[-1]
        state = {"OK": "pass", "SKIP": "skip"}.get(test["result"], "fail")
        detail = log
        if state == "fail":
            failures += 1
            detail = LOGS / f"{folder}-{short.replace(' ', '_').replace('/', '_')}.log"
            detail.write_text(test.get("stdout", "") + test.get("stderr", ""))
        tally.add(f"{folder}: {short}", state, test["duration"], detail)
    if code != 0 and failures == 0:
        tally.add(f"{folder} tests", "fail", seconds, log)


def kafka_fetch(tally):
    """The jars of the real Kafka; the tests themselves have no network."""
    log = LOGS / "kafka-fetch.log"
    log.unlink(missing_ok=True)
    code, seconds = run([str(TOP / "tests" / "kafka" / "broker"), "fetch"], log, 660)
    tally.add("kafka jars", "pass" if code == 0 else "fail", seconds, log)


def mqttjs_fetch(tally):
    """mqtt.js from npm, for the same reason."""
    log = LOGS / "mqttjs-fetch.log"
    log.unlink(missing_ok=True)
    code, seconds = run([str(TOP / "tests" / "support" / "mqttjs" / "fetch")], log, 320)
    tally.add("mqtt.js", "pass" if code == 0 else "fail", seconds, log)


def functional(tally, selected):
    scripts = [p for p in sorted(FUNCTIONAL.iterdir()) if p.is_file() and os.access(p, os.X_OK)
               and selected(f"functional/{p.stem}")]
    texts = [p.read_text() for p in scripts]
    if not os.environ.get("SLUICE_QUICK") and any("kafka_start" in t for t in texts):
        kafka_fetch(tally)
    if any("mqttjs" in t for t in texts):
        mqttjs_fetch(tally)
    for script in scripts:
        name = f"functional/{script.stem}"
        log = LOGS / f"functional-{script.stem}.log"
        log.unlink(missing_ok=True)
        code, seconds = run([*NAMESPACE, "bash", "-c", NAMESPACE_SETUP, "functional", str(script)],
                            log, 300)
        tally.add(name, {0: "pass", SKIP: "skip"}.get(code, "fail"), seconds, log)


def fuzz_smoke(tally, selected):
    folder = TOP / "build-fuzz" / "tests" / "fuzz"
    targets = [p for p in sorted(folder.glob("fuzz_*")) if p.is_file() and os.access(p, os.X_OK)]
    for target in targets:
        name = f"fuzz/{target.name}"
        if not selected(name):
            continue
        short = target.name.removeprefix("fuzz_")
        log = LOGS / f"fuzz-{short}.log"
        log.unlink(missing_ok=True)
        inputs = [TOP / "tests" / "fuzz" / kind / short for kind in ("corpus", "regression")]
        scratch = pathlib.Path("/tmp/fuzz") / short
        scratch.mkdir(parents=True, exist_ok=True)
        code, seconds = run(
            [str(target), f"-max_total_time={FUZZ_SECONDS}", "-rss_limit_mb=2048", "-timeout=10",
             f"-artifact_prefix={LOGS}/crash-{short}-", str(scratch),
             *(str(p) for p in inputs if p.is_dir())],
            log, FUZZ_SECONDS + 60)
        tally.add(name, "pass" if code == 0 else "fail", seconds, log)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    tally = Tally()
    start = time.monotonic()

    def selected(name):
        return not options.only or any(pattern in name for pattern in options.only)

    if options.quick:
        os.environ["SLUICE_QUICK"] = "1"
    LOGS.mkdir(parents=True, exist_ok=True)
    print("== build (gcc 14)", flush=True)
    if build(tally, "build", []):
        suites = [s for s in ("unit", "lint") if selected(s)]
        if suites:
            print("== unit tests and lints", flush=True)
            meson_tests(tally, "build", suites, 900)
        print("== functional tests", flush=True)
        functional(tally, selected)
    if not options.quick and selected("asan"):
        print("== unit tests under ASan and UBSan", flush=True)
        if build(tally, "build-asan",
                 ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbench=false"]):
            meson_tests(tally, "build-asan", ["unit"], 900)
    if not options.quick and selected("fuzz"):
        print("== clang 19 and fuzzing", flush=True)
        clang = dict(os.environ, CC="clang-19")
        if build(tally, "build-fuzz", ["-Dfuzzers=true", "-Db_lundef=false",
                                       "-Db_sanitize=address,undefined"], clang):
            fuzz_smoke(tally, selected)

    print(f"\nlogs: {LOGS.relative_to(TOP)}, {time.monotonic() - start:.0f} s")
    for name in tally.failed:
        print(f"failed: {name}")
    for name in tally.skipped:
        print(f"skipped: {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    sys.exit(1 if tally.failed or tally.passed == 0 else 0)


main()
