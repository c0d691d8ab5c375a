#!/bin/sh
# os-ken takes what stands behind an IPv6 flow specification's prefix into the prefix, where that has an offset.
#
# With:     os-ken 4.2.2 (PyPI)
# Expected: RFC 8956 section 3.1: length 64, offset 32 means bits 32 to 63, and the pattern has length minus offset = 32
#           bits, four octets. Here they are followed by "next header = TCP".
# Seen:     eight octets are read: the next component's three and a zero become part of the address, the rule has one
#           component instead of two, and it is written back one octet longer than it came.
# Matters:  a rule that should drop some TCP drops everything to an address that nobody named.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" os-ken==4.2.2
PYTHONPATH=$work python3 - <<'PYTHON'
import sys
from os_ken.lib.packet.bgp import FlowSpecIPv6NLRI

rule = bytes([1, 64, 32]) + bytes.fromhex("00010002") + bytes([3, 0x81, 6])     # destination, next header = TCP
nlri = bytes([len(rule)]) + rule
parsed, rest = FlowSpecIPv6NLRI.parser(nlri)
again = bytes(parsed.serialize())
for each in parsed.rules:
    print(f"read: {each.addr}/{each.length} offset {each.offset}")
print("came:", nlri.hex())
print("goes:", again.hex())
if [each.addr for each in parsed.rules] != ["1:2:381:600::"] or again == nlri:
    sys.exit("changed: os-ken now reads or writes the offset as RFC 8956 has it")
PYTHON
