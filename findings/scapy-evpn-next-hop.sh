#!/bin/sh
# scapy reads the first octet of an EVPN route's next hop as the reserved octet behind it.
#
# With:     scapy 2.8.0 (PyPI), scapy.contrib.bgp
# Expected: RFC 4760 section 3: AFI, SAFI, length of the next hop, the next hop in so many octets, one reserved octet,
#           NLRI. No reader needs to know the family to find the reserved octet.
# Seen:     for AFI 25, and for IPv4 with an IPv6 next hop (RFC 8950), "reserved" is 192 or 32, the next hop's first
#           octet, and the NLRI begin with the rest of the address.
# Matters:  nh_addr_len is right and no error is raised; every offset that is counted from there is wrong.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" scapy==2.8.0
PYTHONPATH=$work python3 - <<'PYTHON'
import logging
import sys
from ipaddress import ip_address
logging.disable(logging.WARNING)
from scapy.contrib.bgp import BGP, BGPPAMPReachNLRI

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def read(afi, safi, next_hop, nlri):
    reach = bytes([0, afi, safi, len(next_hop)]) + next_hop + b"\0" + nlri
    body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x80, 14, reach)
    message = b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body
    parsed = BGP(message)[BGPPAMPReachNLRI]
    return parsed.reserved, bytes(parsed.payload)[:4].hex()

TYPE_3 = bytes([3, 17]) + bytes.fromhex("0000fc0000000007") + bytes(4) + bytes([32, 192, 0, 2, 1])
seen = {"EVPN, next hop 192.0.2.1": read(25, 70, bytes([192, 0, 2, 1]), TYPE_3),
        "IPv4, next hop 2001:db8::1": read(1, 1, ip_address("2001:db8::1").packed, bytes([24, 198, 51, 100]))}
for name, (reserved, rest) in seen.items():
    print(f"{name}: reserved is {reserved}, what follows begins with {rest}")
if list(seen.values()) != [(192, "00020100"), (32, "010db800")]:
    sys.exit("changed: scapy now goes by the next hop's length")
PYTHON
