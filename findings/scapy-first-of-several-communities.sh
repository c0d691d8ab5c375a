#!/bin/sh
# scapy decodes the first of a route's communities, or large communities, and leaves the rest as raw octets.
#
# With:     scapy 2.8.0 (PyPI), scapy.contrib.bgp
# Expected: RFC 1997 and RFC 8092 section 3: the attribute is a set of values, of 4 and of 12 octets. Extended communities
#           scapy does read as a list.
# Seen:     of 64512:100, 64512:200 and NO_EXPORT the field `community` is the first number, and 8 octets are Raw behind it;
#           of two large communities `segments` has one, and 12 octets Raw.
# Matters:  a test that looks whether NO_EXPORT is among them passes or fails by the order in which they were sent.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" scapy==2.8.0
HOME=$work PYTHONPATH=$work python3 -W ignore - <<'PYTHON'
import logging
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.contrib.bgp import BGP, BGPUpdate
from scapy.packet import Raw

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

STANDARD = bytes.fromhex("fc000064" "fc0000c8" "ffffff01")
LARGE = bytes.fromhex("0000fc000000000100000002" "0000fc000000000300000004")
EXTENDED = bytes.fromhex("0002fc0000000064" "0002fc00000000c8")
body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 3, bytes([192, 0, 2, 1])) + attribute(0xc0, 8, STANDARD)
body += attribute(0xc0, 16, EXTENDED) + attribute(0xc0, 32, LARGE)
nlri = bytes([24, 198, 51, 100])
message = b"\xff" * 16 + (23 + len(body + nlri)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body + nlri
read = {each.type_code: each.attribute for each in BGP(message)[BGPUpdate].path_attr}
large = read[32].segments
seen = hex(read[8].community), len(read[8][Raw].load), len(read[16].extended_communities), len(large), len(large[0][Raw].load)
print(f"3 communities: {seen[0]}, and {seen[1]} octets that are raw")
print(f"2 extended communities: {seen[2]}")
print(f"2 large communities: {seen[3]}, and {seen[4]} octets that are raw")
if seen != ("0xfc000064", 8, 2, 1, 12):
    sys.exit("changed: scapy now reads communities otherwise")
PYTHON
