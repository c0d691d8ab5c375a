#!/bin/sh
# tcpdump prints "End-of-Rib Marker" behind every ordinary withdrawal of IPv4 routes.
#
# With:     tcpdump 4.99.3-1 (Debian 12)
# Expected: RFC 4724 section 2: the marker of IPv4 unicast is an UPDATE with no reachable NLRI and empty withdrawn NLRI (23
#           octets in all). One that withdraws a route is none.
# Seen:     "198.51.100.0/24" and, in the next line, "End-of-Rib Marker (empty NLRI)", as for the marker itself.
# Matters:  with graceful restart the marker is what ends the wait and sweeps the stale routes: in the capture a peer seems
#           to say it again and again, in the middle of its routes.
set -eu
[ "$(dpkg-query -W -f '${Version}' tcpdump)" = 4.99.3-1 ] || { echo "this was seen with tcpdump 4.99.3-1" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 - <<'PYTHON'
def update(withdrawn):
    body = len(withdrawn).to_bytes(2, "big") + withdrawn + b"\0\0"
    return b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\2" + body

def capture(path, *messages):
    with open(path, "wb") as out:
        out.write(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
        for message in messages:                              # Ethernet, IPv4, TCP 40000 > 179
            ip = bytes([0x45, 0]) + (40 + len(message)).to_bytes(2, "big") + bytes([0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2])
            tcp = bytes.fromhex("9c40 00b3 00000001 00000001 5018 ffff 0000 0000")
            frame = bytes([2] * 6 + [4] * 6 + [8, 0]) + ip + tcp + message
            out.write(bytes(8) + len(frame).to_bytes(4, "little") * 2 + frame)

capture("withdrawal.pcap", update(bytes([24, 198, 51, 100])))
capture("marker.pcap", update(b""))
PYTHON
for each in withdrawal marker; do
  tcpdump -nv -r $each.pcap 2>/dev/null | grep -oE '198\.51\.100\.0/24|End-of-Rib.*' | sed "s/^/$each: /" | tee $each
done
grep -q 198.51.100.0/24 withdrawal && grep -q End-of-Rib withdrawal && grep -q End-of-Rib marker ||
  { echo "changed: tcpdump now tells a withdrawal from the marker" >&2; exit 1; }
