#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden capture: make.py OUT.pcap. The frames and their times are fixed."""
import sys

from scapy.all import IP, UDP, Ether, IPv6, Raw, fragment, wrpcap

US, DEVICE = "02:00:00:00:00:01", "02:00:00:00:00:02"


def v4(port, payload, sport=4000):
    return IP(src="10.77.0.2", dst="10.77.0.1", id=port) / UDP(sport=sport, dport=port) / Raw(payload)


def v6(port, payload):
    return IPv6(src="fd77::2", dst="fd77::1") / UDP(sport=4000, dport=port) / Raw(payload)


coap = bytes.fromhex("5202") + b"\x12\x34" + b"tk" + b"\xb1t" + b"\x06coap-1" + b"\x03env" + b"\x11\x32\xff" + b'{"temp":7.5}'
packets = [
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
frames = []
for n, p in enumerate(packets):
    f = Ether(src=DEVICE, dst=US) / p
    f.time = 1780000000 + n * 0.25
    frames.append(f)
wrpcap(sys.argv[1], frames)
