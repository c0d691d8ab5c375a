#!/bin/sh
# tcpdump gives up on a VPNv4 route with two labels ("illegal prefix length") and on all routes behind it.
#
# With:     tcpdump 4.99.3-1 (Debian 12)
# Expected: RFC 8277 section 2.3: with the Multiple Labels capability several labels stand before the prefix, and the
#           length counts 24 bits for each; RFC 3107 section 3 has had that since 2001. /24 with two labels: 136 bits.
# Seen:     "(illegal prefix length)"; the ordinary route that follows in the same UPDATE is not printed either.
# Matters:  routes of a carrier's carrier seem malformed, and are not.
set -eu
[ "$(dpkg-query -W -f '${Version}' tcpdump)" = 4.99.3-1 ] || { echo "this was seen with tcpdump 4.99.3-1" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 - <<'PYTHON'
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
RD = bytes.fromhex("0000fc0000000007")                        # 64512:7
TWO = bytes([136]) + bytes.fromhex("000640" "000c81") + RD + bytes([198, 51, 100])           # labels 100, 200 (bottom)
ONE = bytes([112]) + bytes.fromhex("000641") + RD + bytes([203, 0, 113])
reach = bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 1, 0])
capture("bgp.pcap", update(COMMON, attribute(0x80, 14, reach + TWO + ONE)), update(COMMON, attribute(0x80, 14, reach + ONE)))
PYTHON
tcpdump -nv -r bgp.pcap 2>/dev/null | grep -A1 'nexthop:' | tee seen
[ "$(grep -c 'illegal prefix length' seen)" = 1 ] && [ "$(grep -c '203.0.113.0/24, label:100' seen)" = 1 ] ||
  { echo "changed: tcpdump now reads two labels, or no longer one" >&2; exit 1; }
