#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything tests/run does inside the Debian 13 root: builds, unit tests, lints, sanitizers, fuzz
smoke, functional tests. Each step has a bound; a summary line closes the run."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
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
    # Time to say where it hangs, before it is killed. The shell stays: somebody has to reap what has
    # lost its parent, a Kafka that was killed above all, which counts as alive until then.
    "ip addr add 192.0.2.1/32 dev lo && timeout --kill-after=15 280 \"$@\"; exit $?"
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
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            print("\n".join("      | " + line for line in lines[-40:]), flush=True)
            # Long reasons and what is said after them: what went wrong stands at the end again.
            reasons = [line[:300] for line in lines if line.startswith("FAIL")]
            print("".join(f"      > {line}\n" for line in reasons), end="", flush=True)
            self.failed.append(name + (f": {reasons[-1]}" if reasons else ""))


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


ASAN = ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbench=false"]
FUZZ = ["-Dfuzzers=true", "-Db_lundef=false", "-Db_sanitize=address,undefined"]
CLANG = dict(os.environ, CC="clang-19")


class Behind:
    """Builds at the lowest priority beside something else. What fails here fails again, and is
    counted, when its stage builds what is left."""

    def __init__(self, wanted):
        self.asked = [f"build-{short}" for short in ("asan", "fuzz") if wanted(short)]
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        for folder, options, env in (("build-asan", ASAN, None), ("build-fuzz", FUZZ, CLANG)):
            if folder not in self.asked:
                continue
            log = LOGS / f"{folder}-behind.log"
            log.unlink(missing_ok=True)
            if not (TOP / folder / "build.ninja").exists():
                run(["meson", "setup", folder, *options], log, 300, env)
            run(["nice", "-n", "19", "ninja", "-C", folder], log, 1800, env)

    def wait(self):
        self.thread.join()


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


def fuzz_one(target):
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
    return target, "pass" if code == 0 else "fail", seconds, log


def fuzz_smoke(tally, selected):
    """One target for each CPU at a time."""
    folder = TOP / "build-fuzz" / "tests" / "fuzz"
    targets = [p for p in sorted(folder.glob("fuzz_*")) if p.is_file() and os.access(p, os.X_OK)
               and selected(f"fuzz/{p.name}")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for target, state, seconds, log in pool.map(fuzz_one, targets):
            tally.add(f"fuzz/{target.name}", state, seconds, log)


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
        # Functional tests mostly wait for clients, timers and Kafka: the other builds take what
        # they leave of the CPUs.
        behind = Behind(lambda name: not options.quick and selected(name))
        print("== functional tests (other builds go on behind them)", flush=True)
        functional(tally, selected)
        behind.wait()
        if "build-asan" in behind.asked:
            print("== unit tests under ASan and UBSan", flush=True)
            if build(tally, "build-asan", ASAN):
                meson_tests(tally, "build-asan", ["unit"], 900)
        if "build-fuzz" in behind.asked:
            print("== clang 19 and fuzzing", flush=True)
            if build(tally, "build-fuzz", FUZZ, CLANG):
                fuzz_smoke(tally, selected)

    print(f"\nlogs: {LOGS.relative_to(TOP)}, {time.monotonic() - start:.0f} s")
    for name in tally.failed:
        print(f"failed: {name}")
    for name in tally.skipped:
        print(f"skipped: {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    sys.exit(1 if tally.failed or tally.passed == 0 else 0)


main()
