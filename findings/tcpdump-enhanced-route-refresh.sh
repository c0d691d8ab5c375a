#!/bin/sh
# tcpdump prints the two markers of Enhanced Route Refresh as the request itself: three messages, one text.
#
# With:     tcpdump 4.99.3-1 (Debian 12)
# Expected: RFC 7313 section 3.2: the octet between AFI and SAFI says what the message is: 0 a request, 1 the beginning
#           of a refresh (BoRR), 2 its end (EoRR).
# Seen:     "Route Refresh Message (5), AFI VPLS (25), SAFI EVPN (70)" for all three. (AFI 25 is L2VPN, too.)
# Matters:  a peer that answers a request seems to ask back, twice.
set -eu
[ "$(dpkg-query -W -f '${Version}' tcpdump)" = 4.99.3-1 ] || { echo "this was seen with tcpdump 4.99.3-1" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 - <<'PYTHON'
def capture(path, *messages):
    with open(path, "wb") as out:
        out.write(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
        for message in messages:                              # Ethernet, IPv4, TCP 40000 > 179
            ip = bytes([0x45, 0]) + (40 + len(message)).to_bytes(2, "big") + bytes([0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2])
            tcp = bytes.fromhex("9c40 00b3 00000001 00000001 5018 ffff 0000 0000")
            frame = bytes([2] * 6 + [4] * 6 + [8, 0]) + ip + tcp + message
            out.write(bytes(8) + len(frame).to_bytes(4, "little") * 2 + frame)

def refresh(subtype):
    return b"\xff" * 16 + bytes([0, 23, 5, 0, 25, subtype, 70])

capture("bgp.pcap", refresh(0), refresh(1), refresh(2))
PYTHON
tcpdump -nv -r bgp.pcap 2>/dev/null | grep -A1 'Route Refresh' | tee seen
[ "$(grep AFI seen | sort -u | wc -l)" = 1 ] && [ "$(grep -c 'Route Refresh' seen)" = 3 ] && ! grep -qiE 'begin|demarc|end of|subtype' seen ||
  { echo "changed: tcpdump now tells the three apart" >&2; exit 1; }
