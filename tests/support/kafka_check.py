#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare what egress_driver was told with what kcat found in Kafka.

    kafka_check.py --acked FILE --partitions P DUMP...

DUMP: kcat -f '%t %p %K %S\\n%k%s\\n'. Every acknowledged record is there, none is there twice, each
device's records are in order, key and partition are the device's (Kafka's own murmur2, written here
once more). Exits 1 at the first difference.
"""
import argparse
import json
import sys

from prove_complete import messages


def murmur2(data):
    """org.apache.kafka.common.utils.Utils.murmur2"""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--acked", required=True)
    a.add_argument("--partitions", type=int, required=True)
    a.add_argument("dumps", nargs="+")
    o = a.parse_args()

    results = {}
    for line in open(o.acked):
        n, result = line.split()
        if int(n) in results:
            sys.exit(f"record {n} has two results")
        results[int(n)] = result
    found, last = set(), {}
    for dump in o.dumps:
        for _, partition, key, value, _ in messages(open(dump, "rb")):
            r = json.loads(value)
            if r["type"] != "record":
                continue
            if r["n"] in found:
                sys.exit(f"record {r['n']} is in Kafka twice")
            found.add(r["n"])
            if key.decode() != r["device"]:
                sys.exit(f"record {r['n']}: key {key} is not {r['device']}")
            if partition != (murmur2(key) & 0x7FFFFFFF) % o.partitions:
                sys.exit(f"record {r['n']}: partition {partition} is not where {key} belongs")
            if r["n"] <= last.get(key, -1):
                sys.exit(f"record {r['n']} of {key} came after {last[key]}")
            last[key] = r["n"]
    acked = {n for n, result in results.items() if result in ("ok", "weak")}
    if acked - found:
        sys.exit(f"{len(acked - found)} acknowledged records are not in Kafka, first {min(acked - found)}")
    refused = {n for n, result in results.items() if result == "refused"}
    if refused & found:
        sys.exit(f"record {min(refused & found)} was refused and is in Kafka")
    print(f"{len(acked)} acknowledged, {len(found)} found, {len(refused)} refused, {len(last)} devices")


main()
