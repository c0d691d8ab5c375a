#!/bin/sh
# tcpdump prints an IPv6 next hop of IPv4 routes as several IPv4 addresses, for VPNv4 with an RD of its own between them.
#
# With:     tcpdump 4.99.3-1 (Debian 12)
# Expected: RFC 8950 section 3: for AFI 1 a next hop of 16 octets is one IPv6 address, for VPNv4 one of 24 octets is a zero
#           RD and one IPv6 address.
# Seen:     "32.1.13.184, 0.0.0.0, 0.0.0.0, 0.0.0.1" and "RD: 0:0, 32.1.13.184, RD: 0:0, 0.0.0.1" for 2001:db8::1.
# Matters:  the first thing that is looked for in a capture, the next hop, is not in it.
set -eu
[ "$(dpkg-query -W -f '${Version}' tcpdump)" = 4.99.3-1 ] || { echo "this was seen with tcpdump 4.99.3-1" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 - <<'PYTHON'
from ipaddress import ip_address

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def update(*attributes):
    body = b"".join(attributes)
    return b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body

def capture(path, *messages):
    with open(path, "wb") as out:
        out.write(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
        for message in messages:                              # Ethernet, IPv4, TCP 40000 > 179
            ip = bytes([0x45, 0]) + (40 + len(message)).to_bytes(2, "big") + bytes([0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2])
            tcp = bytes.fromhex("9c40 00b3 00000001 00000001 5018 ffff 0000 0000")
            frame = bytes([2] * 6 + [4] * 6 + [8, 0]) + ip + tcp + message
            out.write(bytes(8) + len(frame).to_bytes(4, "little") * 2 + frame)

COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
ADDRESS = ip_address("2001:db8::1").packed

def route(safi, next_hop, nlri):
    return update(COMMON, attribute(0x80, 14, bytes([0, 1, safi, len(next_hop)]) + next_hop + b"\0" + nlri))

VPN = bytes([112]) + bytes.fromhex("000641" "0000fc0000000007") + bytes([198, 51, 100])      # label 100, RD 64512:7
capture("bgp.pcap", route(1, ADDRESS, bytes([24, 198, 51, 100])), route(128, bytes(8) + ADDRESS, VPN))
PYTHON
tcpdump -nv -r bgp.pcap 2>/dev/null | grep -o 'nexthop: .*' | tee seen
grep -q 'nexthop: 32\.1\.13\.184, 0\.0\.0\.0, 0\.0\.0\.0, 0\.0\.0\.1, nh-length: 16' seen &&
  grep -q '32\.1\.13\.184, RD: 0:0 .*0\.0\.0\.1, nh-length: 24' seen ||
  { echo "changed: tcpdump now prints these next hops otherwise" >&2; exit 1; }
