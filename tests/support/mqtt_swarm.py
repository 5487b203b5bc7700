# SPDX-License-Identifier: Apache-2.0
"""Many MQTT 3.1.1 clients in one thread, for tests: epoll, no library, nothing beyond CONNECT,
PUBLISH at QoS 1, PINGREQ and DISCONNECT. A client that the server ends stays ended."""

import errno
import select
import socket
import struct
import time


def string(text):
    raw = text.encode()
    return struct.pack("!H", len(raw)) + raw


def packet(first, body):
    length, size = b"", len(body)
    while True:
        length += bytes([size % 128 | (0x80 if size > 127 else 0)])
        size //= 128
        if not size:
            return bytes([first]) + length + body


class Client:
    __slots__ = ("name", "sock", "inbox", "outbox", "connected", "resumed", "refused", "pending", "ended",
                 "spoke", "next_id", "writing")

    def __init__(self, name):
        self.name, self.inbox, self.outbox = name, b"", b""
        self.connected, self.resumed, self.refused, self.ended = False, False, None, None
        self.pending, self.spoke, self.next_id, self.writing = {}, 0.0, 1, True


class Swarm:
    def __init__(self, host, port=1883, keep_alive=10, on_ack=None):
        self.to, self.keep_alive, self.on_ack = (host, port), keep_alive, on_ack
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.poll, self.by_fd, self.clients = select.epoll(), {}, []
        self.connected = self.refused = self.acked = self.ended = 0
        self.pinged = time.monotonic()

    def add(self, name, source=None, clean=True, user=None, password=None):
        c = Client(name)
        c.sock = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if source:
            # The port is chosen at connect(): 60,000 per source address.
            c.sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            c.sock.bind((source, 0))
        code = c.sock.connect_ex(self.to)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, f"{name}: connect")
        flags = (2 if clean else 0) | (0xC0 if user else 0)
        c.outbox = packet(0x10, string("MQTT") + bytes([4, flags]) +
                          struct.pack("!H", self.keep_alive) + string(name) +
                          (string(user) + string(password) if user else b""))
        c.spoke = time.monotonic()
        self.by_fd[c.sock.fileno()] = c
        self.clients.append(c)
        self.poll.register(c.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        return c

    def send(self, c, raw):
        if c.ended:
            return
        c.outbox += raw
        c.spoke = time.monotonic()
        self.flush(c)

    def publish(self, c, topic, payload):
        """QoS 1. on_ack(client, payload) follows."""
        while c.next_id in c.pending:
            c.next_id = c.next_id % 65535 + 1
        number, c.next_id = c.next_id, c.next_id % 65535 + 1
        c.pending[number] = payload
        self.send(c, packet(0x32, string(topic) + struct.pack("!H", number) + payload.encode()))

    def close(self, c, politely=True):
        if c.ended:
            return
        if politely:
            self.send(c, b"\xe0\x00")
        self.end(c, "ours")

    def end(self, c, why):
        if c.ended:
            return
        c.ended = why
        if why != "ours":
            self.ended += 1
        del self.by_fd[c.sock.fileno()]
        c.sock.close()

    def flush(self, c):
        try:
            while c.outbox:
                c.outbox = c.outbox[c.sock.send(c.outbox):]
        except BlockingIOError:
            pass
        except OSError as e:
            if e.errno != errno.ENOTCONN:
                return self.end(c, str(e))
        if bool(c.outbox) != c.writing:
            c.writing = bool(c.outbox)
            self.poll.modify(c.sock.fileno(), select.EPOLLIN |
                             (select.EPOLLOUT if c.writing else 0))

    def read(self, c):
        try:
            raw = c.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as e:
            return self.end(c, str(e))
        if not raw:
            return self.end(c, "closed by the server")
        c.inbox += raw
        # The answers to such clients have one byte of length.
        while len(c.inbox) >= 2 and len(c.inbox) >= 2 + c.inbox[1]:
            size = 2 + c.inbox[1]
            self.answer(c, c.inbox[:size])
            c.inbox = c.inbox[size:]

    def answer(self, c, p):
        if p[0] == 0x20 and p[3] == 0 and not c.connected:
            c.connected, c.resumed = True, bool(p[2] & 1)
            self.connected += 1
        elif p[0] == 0x20 and p[3] != 0:
            c.refused = p[3]
            self.refused += 1
        elif p[0] == 0x40 and struct.unpack("!H", p[2:4])[0] in c.pending:
            payload = c.pending.pop(struct.unpack("!H", p[2:4])[0])
            self.acked += 1
            if self.on_ack:
                self.on_ack(c, payload)
        elif p[0] != 0xD0:
            raise AssertionError(f"{c.name}: unexpected packet {p.hex()}")

    def step(self, timeout=0.1):
        for fd, event in self.poll.poll(timeout, 4096):
            c = self.by_fd.get(fd)
            if c and event & select.EPOLLOUT:
                self.flush(c)
            if not c or c.ended:
                continue
            if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                self.read(c)
        now = time.monotonic()
        if now - self.pinged >= 0.5 and self.keep_alive:
            self.pinged = now
            for c in list(self.by_fd.values()):
                if c.connected and now - c.spoke > self.keep_alive / 2:
                    self.send(c, b"\xc0\x00")

    def run(self, seconds, done=lambda: False):
        """True when done() is, False after so many seconds."""
        end = time.monotonic() + seconds
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.step(min(left, 0.1))
        return True

    def pending(self):
        return sum(len(c.pending) for c in self.by_fd.values())
