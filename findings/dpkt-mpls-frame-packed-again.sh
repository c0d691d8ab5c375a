#!/bin/sh
# dpkt loses the VLAN tag, or the pseudowire's control word, of an MPLS frame that it has read and packs again.
#
# With:     dpkt 1.9.8 (PyPI)
# Expected: bytes() of what was read is what came, as it is for a frame with a VLAN tag or a label alone. RFC 4448 section
#           4.6: the control word, 4 octets beginning with 0, stands between the label and the Ethernet frame.
# Seen:     behind 802.1Q and MPLS the frame comes out without its tag; a frame in a pseudowire comes out without the
#           control word. Both are 4 octets short, without an error.
# Matters:  a tool that rewrites addresses in a capture (to give it away, say) changes the frames it only passes on.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" dpkt==1.9.8
PYTHONPATH=$work python3 - <<'PYTHON'
import sys
from dpkt.ethernet import Ethernet

MACS = bytes.fromhex("02005e100002" "02005e100001")
IP = bytes.fromhex("45000014" "00010000" "400152d3" "c6336401" "c6336402")                    # to 198.51.100.2, empty
LABEL = ((100 << 12) | (1 << 8) | 63).to_bytes(4, "big")      # label 100, bottom, TTL 63
TAG = bytes.fromhex("8100" "0064")
frames = {"VLAN tag": MACS + TAG + b"\x08\x00" + IP,
          "label": MACS + b"\x88\x47" + LABEL + IP,
          "VLAN tag and label": MACS + TAG + b"\x88\x47" + LABEL + IP,
          "label and control word": MACS + b"\x88\x47" + LABEL + bytes([0, 0, 0, 1]) + MACS + b"\x08\x00" + IP}
seen = []
for name, frame in frames.items():
    again = bytes(Ethernet(frame))
    seen.append(len(frame) - len(again))
    print(f"{name}: {'the same' if again == frame else f'{seen[-1]} octets short'}")
if seen != [0, 0, 4, 4]:
    sys.exit("changed: dpkt now packs MPLS frames otherwise")
PYTHON
