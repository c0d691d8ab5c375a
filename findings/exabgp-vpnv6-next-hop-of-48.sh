#!/bin/sh
# ExaBGP refuses a VPNv6 route with a link-local next hop: it allows 24 and 40 octets, where the standard has 24 and 48.
#
# With:     ExaBGP 5.0.15 (PyPI)
# Expected: RFC 4659 section 3.2.1.1: next to the global address (24 octets with its zero RD) there may be the link-local
#           one, with a zero RD of its own: 48 octets. FRR sends that form on a shared link.
# Seen:     "invalid payload"; the table of lengths says (24, 40), as if the second address had no RD.
# Matters:  what a PE on the same link says of VPNv6 cannot be taken.
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

def decode(*next_hops):
    next_hop = b"".join(bytes(8) + ip_address(each).packed for each in next_hops)
    route = bytes([136]) + bytes.fromhex("000641" "0000fc0000000007") + ip_address("2001:db8:1::").packed[:6]
    reach = bytes([0, 2, 128, len(next_hop)]) + next_hop + b"\0" + route
    body = (attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
            + attribute(0x80, 14, reach))
    message = b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "exabgp", "decode", message.hex()],
                          capture_output=True, text=True, timeout=50)
    return (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]

from exabgp.protocol.family import AFI, SAFI, Family
lengths = Family.size[(AFI.ipv6, SAFI.mpls_vpn)][0]
one, two = decode("2001:db8::1"), decode("2001:db8::1", "fe80::1")
print("lengths allowed:", lengths)
print("24 octets:", "decoded" if "announce" in one else one)
print("48 octets:", "decoded" if "announce" in two else two)
if "announce" not in one or two != "invalid payload" or lengths != (24, 40):
    sys.exit("changed: ExaBGP now decodes VPNv6 with a next hop of 48 octets (or no longer with one of 24)")
PYTHON
