#!/bin/sh
# mrtparse prints every route distinguisher as type 0: 192.0.2.1:7 becomes 114688:33619975.
#
# With:     mrtparse 2.2.0 (PyPI)
# Expected: RFC 4364 section 4.2: two octets of type; type 1 is an IPv4 address and a 16-bit number, type 2 a four-octet AS
#           and a 16-bit number.
# Seen:     the type is added to the first field (65536 x type + the address's first half), the rest is one 32-bit number.
# Matters:  most PEs use type 1 (router id : number): no such route of a VPN dump can be found by its RD.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" mrtparse==2.2.0
cd "$work"
PYTHONPATH=$work python3 - <<'PYTHON'
import sys
from mrtparse import Reader

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def vpn(rd):                                                  # label 100, 198.51.100.0/24
    return bytes([112]) + bytes.fromhex("000641") + rd + bytes([198, 51, 100])

NEXT_HOP = bytes(8) + bytes([192, 0, 2, 1])
RDS = {"64512:7": bytes.fromhex("0000fc0000000007"), "192.0.2.1:7": bytes.fromhex("0001c00002010007"),
       "4200000001:7": bytes.fromhex("0002fa56ea010007")}
reach = bytes([0, 1, 128, 12]) + NEXT_HOP + b"\0" + b"".join(map(vpn, RDS.values()))
body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x80, 14, reach)
update = b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body
peers = (64512).to_bytes(4, "big") + (64513).to_bytes(4, "big") + bytes([0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2])
record = peers + update                                       # RFC 6396: BGP4MP (16), MESSAGE_AS4 (4)
with open("updates.mrt", "wb") as out:
    out.write(bytes(4) + bytes([0, 16, 0, 4]) + len(record).to_bytes(4, "big") + record)

routes = next(Reader("updates.mrt")).data["bgp_message"]["path_attributes"][2]["value"]["nlri"]
seen = [route["route_distinguisher"] for route in routes]
for said, read in zip(RDS, seen):
    print(f"said {said}, mrtparse reads {read}")
if seen != ["64512:7", "114688:33619975", "195158:3925934087"]:
    sys.exit("changed: mrtparse now reads types 1 and 2 otherwise")
PYTHON
