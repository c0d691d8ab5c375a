#!/bin/sh
# mrtparse prints an MPLS label with its traffic class and bottom bit in it: label 100 becomes 1601.
#
# With:     mrtparse 2.2.0 (PyPI)
# Expected: RFC 8277 section 2.2: of the three octets the first 20 bits are the label, then 3 bits without meaning and the
#           bottom-of-stack bit.
# Seen:     all 24 bits as one number: 1601 for a label 100 at the bottom, 1600 above another, 8388608 in a withdrawal.
# Matters:  label 6 (1601 / 256) or 1601 is looked for in the forwarding table; neither is there.
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

RD = bytes.fromhex("0000fc0000000007")
one = bytes([112]) + bytes.fromhex("000641") + RD + bytes([198, 51, 100])
two = bytes([136]) + bytes.fromhex("000640" "000c81") + RD + bytes([203, 0, 113])
reach = bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 1]) + b"\0" + one + two
body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x80, 14, reach)
update = b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body
peers = (64512).to_bytes(4, "big") + (64513).to_bytes(4, "big") + bytes([0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2])
record = peers + update
with open("updates.mrt", "wb") as out:
    out.write(bytes(4) + bytes([0, 16, 0, 4]) + len(record).to_bytes(4, "big") + record)

routes = next(Reader("updates.mrt")).data["bgp_message"]["path_attributes"][2]["value"]["nlri"]
seen = [route["label"] for route in routes]
for said, read in zip(([100], [100, 200]), seen):
    print(f"said labels {said}, mrtparse reads {read}")
if seen != [[1601], [1600, 3201]]:
    sys.exit("changed: mrtparse now reads labels otherwise")
PYTHON
