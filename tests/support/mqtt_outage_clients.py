#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of tests/functional/mqtt_outage.sh: mqtt_outage_clients.py swarm|paho COUNT HOST

Each publishes at QoS 1 about every 2 s, with at most 4 unacknowledged, until SIGTERM; then waits
for what is outstanding. Prints "ready", "ack TIME NAME NUMBER" and "end CONNECTED LOST OUTSTANDING".
"""
import signal
import sys
import time

KEEP_ALIVE = 10
EVERY = 2.0
OUTSTANDING = 4
DRAIN = 20

stopping = False


def on_term(_number, _frame):
    global stopping
    stopping = True


def acknowledged(name, number):
    print("ack %.3f %s %d" % (time.time(), name, number))


def swarm(count, host):
    from mqtt_swarm import Swarm
    s = Swarm(host, keep_alive=KEEP_ALIVE, on_ack=lambda c, p: acknowledged(c.name, int(p[5:-1])))
    for n in range(count):
        s.add(f"swarm-{n}")
        s.step(0)
    s.run(25, lambda: s.connected == count)
    print("ready", flush=True)
    number, turn, start = [0] * count, 0, time.monotonic()
    while not stopping:
        while turn < (time.monotonic() - start) * count / EVERY:
            n = turn % count
            c = s.clients[n]
            if len(c.pending) < OUTSTANDING:
                s.publish(c, f"t/{c.name}/env", '{"n":%d}' % number[n])
                number[n] += 1
            turn += 1
        s.step(0.02)
    s.run(DRAIN, lambda: not s.pending())
    print("end", s.connected, s.ended, s.pending(), flush=True)
    for c in s.clients:
        s.close(c)


def paho(count, host):
    import paho.mqtt.client as mqtt
    clients, pending, connected, lost = [], [{} for _ in range(count)], set(), []

    def start(n):
        c = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"paho-{n}",
                        protocol=mqtt.MQTTv5 if n % 2 else mqtt.MQTTv311)
        c.on_connect = lambda *_: connected.add(n)
        c.on_disconnect = lambda *_: lost.append(n)

        def on_publish(_client, _user, mid, _reason, _properties):
            acknowledged(f"paho-{n}", pending[n].pop(mid))

        c.on_publish = on_publish
        c.connect(host, 1883, keepalive=KEEP_ALIVE)
        clients.append(c)

    for n in range(count):
        start(n)
    # One thread drives them all: nothing here has to be locked.
    number, turn, begun = [0] * count, 0, None
    drain = None
    while True:
        for c in clients:
            c.loop(timeout=0.0005)
        now = time.monotonic()
        if begun is None and len(connected) == count:
            begun = now
            print("ready", flush=True)
        if stopping:
            drain = drain or now + DRAIN
            if now > drain or not any(pending):
                break
            continue
        while begun is not None and turn < (now - begun) * count / EVERY:
            n = turn % count
            if len(pending[n]) < OUTSTANDING:
                info = clients[n].publish(f"t/paho-{n}/env", '{"n":%d}' % number[n], qos=1)
                pending[n][info.mid] = number[n]
                number[n] += 1
            turn += 1
    print("end", len(connected), len(lost), sum(map(len, pending)), flush=True)


signal.signal(signal.SIGTERM, on_term)
{"swarm": swarm, "paho": paho}[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
