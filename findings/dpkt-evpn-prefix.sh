#!/bin/sh
# dpkt takes the prefix length of an EVPN IP Prefix route for the address's length: 2001:db8::/32 is read as 32.1.13.184.
#
# With:     dpkt 1.9.8 (PyPI)
# Expected: RFC 9136 section 3.1: the prefix length says how many bits count; the fields that follow, prefix and gateway,
#           have 4 octets each in a route of 34 octets and 16 each in one of 58.
# Seen:     of an IPv6 prefix of /32 the first four octets are "the IPv4 address" and the next four "the gateway". Any
#           length but 32 and 128 gives no address at all (None), a /24 and the default route included.
# Matters:  dpkt is used to count and to compare what a fabric announces; it knows none of its usual prefixes.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" dpkt==1.9.8
PYTHONPATH=$work python3 - <<'PYTHON'
import sys
from ipaddress import ip_network
import dpkt

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def read(prefix):
    network = ip_network(prefix)
    address = network.network_address.packed
    route = (bytes.fromhex("0001c00002010007") + bytes(14)    # RD 192.0.2.1:7, no ESI, Ethernet tag 0
             + bytes([network.prefixlen]) + address + bytes(len(address)) + (5000).to_bytes(3, "big"))
    reach = bytes([0, 25, 70, 4, 192, 0, 2, 1, 0, 5, len(route)]) + route
    body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x80, 14, reach)
    message = b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body
    return dpkt.bgp.BGP(message).update.attributes[2].mp_reach_nlri.announced[0].ip_address

seen = {prefix: read(prefix) for prefix in ("198.51.100.7/32", "198.51.100.0/24", "0.0.0.0/0", "2001:db8::/32", "2001:db8:5::/48")}
for prefix, address in seen.items():
    print(f"said {prefix}, dpkt reads", ".".join(map(str, address)) if address else address)
if list(seen.values()) != [bytes([198, 51, 100, 7]), None, None, bytes([0x20, 1, 0x0d, 0xb8]), None]:
    sys.exit("changed: dpkt now reads the prefix of type 5 otherwise")
PYTHON
