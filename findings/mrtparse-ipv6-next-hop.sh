#!/bin/sh
# mrtparse cannot read a dumped UPDATE whose VPNv4, IPv4 or VPNv6 routes have an IPv6 next hop of RFC 8950 or RFC 4659.
#
# With:     mrtparse 2.2.0 (PyPI)
# Expected: the next hop's own length octet says how long it is (RFC 4760 section 3): 16 or 24 for IPv4 and VPNv4 (RFC
#           8950 section 3), 48 for VPNv6 with a link-local address (RFC 4659 section 3.2.1.1).
# Seen:     it reads a next hop of its family's usual length; the rest is taken for NLRI, and the whole record, with all
#           its attributes, is an error ("Invalid prefix length", "Insufficient buffer").
# Matters:  an IPv6 core that carries IPv4 VPNs leaves no readable dump.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" mrtparse==2.2.0
cd "$work"
PYTHONPATH=$work python3 - <<'PYTHON'
import sys
from ipaddress import ip_address
from mrtparse import Reader

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def dump(path, afi, safi, next_hop, nlri):
    reach = bytes([0, afi, safi, len(next_hop)]) + next_hop + b"\0" + nlri
    body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x80, 14, reach)
    update = b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body
    peers = (64512).to_bytes(4, "big") + (64513).to_bytes(4, "big") + bytes([0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2])
    record = peers + update
    with open(path, "wb") as out:
        out.write(bytes(4) + bytes([0, 16, 0, 4]) + len(record).to_bytes(4, "big") + record)

GLOBAL, LOCAL = ip_address("2001:db8::1").packed, ip_address("fe80::1").packed
VPN = bytes.fromhex("000641" "0000fc0000000007")              # label 100, RD 64512:7
CASES = {"VPNv4, 24 octets": (1, 128, bytes(8) + GLOBAL, bytes([112]) + VPN + bytes([198, 51, 100])),
         "IPv4, 16 octets": (1, 1, GLOBAL, bytes([24, 198, 51, 100])),
         "VPNv6, 48 octets": (2, 128, bytes(8) + GLOBAL + bytes(8) + LOCAL, bytes([136]) + VPN + GLOBAL[:6])}
seen = []
for name, case in CASES.items():
    dump("updates.mrt", *case)
    record = next(Reader("updates.mrt"))
    seen.append(bool(record.err))
    print(f"{name}: {record.err_msg or 'read'}")
if seen != [True, True, True]:
    sys.exit("changed: mrtparse now reads some of them")
PYTHON
