#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Publishes {"n":1}, {"n":2}, ... with QoS 1, one at a time, and writes down each n that was
acknowledged. What is not acknowledged is sent again, over a new connection if need be, whoever is
killed meanwhile. Ends when the file `STOP` is there."""

import argparse
import os
import time

import paho.mqtt.client as mqtt

p = argparse.ArgumentParser()
p.add_argument("host")
p.add_argument("device")
p.add_argument("told")
p.add_argument("stop")
p.add_argument("--pause", type=float, default=0.002)
args = p.parse_args()

acknowledged = set()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=args.device, protocol=mqtt.MQTTv311)
client.reconnect_delay_set(min_delay=1, max_delay=1)
client.on_publish = lambda _client, _data, mid, *_: acknowledged.add(mid)
client.connect_async(args.host, 1883, keepalive=20)
client.loop_start()
n = 1
with open(args.told, "w", buffering=1) as told:
    while not os.path.exists(args.stop):
        if not client.is_connected():
            time.sleep(0.01)
            continue
        mid = client.publish(f"t/{args.device}/env", '{"n":%d}' % n, qos=1).mid
        end = time.monotonic() + 5
        while mid not in acknowledged and client.is_connected() and time.monotonic() < end:
            time.sleep(args.pause)
        if mid in acknowledged:
            told.write(f"{n}\n")
            n += 1
client.loop_stop()
