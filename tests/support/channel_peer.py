#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A peer that does the channel of controlplane/api/channel.h wrong: `client PATH` plays a sluiced,
`server PATH` a sluice-controld, until killed. Prints one line per thing that happens.

    channel_peer.py client PATH version|garbage|silent
    channel_peer.py server PATH version|garbage|hanging"""

import os
import socket
import struct
import sys
import time

HEADER = struct.Struct("=IHHIHHQQ")  # magic, version, type, len, count, flags, seq, registry_version
MAGIC, HELLO, REFUSED = 0x43554C53, 1, 2
role, path, fault = sys.argv[1:4]


def say(*words):
    print(*words, flush=True)


def hello(version):
    body = struct.pack("=QQQQIHH32s", 1, 0, 0, 0, os.getpid(), 1, 0, b"channel_peer")
    return HEADER.pack(MAGIC, version, HELLO, HEADER.size + len(body), 1, 0, 1, 0) + body


def client():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)
    s.settimeout(5)
    s.send(b"\xff" * 100 if fault == "garbage" else hello(99))
    answer = s.recv(65536)
    if len(answer) >= HEADER.size and HEADER.unpack_from(answer)[2] == REFUSED:
        ours, theirs = struct.unpack_from("=HH", answer, HEADER.size)
        say("refused", ours, theirs)
        answer = s.recv(65536)
    say("closed" if not answer else "answered")


def server():
    if os.path.exists(path):
        os.unlink(path)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.bind(path)
    os.chmod(path, 0o666)
    s.listen(4)
    kept = []
    while True:
        peer, _ = s.accept()
        say("connected")
        if fault == "hanging":  # never reads, never answers
            kept.append(peer)
            continue
        peer.recv(65536)
        peer.send(b"\xff" * 100 if fault == "garbage" else hello(99))
        try:
            peer.settimeout(5)
            while peer.recv(65536):
                pass
        except OSError:
            time.sleep(0.01)
        say("closed")
        peer.close()


client() if role == "client" else server()
