#!/bin/sh
# os-ken reads the IPv6 next hop of a VPNv4 or IPv4 route as the IPv4 address of its first four octets.
#
# With:     os-ken 4.2.2 (PyPI)
# Expected: RFC 8950 section 3: for AFI 1 a next hop of 24 octets is a zero RD and an IPv6 address, one of 16 an IPv6
#           address; its length tells which.
# Seen:     2001:db8::1 comes out as 32.1.13.184 in both, without an error; the message, serialized again, is whole.
# Matters:  a route server or an agent on os-ken shows, compares and installs an address that nobody has.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" os-ken==4.2.2
PYTHONPATH=$work python3 - <<'PYTHON'
import sys
from ipaddress import ip_address
from os_ken.lib.packet.bgp import BGPMessage

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def update(*attributes):
    body = b"".join(attributes)
    return b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body

def reach(safi, next_hop, nlri):
    head = (1).to_bytes(2, "big") + bytes([safi, len(next_hop)])
    return attribute(0x80, 14, head + next_hop + b"\0" + nlri)

COMMON = (attribute(0x40, 1, b"\0"), attribute(0x40, 2, b""), attribute(0x40, 5, bytes([0, 0, 0, 100])))
ADDRESS = ip_address("2001:db8::1").packed
PREFIX = bytes([198, 51, 100])
VPN = bytes([112]) + bytes.fromhex("000641") + bytes.fromhex("0000fc0000000007") + PREFIX   # label 100, RD 64512:7, /24
seen = []
for name, message in (("VPNv4", update(*COMMON, reach(128, bytes(8) + ADDRESS, VPN))),
                      ("IPv4", update(*COMMON, reach(1, ADDRESS, bytes([24]) + PREFIX)))):
    parsed = BGPMessage.parser(message)[0]
    seen.append(parsed.path_attributes[3].next_hop)
    print(f"{name}: said 2001:db8::1, os-ken reads {seen[-1]}; serialized again it is the same:",
          bytes(parsed.serialize()) == message)
if seen != ["32.1.13.184", "32.1.13.184"]:
    sys.exit("changed: os-ken no longer takes the first four octets of an IPv6 next hop for an IPv4 address")
PYTHON
