#!/bin/sh
# A route target constraint for half a route target is malformed to tshark and refused by ExaBGP.
#
# With:     tshark 4.0.17-0+deb12u3 (Debian 12), ExaBGP 5.0.15 (PyPI)
# Expected: RFC 4684 section 4: the NLRI is a prefix: 0 bits, or any length from 32 (the origin AS) to 96 (the whole
#           target). 64 bits: all targets 64512:*.
# Seen:     96 bits are read by both; at 64 tshark says "Malformed Packet" and shows nothing, ExaBGP says "invalid payload".
# Matters:  whoever announces an aggregated constraint, as the RFC allows, is told that his UPDATE is broken.
set -eu
version=4.0.17-0+deb12u3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
apt-get -qq -o APT::Sandbox::User=root download tshark=$version libwireshark16=$version libwiretap13=$version \
  libwsutil14=$version libwireshark-data=$version libbcg729-0 liblua5.2-0 libmaxminddb0 libnl-3-200 libnl-genl-3-200 \
  libnl-route-3-200 libsbc1 libsmi2ldbl libsnappy1v5 libspandsp2 libspeexdsp1 libssh-gcrypt-4
python3 -m pip install -qq --target "$work" exabgp==5.0.15
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
AS, TARGET = (64512).to_bytes(4, "big"), bytes.fromhex("0002fc0000000064")
for bits, nlri in ((96, AS + TARGET), (64, AS + TARGET[:4])):
    message = update(COMMON, attribute(0x80, 14, bytes([0, 1, 132, 4, 192, 0, 2, 1, 0, bits]) + nlri))
    capture(f"{bits}.pcap", message)
    with open(f"{bits}.hex", "w") as out:
        out.write(message.hex())
PYTHON
for bits in 96 64; do
  tshark -r $bits.pcap -V | grep -E 'Community Prefix|Malformed Packet: ' | sed "s/^ */tshark, $bits bits: /" | tee $bits.tshark
  { PYTHONPATH=$work python3 -W ignore -m exabgp decode "$(cat $bits.hex)" 2>/dev/null || true; } |
    grep -oE '"route-target": "[^"]*"|invalid payload' | sed "s/^/ExaBGP, $bits bits: /" | tee $bits.exabgp
done
grep -q 64512:100 96.tshark && grep -q Malformed 64.tshark || { echo "changed: tshark now answers otherwise" >&2; exit 1; }
grep -q 64512:100 96.exabgp && grep -q 'invalid payload' 64.exabgp || { echo "changed: ExaBGP now answers otherwise" >&2; exit 1; }
