#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A paho-mqtt client against sluiced: mqtt_paho.py HOST

Publishes 200 messages at QoS 1 and 2 with topic aliases, subscribes to its own and to somebody
else's commands, and leaves a second client's will behind. Ends with status 0 only if every step was
answered as the specification says.
"""
import socket
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

HOST = sys.argv[1]
TIMEOUT = 15


def connected(client_id, protocol, **settings):
    """A client with its loop running, after CONNACK."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol)
    ready = threading.Event()
    client.on_connect = lambda c, u, f, reason, p: ready.set() if reason == 0 else None
    if "will" in settings:
        client.will_set(*settings["will"], qos=1)
    client.connect(HOST, 1883, keepalive=10)
    client.loop_start()
    assert ready.wait(TIMEOUT), f"{client_id}: no CONNACK"
    return client


def publish_all(client):
    for i in range(200):
        properties = Properties(PacketTypes.PUBLISH)
        properties.TopicAlias = 1 + i % 4
        properties.UserProperty = ("n", str(i))
        topic = f"t/paho-1/s{i % 4}" if i < 4 else ""
        message = client.publish(topic, f'{{"temp":{i}}}', qos=1 + i % 2, properties=properties)
        message.wait_for_publish(TIMEOUT)
        assert message.is_published(), f"message {i} was not acknowledged"


def subscribe(client, topic):
    done = threading.Event()
    codes = []

    def on_subscribe(_client, _userdata, _mid, reasons, _properties):
        codes.extend(r.value for r in reasons)
        done.set()

    client.on_subscribe = on_subscribe
    client.subscribe(topic, qos=1)
    assert done.wait(TIMEOUT), "no SUBACK"
    return codes


def leave_a_will():
    client = connected("paho-will", mqtt.MQTTv311, will=("t/paho-will/env", '{"temp":99.5}'))
    # The connection dies without DISCONNECT.
    client.socket().shutdown(socket.SHUT_RDWR)
    client.loop_stop()


def main():
    client = connected("paho-1", mqtt.MQTTv5)
    publish_all(client)
    assert subscribe(client, "cmd/paho-1/#") == [1], "own commands were refused"
    assert subscribe(client, "cmd/other/#") == [0x87], "somebody else's commands were granted"
    client.disconnect()
    client.loop_stop()
    leave_a_will()
    return 0


if __name__ == "__main__":
    sys.exit(main())
