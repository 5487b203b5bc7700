#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden captures: make.py mixed|profiles OUT.pcap. The frames and their times are fixed."""
import sys

from scapy.all import IP, UDP, Ether, IPv6, Raw, fragment, wrpcap

US, DEVICE = "02:00:00:00:00:01", "02:00:00:00:00:02"


def v4(port, payload, sport=4000):
    return IP(src="10.77.0.2", dst="10.77.0.1", id=port) / UDP(sport=sport, dport=port) / Raw(payload)


def v6(port, payload):
    return IPv6(src="fd77::2", dst="fd77::1") / UDP(sport=4000, dport=port) / Raw(payload)


coap = bytes.fromhex("5202") + b"\x12\x34" + b"tk" + b"\xb1t" + b"\x06coap-1" + b"\x03env" + b"\x11\x32\xff" + b'{"temp":7.5}'
mixed = [
    v4(8094, b"climate,device=line-1 temp=21.5,n=3i,ok=t 1700000000000000000\nclimate,device=line-2 temp=-1e3"),
    v4(8095, b'[{"device":"json-1","time":1700000000123,"seq":7,"a":{"b":[1,2]}},{"device":"json-2","t":"\\u00e9"}]'),
    v6(8095, b'{"device":"json-6","t":18446744073709551615}'),
    v4(5683, coap),
    v4(5683, coap),
    *fragment(v4(8095, b'{"device":"big","text":"' + b"x" * 3000 + b'"}'), 1400),
    v4(8095, b'{"device":"json-1","t":'),
    v4(8095, b'{"device":"json-1","t":1,"t":2}'),
    IP(src="192.0.2.9", dst="10.77.0.1") / UDP(sport=1, dport=8095) / Raw(b'{"device":"stranger","t":1}'),
    v4(9999, b"nobody listens"),
]


def option(delta, value):
    return bytes([delta << 4 | len(value)]) + value


def post(mid, path, content_format, payload):
    """A NON POST; every part of the path has fewer than 13 bytes."""
    parts = path.split("/")
    options = option(11, parts[0].encode()) + b"".join(option(0, p.encode()) for p in parts[1:])
    if content_format is not None:
        options += option(1, bytes([content_format]))
    message = bytes.fromhex("5202") + mid.to_bytes(2) + b"tk" + options + b"\xff" + payload
    return v4(5683, message, sport=5000)


T = 1780000000  # the capture's own time
SENML_CBOR = (  # [{-2: "urn:dev:9:", -3: T, 0: "power", 1: "W", 2: 1250}, {0: "energy", 1: "Wh", 2: 88123450}]
    b"\x82\xa5\x21\x6aurn:dev:9:\x22\x1a" + T.to_bytes(4) + b"\x00\x65power\x01\x61W\x02\x19\x04\xe2"
    + b"\xa3\x00\x66energy\x01\x62Wh\x02\x1a" + (88123450).to_bytes(4)
)


def position(t, n):  # {"t": t, "n": n, "6": {"0": {"0": 47.5, "1": 8.5}}, "imsi": "228012345678901"}
    return (
        b"\xa4\x61t\x1a" + t.to_bytes(4) + b"\x61n" + bytes([n]) + b"\x616\xa1\x610\xa2\x610\xf9\x51\xf0\x611\xf9\x48\x40"
        + b"\x64imsi\x6f228012345678901"
    )


profiles = [
    post(1, "t/env-7/environment", 50, b'{"time":%d000,"seq":1,"temp":21.4,"hum":48,"press":1013.25,"batt":3012,"debug":{"rssi":-70}}' % T),
    post(2, "t/env-7/environment", 50, b'{"time":%d000,"seq":2,"temperature":-40.5,"hum":48}' % T),
    post(3, "t/env-8/environment", 50, b'{"time":%d000,"hum":48}' % T),
    post(4, "t/env-8/environment", 50, b'{"time":%d000,"temp":null,"hum":"wet"}' % T),
    post(5, "t/9/meter", 110, b'[{"bn":"urn:dev:9:","bt":%d,"n":"power","u":"W","v":1250},{"n":"energy","u":"Wh","v":88123450}]' % T),
    post(6, "t/10/meter", 112, SENML_CBOR),
    post(7, "t/cnc-4/metrics", 0, b"spindle,machine=cnc-4,operator=anna rpm=11800.4,load=0.82,vibration=2.4 %d000000000" % T),
    post(8, "t/t-1/position", 60, b"\x82" + position(T - 60, 1) + position(T, 2)),
    post(9, "t/x/raw", 42, b"\x00\x01\xfe"),
    post(10, "t/env-9/other", 50, b'{"temp":21}'),
]

packets = {"mixed": mixed, "profiles": profiles}[sys.argv[1]]
frames = []
for n, p in enumerate(packets):
    f = Ether(src=DEVICE, dst=US) / p
    f.time = 1780000000 + n * 0.25
    frames.append(f)
wrpcap(sys.argv[2], frames)
