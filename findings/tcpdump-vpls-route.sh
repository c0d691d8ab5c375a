#!/bin/sh
# tcpdump takes the VPLS route of RFC 4761 for a truncated one.
#
# With:     tcpdump 4.99.3-1 (Debian 12)
# Expected: RFC 4761 section 3.2.2: length 17, RD, VE ID, VE block offset, VE block size, label base (3 octets).
# Seen:     "[|bgp]", the mark for a capture that was cut off, in the NLRI's place; nothing was cut off.
# Matters:  a capture of plain BGP VPLS looks as if the snap length had been too short.
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
route = bytes([0, 17]) + bytes.fromhex("0000fc0000000007" "0001" "0001" "000a" "003e81")      # RD 64512:7, base 1000
capture("bgp.pcap", update(COMMON, attribute(0x80, 14, bytes([0, 25, 65, 4, 192, 0, 2, 1, 0]) + route)))
PYTHON
tcpdump -nv -r bgp.pcap 2>/dev/null | grep -A2 'SAFI: VPLS' | tee seen
grep -q 'nexthop: 192.0.2.1, nh-length: 4, no SNPA \[|bgp\]' seen ||
  { echo "changed: tcpdump now reads the NLRI of RFC 4761" >&2; exit 1; }
