#!/bin/sh
# os-ken offers RT-Constrain and can read no route of it, neither a whole one nor the default.
#
# With:     os-ken 4.2.2 (PyPI)
# Expected: RFC 4684 section 4: NLRI of 1/132 is a length, then (unless it is 0: everything) the origin AS and up to 8
#           octets of route target.
# Seen:     a whole one (96 bits) ends in ValueError "Invalid params.", the default one in struct.error: the route target
#           is handed to a constructor that takes text alone, and the length octet is read as part of the AS.
# Matters:  every UPDATE of a reflector with RT-Constrain, so also a reflector's own, raises in the receiver.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" os-ken==4.2.2
PYTHONPATH=$work python3 - <<'PYTHON'
import sys
from os_ken.lib.packet.bgp import BGPMessage

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def update(*attributes):
    body = b"".join(attributes)
    return b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body

COMMON = (attribute(0x40, 1, b"\0"), attribute(0x40, 2, b""), attribute(0x40, 5, bytes([0, 0, 0, 100])))
WHOLE = bytes([96]) + (64512).to_bytes(4, "big") + bytes.fromhex("0002fc0000000064")     # AS 64512, target 64512:100
seen = []
for name, nlri in (("whole (96 bits)", WHOLE), ("default (0 bits)", b"\0")):
    reach = attribute(0x80, 14, bytes([0, 1, 132, 4, 192, 0, 2, 1, 0]) + nlri)
    try:
        BGPMessage.parser(update(*COMMON, reach))
        seen.append("read")
    except Exception as error:
        seen.append(type(error).__name__)
        print(f"{name}: {type(error).__name__}: {error}")
if seen != ["ValueError", "error"]:
    sys.exit(f"changed: os-ken now answers {seen}")
PYTHON
