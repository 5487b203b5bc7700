#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two fleets behind two VLANs with the same addresses do not meet: each is answered on its own wire
# and to its own MAC address, its records carry its realm, and trust given in one realm is not given
# in the other. The devices are frames by scapy, so that the kernel needs no VLAN support.
. "$(dirname "$0")/../support/lab.sh"
lab_pair slu0 sld0
lab_yaml <<'PY'
addresses = ["10.77.0.1/24", "fd77::1/64"]
c["ports"][0]["interfaces"] = [
    {"vlan": 100, "realm": 1, "addresses": addresses},
    {"vlan": 200, "realm": 2, "addresses": addresses},
]
json_listener = next(l for l in c["listeners"] if l["name"] == "json")
c["listeners"] = [
    dict(json_listener, name="json-1", realm=1),
    dict(json_listener, name="json-2", realm=2, trust=["192.0.2.0/24"]),
    dict(json_listener, name="json-2-open", realm=2, port=8195),
]
PY
lab_kafka
lab_sluiced

dev python3 - <<'PY' || fail "the fleets were not answered as they should be"
import sys
from scapy.all import (ARP, ICMP, IP, UDP, AsyncSniffer, Dot1Q, Ether, ICMPv6EchoReply, ICMPv6EchoRequest,
                       ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6, Raw,
                       conf, sendp, srp1)
conf.verb = 0
wire = "sld0"
macs = {100: "02:00:00:00:01:00", 200: "02:00:00:00:02:00"}
ours = {}

def ask(vlan, layers, what):
    frame = Ether(src=macs[vlan], dst=ours.get(vlan, "ff:ff:ff:ff:ff:ff")) / Dot1Q(vlan=vlan) / layers
    answer = srp1(frame, iface=wire, timeout=3)
    if answer is None:
        sys.exit(f"VLAN {vlan}: no answer to {what}")
    if answer[Dot1Q].vlan != vlan or answer.dst != macs[vlan]:
        sys.exit(f"VLAN {vlan}: {what} was answered to {answer.dst} on VLAN {answer[Dot1Q].vlan}")
    return answer

for vlan in macs:
    ours[vlan] = ask(vlan, ARP(op=1, hwsrc=macs[vlan], psrc="10.77.0.2", pdst="10.77.0.1"), "ARP")[ARP].hwsrc
# The kernel's namespace has no address on this wire, so these answer sluiced's own questions.
def neighbour(frame):
    if Dot1Q not in frame or frame[Dot1Q].vlan not in macs:
        return
    mac = macs[frame[Dot1Q].vlan]
    head = Ether(src=mac, dst=frame.src) / Dot1Q(vlan=frame[Dot1Q].vlan)
    if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == "10.77.0.2":
        sendp(head / ARP(op=2, hwsrc=mac, psrc="10.77.0.2", hwdst=frame.src, pdst="10.77.0.1"), iface=wire)
    if ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == "fd77::2":
        sendp(head / IPv6(src="fd77::2", dst=frame[IPv6].src) / ICMPv6ND_NA(tgt="fd77::2", R=0, S=1)
              / ICMPv6NDOptDstLLAddr(lladdr=mac), iface=wire)
sniffer = AsyncSniffer(iface=wire, prn=neighbour, store=False)
sniffer.start()
for _ in range(2):  # turn by turn: an entry of one realm must not serve the other
    for vlan in macs:
        ask(vlan, IP(src="10.77.0.2", dst="10.77.0.1") / ICMP(id=vlan) / b"echo", "ICMP echo")
        ask(vlan, IPv6(src="fd77::2", dst="fd77::1") / ICMPv6EchoRequest(id=vlan, data=b"echo"), "ICMPv6 echo")

def send(vlan, port, device, six=False):
    ip = IPv6(src="fd77::2", dst="fd77::1") if six else IP(src="10.77.0.2", dst="10.77.0.1")
    payload = ('{"device":"%s","temp":1}' % device).encode()
    sendp(Ether(src=macs[vlan], dst=ours[vlan]) / Dot1Q(vlan=vlan) / ip / UDP(sport=4000, dport=port) / Raw(payload),
          iface=wire)

send(100, 8095, "one")
send(100, 8095, "one6", six=True)
send(200, 8095, "untrusted")
send(200, 8195, "two")
send(200, 8195, "two6", six=True)
sniffer.stop()
PY
all() { [ "$(records telemetry | wc -l)" -ge 4 ]; }
wait_for 10 all || fail "records: $(records telemetry)"
lab_stop
got=$(records telemetry | jq -r '"\(.device) \(.realm)"' | sort | tr '\n' ' ')
[ "$got" = "one 1 one6 1 two 2 two6 2 " ] || fail "records and realms: $got"
[ "$(status '.transports.udp.messages.refused["source-untrusted"]')" = 1 ] || fail "trust leaked between realms"
