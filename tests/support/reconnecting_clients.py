#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MQTT devices with bad manners: each breaks its connection again and again with messages unanswered,
comes back with a clean session and sends everything unanswered once more, sometimes with DUP and the
old packet ids, sometimes as if it were new. Each reading carries its time and number.

  reconnecting_clients.py HOST DEVICES RATE ACKED     until SIGTERM; then it waits for what is unanswered

ACKED gets a line "device number" for each PUBACK as it comes; the last line of stdout is
"end SENT AGAIN UNANSWERED BROKEN"."""

import asyncio
import random
import signal
import struct
import sys
import time

from mqtt_swarm import packet, string

WINDOW = 16
LEAVE_S = 40


class Device:
    def __init__(self, number):
        self.name, self.next, self.id, self.unanswered = f"re-{number}", 0, 0, {}


class Fleet:
    def __init__(self, host, devices, rate, log):
        self.host, self.log, self.pause = host, log, devices / rate
        self.devices = [Device(n) for n in range(devices)]
        self.stop, self.random = False, random.Random(5)
        self.sent = self.again = self.broken = 0

    def publish(self, writer, d, number, payload, dup, packet_id):
        topic = string(f"t/{d.name}/env")
        writer.write(packet(0x32 | dup << 3, topic + struct.pack("!H", packet_id) + payload))

    def new_id(self, d):
        d.id = d.id % 65535 + 1
        return d.id

    def resend(self, writer, d):
        as_copy = self.random.random() < 0.5
        old, d.unanswered = d.unanswered, {}
        for packet_id, (number, payload) in old.items():
            if not as_copy:
                packet_id = self.new_id(d)
            d.unanswered[packet_id] = (number, payload)
            self.publish(writer, d, number, payload, int(as_copy), packet_id)
            self.again += 1

    def send_new(self, writer, d):
        if self.stop or len(d.unanswered) >= WINDOW:
            return
        payload = b'{"time":%d,"seq":%d,"n":%d}' % (time.time_ns() // 1000000, d.next, d.next)
        packet_id = self.new_id(d)
        d.unanswered[packet_id] = (d.next, payload)
        self.publish(writer, d, d.next, payload, 0, packet_id)
        d.next += 1
        self.sent += 1

    async def answers(self, reader, d):
        while True:
            head = await reader.readexactly(2)
            body = await reader.readexactly(head[1])
            if head[0] == 0x40:
                number, _ = d.unanswered.pop(struct.unpack("!H", body[:2])[0], (None, None))
                if number is not None:
                    self.log.write(f"{d.name} {number}\n")

    async def session(self, d):
        reader, writer = await asyncio.wait_for(asyncio.open_connection(self.host, 1883), 5)
        try:
            writer.write(packet(0x10, string("MQTT") + bytes([4, 2, 0, 0]) + string(d.name)))
            await asyncio.wait_for(reader.readexactly(4), 5)
            self.resend(writer, d)
            task = asyncio.create_task(self.answers(reader, d))
            lasts = time.time() + self.random.expovariate(1 / (2 if not self.stop else 5))
            while time.time() < lasts and not task.done() and not (self.stop and not d.unanswered):
                self.send_new(writer, d)
                await asyncio.sleep(self.pause)
            task.cancel()
            self.broken += 1
        finally:
            writer.transport.abort()  # a reset; what was on its way to us is lost

    async def device(self, d):
        leave = None
        while not (self.stop and not d.unanswered):
            if self.stop:
                leave = leave or time.time() + LEAVE_S
                if time.time() > leave:
                    return
            try:
                await self.session(d)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
                await asyncio.sleep(0.2)

    async def run(self):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: setattr(self, "stop", True))
        await asyncio.gather(*(self.device(d) for d in self.devices))
        unanswered = sum(len(d.unanswered) for d in self.devices)
        print("end", self.sent, self.again, unanswered, self.broken, flush=True)


with open(sys.argv[4], "w", buffering=1) as out:
    asyncio.run(Fleet(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), out).run())
