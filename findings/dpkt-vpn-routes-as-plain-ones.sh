#!/bin/sh
# dpkt reads the routes of VPNv6 as plain IPv6 prefixes: one route of a VPN becomes six, three of them ::/0.
#
# With:     dpkt 1.9.8 (PyPI)
# Expected: RFC 4364 section 4.3.4 and RFC 4659 section 3.2: for SAFI 128 a label and an RD stand before the prefix; the
#           length counts them. A reader that does not know a SAFI cannot know where its NLRI end.
# Seen:     the AFI alone decides. Label, RD and prefix are cut up into prefixes of any length, without an error, and the
#           message that comes from packing them again is another one.
# Matters:  a monitor on dpkt raises the alarm for a default route that nobody announced.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" dpkt==1.9.8
PYTHONPATH=$work python3 - <<'PYTHON'
import sys
from ipaddress import ip_address
import dpkt

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

NEXT_HOP = bytes(8) + ip_address("2001:db8::1").packed
ROUTE = bytes([136]) + bytes.fromhex("000641" "0000fc0000000007") + ip_address("2001:db8:1::").packed[:6]
body = (attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"")
        + attribute(0x80, 14, bytes([0, 2, 128, 24]) + NEXT_HOP + b"\0" + ROUTE))
message = b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body

parsed = dpkt.bgp.BGP(message)
reach = parsed.update.attributes[2].mp_reach_nlri
seen = [route.len for route in reach.announced]
print("said: label 100, RD 64512:7, 2001:db8:1::/48")
for route in reach.announced:
    print(f"dpkt reads {ip_address(route.prefix)}/{route.len}")
print("packed again it is the same:", bytes(parsed) == message)
if seen != [0, 0, 0, 7, 1, 184] or bytes(parsed) == message:
    sys.exit("changed: dpkt no longer cuts up the NLRI of SAFI 128")
PYTHON
