#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference sender of protected frames, written from docs/protected-frame.md alone.

  frame_sender.py vectors                     print the document's test vectors
  frame_sender.py check DOCUMENT              do the vectors in DOCUMENT hold?
  frame_sender.py send HOST PORT --keys FILE --device ID [--epoch N] [--seq N] [--receipt SECONDS]
                       [--count N] [--rate PER_SECOND] PAYLOAD

`send` prints a line "receipt HIGHEST BITS" for every receipt that its key authenticates; "%d" in
the payload becomes the sequence.
"""

import argparse
import hmac
import socket
import struct
import sys
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
HMAC, RECEIPT, QUERY, REPLY = 0x01, 0x02, 0x04, 0x80
TAG = 16


def seal(algorithm, number, key, device, epoch, seq, flags, payload):
    """One frame as it goes into a datagram."""
    if algorithm == "hmac-sha-256":
        flags |= HMAC
    name = device.encode()
    header = struct.pack(">BBBBIQ", VERSION, flags, number, len(name), epoch, seq) + name
    if flags & HMAC:
        body = header + payload
        return body + hmac.digest(key, body, "sha256")[:TAG]
    direction = 0x80000000 if flags & REPLY else 0
    nonce = struct.pack(">IQ", epoch | direction, seq)
    return header + AESGCM(key).encrypt(nonce, payload, header)


def open_reply(algorithm, key, datagram):
    """(epoch, seq, highest, bits) of a receipt, None if it is not one that `key` made."""
    if len(datagram) < 16 + TAG:
        return None
    version, flags, _, length, epoch, seq = struct.unpack(">BBBBIQ", datagram[:16])
    if version != VERSION or not flags & REPLY:
        return None
    header, rest = datagram[: 16 + length], datagram[16 + length :]
    if algorithm == "hmac-sha-256":
        tag = hmac.digest(key, datagram[:-TAG], "sha256")[:TAG]
        if not hmac.compare_digest(tag, datagram[-TAG:]):
            return None
        payload = rest[:-TAG]
    else:
        try:
            payload = AESGCM(key).decrypt(struct.pack(">IQ", epoch | 0x80000000, seq), rest, header)
        except InvalidTag:
            return None
    return (epoch, seq, *struct.unpack(">QQ", payload))


K1 = bytes(range(16))
K2 = bytes(range(0x20, 0x40))
VECTORS = [
    ("gcm", "aes-128-gcm", 0, K1, 1, 1, 0, "dev-1", b'{"temp":21.4}'),
    ("gcm-receipt", "aes-128-gcm", 7, K1, 0x7FFFFFFF, 2**64 - 1, RECEIPT, "d", b"x" * 16),
    ("gcm-empty", "aes-128-gcm", 0, K1, 1, 2, 0, "dev-1", b""),
    ("gcm-query", "aes-128-gcm", 0, K1, 1, 3, RECEIPT | QUERY, "dev-1", bytes(16)),
    ("hmac", "hmac-sha-256", 1, K2, 0, 1, 0, "dev-2", b"m,device=dev-2 t=21.4"),
    ("hmac-receipt", "hmac-sha-256", 1, K2, 0, 258, RECEIPT, "dev-2", b"m,device=dev-2 t=21.5"),
    ("reply-gcm", "aes-128-gcm", 0, K1, 1, 1, REPLY, "dev-1", struct.pack(">QQ", 1, 0)),
    ("reply-hmac", "hmac-sha-256", 1, K2, 0, 258, REPLY, "dev-2", struct.pack(">QQ", 258, 5)),
]


def vector_line(name, algorithm, number, key, epoch, seq, flags, device, payload):
    frame = seal(algorithm, number, key, device, epoch, seq, flags, payload)
    fields = ["vector", name, algorithm, number, key.hex(), epoch, seq, f"{flags:#04x}", device]
    return " ".join(map(str, fields + [payload.hex() or "-", frame.hex()]))


def check(document):
    with open(document, encoding="utf-8") as f:
        found = [line.strip() for line in f if line.startswith("vector ")]
    wanted = [vector_line(*v) for v in VECTORS]
    for line in wanted:
        if line not in found:
            print(f"{document}: missing or different: {line}", file=sys.stderr)
    return 0 if found == wanted else 1


def key_of(path, device):
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            if words and words[0] == device:
                return words[1], int(words[2]), bytes.fromhex(words[3])
    sys.exit(f"{path}: no key for {device}")


def receipts_print(s, algorithm, key, seconds):
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            reply = open_reply(algorithm, key, s.recv(2048))
        except TimeoutError:
            return
        if reply is not None:
            print("receipt", reply[2], f"{reply[3]:#x}", flush=True)


def send(args):
    algorithm, number, key = key_of(args.keys, args.device)
    flags = RECEIPT if args.receipt > 0 else 0
    address = socket.getaddrinfo(args.host, args.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(address[0], socket.SOCK_DGRAM) as s:
        s.connect(address[4])
        for seq in range(args.seq, args.seq + args.count):
            payload = args.payload.replace("%d", str(seq)).encode()
            s.send(seal(algorithm, number, key, args.device, args.epoch, seq, flags, payload))
            if args.rate > 0:
                time.sleep(1 / args.rate)
        receipts_print(s, algorithm, key, args.receipt)
    return 0


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sub = p.add_subparsers(dest="command", required=True)
    sub.add_parser("vectors")
    sub.add_parser("check").add_argument("document")
    s = sub.add_parser("send")
    s.add_argument("host")
    s.add_argument("port", type=int)
    s.add_argument("payload")
    s.add_argument("--keys", required=True)
    s.add_argument("--device", required=True)
    s.add_argument("--epoch", type=int, default=int(time.time()))
    s.add_argument("--seq", type=int, default=1)
    s.add_argument("--count", type=int, default=1)
    s.add_argument("--rate", type=float, default=0)
    s.add_argument("--receipt", type=float, default=0)
    args = p.parse_args()
    if args.command == "vectors":
        print("\n".join(vector_line(*v) for v in VECTORS))
        return 0
    return check(args.document) if args.command == "check" else send(args)


if __name__ == "__main__":
    sys.exit(main())
