#!/bin/sh
# ExaBGP refuses an EVPN route whose next hop is IPv6.
#
# With:     ExaBGP 5.0.15 (PyPI)
# Expected: RFC 7432 sections 7 and 9.2, RFC 8365: the PE's address, IPv4 or IPv6; 16 octets are a fabric with IPv6 VTEPs.
# Seen:     the same route is decoded with a next hop of 4 octets and refused ("invalid payload") with 16: its table of
#           next-hop lengths has 4 alone for this family. The same code reads what comes on a session.
# Matters:  ExaBGP cannot be the collector beside an IPv6 underlay.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" exabgp==5.0.15
cd "$work"
PYTHONPATH=$work python3 - <<'PYTHON'
import subprocess
import sys
from ipaddress import ip_address

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def decode(next_hop):
    route = bytes([2, 33]) + bytes.fromhex("0000fc0000000007") + bytes(14) + bytes.fromhex("30" "02005e100001" "00" "001388")
    reach = bytes([0, 25, 70, len(next_hop)]) + next_hop + b"\0" + route
    body = (attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
            + attribute(0xc0, 16, bytes.fromhex("0002fc0000000064" "030c000000000008")) + attribute(0x80, 14, reach))
    message = b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "exabgp", "decode", message.hex()],
                          capture_output=True, text=True, timeout=50)
    return (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]

seen = {text: decode(ip_address(text).packed) for text in ("192.0.2.1", "2001:db8::1")}
for text, answer in seen.items():
    print(f"next hop {text}: {'decoded' if 'announce' in answer else answer}")
if "announce" not in seen["192.0.2.1"] or seen["2001:db8::1"] != "invalid payload":
    sys.exit("changed: ExaBGP now decodes EVPN with an IPv6 next hop (or no longer with an IPv4 one)")
PYTHON
