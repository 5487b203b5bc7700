#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The paho-mqtt client of tests/functional/mqtt_bad_network.sh: mqtt_bad_network_client.py HOST NAME SIZE

Publishes 60 messages at QoS 1 and 60 at QoS 2, of up to SIZE bytes, on sessions that outlive their
connection; prints "DEVICE NUMBER QOS" for each that was acknowledged. Status 0: all were.
"""
import sys
import time

import paho.mqtt.client as mqtt

COUNT = 60
SECONDS = 50

host, name, size = sys.argv[1:]
acked = {}


def client(qos, protocol):
    device = f"{name}-{qos}"
    settings = {} if protocol == mqtt.MQTTv5 else {"clean_session": False}
    c = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device, protocol=protocol, **settings)
    c.reconnect_delay_set(1, 2)
    numbers = {}

    def on_publish(_client, _user, mid, _reason, _properties):
        acked[device, numbers[mid], qos] = True

    c.on_publish = on_publish
    c.connect_async(host, 1883, keepalive=10)
    for n in range(COUNT):
        info = c.publish(f"t/{device}/env", '{"n":%d,"pad":"%s"}' % (n, "x" * (n * 37 % int(size))), qos=qos)
        numbers[info.mid] = n
    c.loop_start()
    return c


clients = [client(1, mqtt.MQTTv5), client(2, mqtt.MQTTv311)]
end = time.monotonic() + SECONDS
while len(acked) < 2 * COUNT and time.monotonic() < end:
    time.sleep(0.05)
for c in clients:
    c.disconnect()
    c.loop_stop()
for device, n, qos in acked:
    print(device, n, qos)
sys.exit(0 if len(acked) == 2 * COUNT else 1)
