#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prove that nothing of a topic was lost, repeated or inserted (docs/record.md, "Checkpoint").

    kcat -b HOST:PORT -C -t TOPIC -e -q -f '%t %p %K %S\\n%k%s\\n' | prove_complete.py

Reads every message of the topic from its beginning, in the JSON encoding, one record a message or
many (lines). Exits 1 and names the place at the first gap, repetition, insertion or broken chain.
With --tail the beginning may be gone (retention): each partition counts from its first checkpoint
on. With --protobuf DIR the records are protobuf, and DIR has record_pb2.py, which protoc makes of
pipelines/proto/record.proto.
"""
import hashlib
import json
import sys


def messages(f):
    for head in iter(f.readline, b""):
        topic, partition, key_len, value_len = head.split()
        key = f.read(max(int(key_len), 0))
        yield topic.decode(), int(partition), key, f.read(int(value_len)), f.read(1)


def lines(value):
    """The records of a message and the bytes that stand for each in the chain."""
    for line in value.split(b"\n"):
        yield json.loads(line), line


def delimited(record_pb2):
    """The same for protobuf: one record, or each behind its length. Checkpoints are JSON."""
    def single(value):
        m = record_pb2.Record.FromString(value)
        yield {"type": "record", "appliance": m.appliance, "appliance_epoch": m.appliance_epoch,
               "ledger_seq": m.ledger_seq, "device": m.device, "record": m}, value

    def split(value):
        if value[:1] == b"{" and value[-1:] == b"}":
            try:
                yield from lines(value)
                return
            except ValueError:
                pass  # a length that looks like a brace
        if value[:1] == b"\x09":  # the tag of ledger_seq; no record is nine bytes short
            yield from single(value)
            return
        at = 0
        while at < len(value):
            length = shift = 0
            while True:
                b = value[at]
                length |= (b & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if b < 0x80:
                    break
            yield from single(value[at:at + length])
            at += length
    return split


def records(f, split):
    for topic, partition, key, value, _ in messages(f):
        for r, part in split(value):
            yield topic, partition, key, part, r


def prove(f, tail, split=lines):
    parts = {}
    for topic, partition, key, value, r in records(f, split):
        if r["type"] not in ("record", "checkpoint"):
            continue
        where = (r["appliance"], r["appliance_epoch"], topic, partition)
        p = parts.setdefault(where, {"new": [], "to": 0, "chain": "00" * 32, "n": 0, "last": None})
        if r["type"] == "record":
            p["new"].append((r["ledger_seq"], key, value))
            continue
        if value == p["last"]:
            continue  # the same checkpoint again says nothing new
        if tail and p["last"] is None and r["number"] != 1:
            p["new"] = [e for e in p["new"] if e[0] > r["to"]]
        else:
            covered = [e for e in p["new"] if e[0] <= r["to"]]
            gone = {n for a, b in r["skipped"] for n in range(a, b + 1)}
            expected = [n for n in range(p["to"] + 1, r["to"] + 1) if n not in gone]
            h = hashlib.sha256(bytes.fromhex(p["chain"]))
            for seq, k, v in covered:
                h.update(seq.to_bytes(8, "big") + len(k).to_bytes(4, "big") + k)
                h.update(len(v).to_bytes(4, "big") + v)
            if [e[0] for e in covered] != expected:
                bad = next((a, b) for a, b in zip([e[0] for e in covered] + [None], expected + [None]) if a != b)
                sys.exit(f"incomplete: {where}: found record {bad[0]} where {bad[1]} belongs")
            if (r["from"], r["previous"], r["chain"]) != (p["to"] + 1, p["chain"], h.hexdigest()):
                sys.exit(f"incomplete: {where}: checkpoint {r['number']} does not fit the chain")
            p["new"] = p["new"][len(covered):]
            p["n"] += len(covered)
        p.update(to=r["to"], chain=r["chain"], last=value)
    for where, p in sorted(parts.items()):
        if [e[0] for e in p["new"]] != list(range(p["to"] + 1, p["to"] + 1 + len(p["new"]))):
            sys.exit(f"incomplete: {where}: gap or repetition after the last checkpoint")
        print(*where, f"{p['n']} proved,", f"{len(p['new'])} after the last checkpoint")
    return sum(p["n"] for p in parts.values())


if __name__ == "__main__":
    how = lines
    if "--protobuf" in sys.argv:
        sys.path.insert(0, sys.argv[sys.argv.index("--protobuf") + 1])
        import record_pb2
        how = delimited(record_pb2)
    print(prove(sys.stdin.buffer, "--tail" in sys.argv, how), "records proved complete")
