#!/bin/sh
# scapy sends a decoded UPDATE unchanged after one of its attributes was changed, and cannot build it anew.
#
# With:     scapy 2.8.0 (PyPI), scapy.contrib.bgp
# Expected: as everywhere in scapy: a field that was set is in the packet that is built, at the latest after clear_cache(),
#           which forgets the octets that came.
# Seen:     LOCAL_PREF set from 100 to 200 inside a decoded UPDATE: bytes() still says 100. After clear_cache() any path
#           attribute that was decoded with its length raises TypeError ("can't concat int to bytes").
# Matters:  a test that changes one value of a recorded UPDATE and sends it tests the recording.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" scapy==2.8.0
PYTHONPATH=$work python3 - <<'PYTHON'
import logging
import sys
logging.disable(logging.WARNING)
from scapy.contrib.bgp import BGP, BGPUpdate

attributes = bytes.fromhex("400101 00" "400200" "400304 c0000201" "400504 00000064")      # the last: LOCAL_PREF 100
routes = bytes([24, 198, 51, 100])
body = b"\0\0" + len(attributes).to_bytes(2, "big") + attributes + routes
message = b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\2" + body

packet = BGP(message)
packet[BGPUpdate].path_attr[3].attribute.local_pref = 200
print("local_pref is now", packet[BGPUpdate].path_attr[3].attribute.local_pref)
same = bytes(packet) == message
print("built, it is what came:", same)
packet.clear_cache()
try:
    bytes(packet)
    after = "built"
except TypeError as error:
    after = "TypeError"
    print("after clear_cache():", error)
if not same or after != "TypeError":
    sys.exit("changed: scapy now builds the UPDATE that was edited")
PYTHON
