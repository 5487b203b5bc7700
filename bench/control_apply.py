#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long until every worker uses a change of one device, with a million devices in the registry and
in sluiced's table: sluice-controld and sluiced with two workers (two queues of a veth, discard sink)
over the real channel.sock.

    bench/control_apply.py [DEVICES] [--changes N] [--sessions N]   (root; inside appliance/in-root)

transfer: the first whole transfer; `apply` is sluiced's time from its first message to "in force",
    `seconds` what sluice-controld's status shows from the first status of sluiced on (polled, 20 ms).
change: PATCH of a random device's state, one after the other. `answer` is the caller's time from the
    request to the answer with applied "yes" (commit with fsync, channel, table, ACK), `apply` the
    apply_ns of the ACK. `snapshot` is the worst moment: changes 3 s after the one before, when sluiced's
    housekeeping writes its snapshot of the whole table.
session: from the PATCH that suspends a device to the end of its live MQTT session (a password user), as
    its socket sees it: alone, and one of --sessions.

Milliseconds; JSON on standard output. The caller is Python on the same CPUs and part of the figures."""

import argparse
import hashlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
import rig  # noqa: E402
from control_lab import Connection, Lab  # noqa: E402
from mqtt_swarm import packet, string  # noqa: E402

HOST, PEER = "10.88.0.1", "10.88.0.2"
PASSWORD = "secret"
# As tests/support/suite.py has it for functional tests.
NAMESPACE = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
NAMESPACE_SETUP = ("mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/sluice /run/lock && "
                   'ip link set lo up && exec "$@"')


def name(i):
    return f"device-{i:08d}"


def figures(took):
    took = sorted(took)
    return {"n": len(took), "p50": round(took[len(took) // 2], 2), "p99": round(took[len(took) * 99 // 100], 2),
            "max": round(took[-1], 2)}


def network():
    """A veth pair with two queues: slu0 for sluiced, sld0 for the clients in namespace dev."""
    queues = ["numrxqueues", "2", "numtxqueues", "2"]
    for command in (["ip", "netns", "add", "dev"],
                    ["ip", "link", "add", "slu0", *queues, "type", "veth", "peer", "name", "sld0", *queues],
                    ["ip", "link", "set", "sld0", "netns", "dev"],
                    ["ethtool", "-K", "slu0", "tx", "off"],
                    ["ip", "netns", "exec", "dev", "ethtool", "-K", "sld0", "tx", "off", "tso", "off", "gso", "off", "gro", "off"],
                    ["ip", "link", "set", "slu0", "up"],
                    ["ip", "-n", "dev", "link", "set", "sld0", "up"],
                    ["ip", "-n", "dev", "addr", "add", f"{PEER}/16", "dev", "sld0"]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def configuration(run, devices, users):
    import yaml
    c = yaml.safe_load(rig.configuration(run, "net_af_xdp0,iface=slu0,start_queue=0", polling="adaptive"))
    c["ports"][0]["devices"].append("net_af_xdp1,iface=slu0,start_queue=1")
    c["dataplane"].update(workers=2, memory="1024MiB", huge_pages="never")
    c["ports"][0]["interfaces"] = [{"addresses": [f"{HOST}/16"]}]
    c["listeners"] = [{"name": "mqtt", "protocol": "mqtt", "port": 1883, "format": "json", "profile": "by-path",
                       "auth": "password", "unknown": "refuse"}]
    c["profiles"] = [p for p in c["profiles"] if p["name"] == "by-path"]
    del c["coap"]
    salt = bytes(range(16))
    secret = f"$sluice-sha256${salt.hex()}${hashlib.sha256(salt + PASSWORD.encode()).hexdigest()}"
    c["mqtt"] = {"connections": 16384, "users": [{"name": name(i), "secret": secret} for i in range(users)]}
    c["control"] = {"devices": max(1024, devices * 5 // 4)}
    return yaml.safe_dump(c)


def set_state(api, i, state):
    """Sends the request; answered() takes the answer."""
    api.request("PATCH", f"/v1/devices/{name(i)}", json.dumps({"state": state}), {"Content-Type": "application/json"})


def answered(lab, api):
    answer = json.loads(api.getresponse().read())
    lab.check(answer.get("applied") == "yes", answer)


def changes(lab, api, devices, count, pauses):
    answers, applies = [], []
    rested = time.monotonic()
    while len(answers) < count:
        i = random.randrange(devices)
        for state in ("suspended", "active"):
            time.sleep(max(0, rested + random.uniform(*pauses) - time.monotonic()))
            begin = time.perf_counter()
            set_state(api, i, state)
            answered(lab, api)
            answers.append((time.perf_counter() - begin) * 1e3)
            rested = time.monotonic()
            applies.append(lab.call("GET", "/v1/status")[1]["data_plane"]["apply_ns"] / 1e6)
    return {"answer": figures(answers), "apply": figures(applies)}


def session(lab, i):
    s = socket.create_connection((HOST, 1883), timeout=10)
    s.sendall(packet(0x10, string("MQTT") + bytes([4, 0xC2]) + struct.pack("!H", 600) + string(f"client-{i}") +
                     string(name(i)) + string(PASSWORD)))
    got = s.recv(4)
    lab.check(got == b"\x20\x02\x00\x00", f"CONNACK {got.hex()}")
    return s


def suspend(lab, api, i, s):
    """Milliseconds from the request to the end of the session."""
    begin = time.perf_counter()
    set_state(api, i, "suspended")
    try:
        said = s.recv(16)
    except ConnectionResetError:
        said = b""
    took = (time.perf_counter() - begin) * 1e3
    lab.check(said == b"", f"instead of its end the session got {said.hex()}")
    answered(lab, api)
    s.close()
    set_state(api, i, "active")
    answered(lab, api)
    return took


def sessions(lab, api, count):
    with open("/run/netns/dev", "rb") as namespace:
        os.setns(namespace.fileno(), os.CLONE_NEWNET)
    alone = []
    for _ in range(50):
        i = random.randrange(count)
        alone.append(suspend(lab, api, i, session(lab, i)))
    up = {i: session(lab, i) for i in range(count)}
    among = [suspend(lab, api, i, up.pop(i)) for i in random.sample(range(count), min(count, 100))]
    for s in up.values():
        s.setblocking(False)
        try:
            lab.check(s.recv(1) != b"", "a session ended that nobody suspended")
        except BlockingIOError:
            pass
        s.close()
    return {"alone": figures(alone), f"among_{count}": figures(among)}


def measure(options):
    lab = Lab()
    network()
    (lab.dir / "sluice.yaml").write_text(configuration(lab.dir, options.devices, options.sessions))
    lab.controld()
    with open(lab.dir / "fleet.csv", "w", encoding="ascii") as f:
        f.write("name,profile\n")
        f.writelines(f"{name(i)},by-path\n" for i in range(options.devices))
    done = lab.ctl("device", "import", lab.dir / "fleet.csv", "--json")
    lab.check(done.returncode == 0 and json.loads(done.stdout)["added"] == options.devices, done.stdout + done.stderr)
    (lab.dir / "fleet.csv").unlink()

    def together():
        status = lab.call("GET", "/v1/status")[1]
        return status["data_plane"]["connected"] and status["data_plane"]["registry_version"] == status["registry"]["version"]

    with rig.Sluiced(lab.dir, (lab.dir / "sluice.yaml").read_text()) as s:
        begin = time.monotonic()
        lab.until(together, "whole transfer", 60)
        result = {"transfer": {"seconds": round(time.monotonic() - begin, 2),
                               "apply": round(lab.call("GET", "/v1/status")[1]["data_plane"]["apply_ns"] / 1e6)}}
        result["workers"] = lab.call("GET", "/v1/status")[1]["data_plane"]["workers"]
        api = Connection(lab.api)
        result["change"] = changes(lab, api, options.devices, options.changes, (0, 0))
        result["snapshot"] = changes(lab, api, options.devices, 12, (3.0, 3.15))
        result["session"] = sessions(lab, api, options.sessions)
    lab.stop("controld")
    print(json.dumps({"bench": "control_apply", "devices": options.devices, **result, "ledger": rig.ledger(s)}))
    rig.finish()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("devices", type=int, nargs="?", default=1000000)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        os.execvp(NAMESPACE[0], [*NAMESPACE, "bash", "-c", NAMESPACE_SETUP, "control_apply", sys.executable, __file__,
                                 *sys.argv[1:], "--inside"])
    print(f"input: {options.devices} devices imported by name and profile, {options.changes} changes of state one after the "
          f"other and 12 each 3 s after the one before, 50 suspended MQTT sessions alone and 100 among {options.sessions}; "
          f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs", flush=True)
    measure(options)


if __name__ == "__main__":
    main()
