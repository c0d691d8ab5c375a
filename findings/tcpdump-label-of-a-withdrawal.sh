#!/bin/sh
# tcpdump calls the label of every ordinary VPNv4 withdrawal "BOGUS".
#
# With:     tcpdump 4.99.3-1 (Debian 12)
# Expected: RFC 8277 section 2.4: in a withdrawal the label field should be 0x800000 and is ignored; it has no bottom bit.
# Seen:     "label:524288 (BOGUS: Bottom of Stack NOT set!)".
# Matters:  who looks for the reason of an outage finds a complaint at exactly the withdrawals, and it is none.
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

route = bytes([112]) + bytes.fromhex("800000" "0000fc0000000007") + bytes([198, 51, 100])
capture("bgp.pcap", update(attribute(0x80, 15, bytes([0, 1, 128]) + route)))
PYTHON
tcpdump -nv -r bgp.pcap 2>/dev/null | grep -o 'RD: .*' | tee seen
grep -q '198.51.100.0/24, label:524288 (BOGUS: Bottom of Stack NOT set!)' seen ||
  { echo "changed: tcpdump now prints a withdrawal otherwise" >&2; exit 1; }
