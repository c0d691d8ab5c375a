#!/bin/sh
# tshark prints the constraint for a target of a four-octet AS as that of AS 4294967295, whichever it is.
#
# With:     tshark 4.0.17-0+deb12u3 (Debian 12)
# Expected: RFC 4684 section 4: behind the origin AS the NLRI of 1/132 has a route target's octets; RFC 5668: type 0x0202 is
#           one of a four-octet AS. In an extended community tshark reads the same octets rightly.
# Seen:     the targets 70000:100 and 4200000001:100 are both "Community Prefix: 4294967295:100"; the communities
#           beside them have 70000 and 4200000001.
# Matters:  the capture that is to say which VPN a PE has asked for shows one that does not exist.
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
for number in (70000, 4200000001):
    target = bytes.fromhex("0202") + number.to_bytes(4, "big") + bytes([0, 100])
    constraint = bytes([96]) + (64512).to_bytes(4, "big") + target
    capture(f"{number}.pcap", update(COMMON, attribute(0xc0, 16, target), attribute(0x80, 14, bytes([0, 1, 132, 4, 192, 0, 2, 1, 0]) + constraint)))
PYTHON
for number in 70000 4200000001; do
  tshark -r $number.pcap -V | grep -E '4-Octet AS:|Community Prefix:' | sed "s/^ */said $number, /" | tee $number
  grep -q "4-Octet AS: $number" $number && grep -q 'Prefix: 4294967295:100' $number ||
    { echo "changed: tshark now reads constraints of four-octet ASes otherwise" >&2; exit 1; }
done
