#!/bin/sh
# bgpkit's Python parser prints a route target's number in hexadecimal, without saying so: 64512:100 ends in 00000064.
#
# With:     pybgpkit-parser 0.6.2 (PyPI)
# Expected: RFC 4360 section 4, and everybody's way of writing them: AS:number, both decimal. The AS is decimal here, and so
#           are the standard and large communities in the same list.
# Seen:     target 64512:100 is "0:2:64512:00000064"; "0:2:64512:00000100" is the target 64512:256. Of 192.0.2.1:100 the
#           number has four digits.
# Matters:  who looks for 64512:100 in an archive finds the routes of 64512:256.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --only-binary :all: --target "$work" pybgpkit-parser==0.6.2
cd "$work"
PYTHONPATH=$work python3 - <<'PYTHON'
import os
import sys
import pybgpkit_parser

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

COMMUNITIES = bytes.fromhex("0002fc0000000064" "0002fc0000000100" "0102c00002010064")
body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 3, bytes([192, 0, 2, 1])) + attribute(0x40, 5, bytes([0, 0, 0, 100]))
body += attribute(0xc0, 8, bytes.fromhex("fc000100")) + attribute(0xc0, 16, COMMUNITIES)
nlri = bytes([24, 198, 51, 100])
update = b"\xff" * 16 + (23 + len(body + nlri)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body + nlri
peers = (64512).to_bytes(4, "big") * 2 + bytes([0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2])
with open("updates.mrt", "wb") as out:
    out.write(bytes(4) + bytes([0, 16, 0, 4]) + len(peers + update).to_bytes(4, "big") + peers + update)
seen = pybgpkit_parser.Parser(url=os.path.abspath("updates.mrt")).parse_all()[0].communities
print("said: community 64512:256, targets 64512:100, 64512:256, 192.0.2.1:100")
print("read:", seen)
if sorted(seen) != sorted(["64512:256", "0:2:64512:00000064", "0:2:64512:00000100", "1:2:192.0.2.1:0064"]):
    sys.exit("changed: bgpkit now writes route targets otherwise")
PYTHON
