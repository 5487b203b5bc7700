#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Walks every option that the table calls live, on a running sluiced: sets it to another value, and
insists that it is in force without a restart. An option without a row below fails the walk. Then
some of them are watched at work: set, seen to act, rolled back, seen to act no more."""

import json
import re
import subprocess
import sys
import time

CTL, DEV, RUN = sys.argv[1], "ip netns exec dev".split(), sys.argv[2]

# option, lists by [] -> another good value. None: why it cannot be set by itself.
OTHER = {
    "dataplane.polling": "busy", "dataplane.drain": "9s", "ports[].exception.rate": "900",
    "net.icmp_rate": "900", "coap.ack_delay": "400ms", "coap.max_age": "11s",
    "coap.upload_timeout": "50s", "coap.echo": "no", "frame.receipt_delay": "150ms",
    "frame.keys": "file:examples/other.keys", "mqtt.session_expiry_max": "2d",
    "mqtt.keep_alive_max": "30m", "mqtt.publish_rate": "100000", "mqtt.connect_rate": "100000",
    "egress.batch_records": "512", "egress.linger": "3ms", "egress.checkpoint": "2s",
    "kafka.dead_letter_topic": "telemetry", "kafka.alert_topic": "telemetry", "pipeline.late_share": "30",
    "watch.connections": "0", "watch.returns": "3", "watch.rate_factor": "4", "watch.rate_min": "100",
    "watch.ports": "20", "watch.quiet": "2m",
    "listeners[].port": "5690", "listeners[].unknown": "refuse",
    "listeners[].format": "json", "listeners[].trust[]": "10.77.0.0/25",
    "listeners[].profile": "by-field", "profiles[].device.from": "address",
    "profiles[].device.segment": "2", "profiles[].time.key": "when", "profiles[].time.unit": "s",
    "profiles[].sequence.key": "number", "profiles[].device.key": "who",
    "routes[].ack": "received", "routes[].encoding": "original", "routes[].topic": "dead-letter",
    "listeners[].name": "other",
    "listeners[].protocol": None, "listeners[].auth": None,  # others want other options too
    "profiles[].name": None, "routes[].name": None, "profiles[].route": None,  # others refer to them
    "profile_files": None, "profile_files[]": None,  # whole files: config_live applies such
    "mqtt.users": None,
}
# What the walk does not set, in files of their own: they come with the generation of their profile.
ELSEWHERE = re.compile(r"profiles\[\]\.(fields|map|on|match|claim)\b|profiles\[\]\.[a-z_]+$")


def ctl(*words):
    done = subprocess.run([CTL, *words, "--json"], capture_output=True, text=True, timeout=30)
    return done.returncode, (json.loads(done.stdout) if done.stdout.startswith("{") else {}), done.stderr


def taken(*words):
    """What is wrong with it; empty if it is in force."""
    code, answer, error = ctl("config", *words)
    if code == 0 and answer.get("applied") == "yes":
        return ""
    return f"config {' '.join(words)}: {answer.get('applied')} {error}"


def change(*words):
    if problem := taken(*words):
        sys.exit(problem)


def dev(*words):
    return subprocess.run([*DEV, *words], capture_output=True, text=True, timeout=20)


def post(device):
    return dev("coap-client", "-v", "6", "-B", "5", "-m", "post", "-t", "application/json", "-e",
               '{"temp":1}', f"coap://10.77.0.1/t/{device}/env")


def udp(port, text):
    dev("python3", "-c", "import socket,sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
        ".sendto(sys.argv[2].encode(), ('10.77.0.1', int(sys.argv[1])))", str(port), text)


def kafka(topic):
    brokers = open(f"{RUN}/kafka").read().strip()
    return subprocess.run(["kcat", "-q", "-b", brokers, "-C", "-t", topic, "-o", "beginning", "-e"],
                          capture_output=True, text=True, errors="replace", timeout=20).stdout


def within(seconds, true):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False


def connack():
    """What a new MQTT 5 connection is told."""
    code = ("import json,sys,threading\nimport paho.mqtt.client as m\n"
            "from paho.mqtt.properties import Properties\nfrom paho.mqtt.packettypes import PacketTypes\n"
            "p=Properties(PacketTypes.CONNECT)\np.SessionExpiryInterval=4000000\n"
            "c=m.Client(m.CallbackAPIVersion.VERSION2,client_id='asking',protocol=m.MQTTv5)\n"
            "d=threading.Event()\n"
            "def on(c,u,f,r,q):\n print(json.dumps(q.json()));d.set()\n"
            "c.on_connect=on\nc.connect('10.77.0.1',1883,keepalive=30000,properties=p)\nc.loop_start()\n"
            "d.wait(5)\n")
    return json.loads(dev("python3", "-c", code).stdout or "{}")


def walk():
    code, answer, error = ctl("config", "get")
    missing, wrong, seen = [], [], set()
    for option in answer["options"]:
        path = re.sub(r"\[\d+\]", "[]", option["option"])
        if option["restart"] or path in seen:
            continue
        if path not in OTHER:
            if not ELSEWHERE.match(path):
                missing.append(path)
            continue
        seen.add(path)
        if OTHER[path] is None:
            continue
        if problem := taken("set", option["option"], OTHER[path]):
            wrong.append(problem)
        else:
            change("rollback")
    if missing:
        sys.exit(f"live options that nobody looks at: {', '.join(missing)}")
    unknown = {path for path in OTHER if OTHER[path] is not None} - seen
    if unknown:
        sys.exit(f"no such live options any more: {', '.join(sorted(unknown))}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(seen)} live options walked")


def watched(option, value, acts):
    """`acts` must be false before, true while set, and false after the rollback."""
    for state, step in ((False, None), (True, ("set", option, value)), (False, ("rollback",))):
        if step:
            change(*step)
        if acts() != state:
            failures.append(f"{option}={value}: {'does not act' if state else 'acts'} after {step}")
    print(f"{option} watched")


failures = []
serial = iter(range(1, 1000))


def arrives_on(port):
    name = f"at-{next(serial)}"
    udp(port, '{"device":"%s","temp":1}' % name)
    return within(1.5, lambda: f'"{name}"' in kafka("telemetry"))


closed = iter(range(20000, 21000, 7))


def scan_alarms():
    """Four ports nobody listens on, of sixteen that a peer may try in a minute."""
    raised = kafka("alerts").count('"port-scan"')
    for port in [next(closed) for _ in range(4)]:
        udp(port, "anybody?")
    return within(1.5, lambda: kafka("alerts").count('"port-scan"') > raised)


walk()
watched("watch.ports", "3", scan_alarms)
watched("listeners[2].port", "8099", lambda: arrives_on(8099))
watched("listeners[0].unknown", "refuse", lambda: "4.0" in str(post("new")))
watched("listeners[2].trust[0]", "10.78.0.0/24", lambda: not arrives_on(8095))
watched("mqtt.keep_alive_max", "5s", lambda: connack().get("ServerKeepAlive") == 5)
watched("mqtt.session_expiry_max", "1h", lambda: connack().get("SessionExpiryInterval") == 3600)
watched("net.icmp_rate", "0", lambda: dev("ping", "-c", "1", "-W", "1", "10.77.0.1").returncode != 0)
if failures:
    sys.exit("\n".join(failures))
