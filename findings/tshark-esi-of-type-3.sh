#!/bin/sh
# tshark reads two of the three octets of a MAC-based Ethernet segment's discriminator.
#
# With:     tshark 4.0.17-0+deb12u3 (Debian 12)
# Expected: RFC 7432 section 5: ESI type 3 is a MAC address of 6 octets and a local discriminator of 3.
# Seen:     discriminator 0x000102 is printed as "00 01", and the third octet as "Remaining bytes: 02".
# Matters:  two segments of one switch that differ in the last octet have one discriminator in the capture, and none there
#           is the one that was configured.
set -eu
version=4.0.17-0+deb12u3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
apt-get -qq -o APT::Sandbox::User=root download tshark=$version libwireshark16=$version libwiretap13=$version \
  libwsutil14=$version libwireshark-data=$version libbcg729-0 liblua5.2-0 libmaxminddb0 libnl-3-200 libnl-genl-3-200 \
  libnl-route-3-200 libsbc1 libsmi2ldbl libsnappy1v5 libspandsp2 libspeexdsp1 libssh-gcrypt-4
for package in *.deb; do dpkg -x "$package" root; done
tshark() { HOME=$work LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu root/usr/bin/tshark "$@" 2>tshark.log; }
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
ESI = bytes([3]) + bytes.fromhex("02005e100001" "000102")
route = bytes([4, 23]) + bytes.fromhex("0001c00002010007") + ESI + bytes([32, 192, 0, 2, 1])
communities = attribute(0xc0, 16, bytes.fromhex("060202005e100001"))                          # ES-Import
reach = attribute(0x80, 14, bytes([0, 25, 70, 4, 192, 0, 2, 1, 0]) + route)
capture("bgp.pcap", update(COMMON, communities, reach))
PYTHON
tshark -r bgp.pcap -V | grep -A5 'ESI Type' | sed 's/^ *//' | tee seen
grep -q 'discriminator: 00 01$' seen && grep -q 'Remaining bytes: 02' seen ||
  { echo "changed: tshark now reads the discriminator otherwise" >&2; exit 1; }
