#!/bin/sh
# tshark calls an UPDATE with an IPv6 flow specification that has an offset malformed, and shows none of it.
#
# With:     tshark 4.0.17-0+deb12u3 (Debian 12)
# Expected: RFC 8956 section 3.1: length 64, offset 32: the pattern has 32 bits.
# Seen:     "Malformed Packet" at the first component. With offset 0 the same rule is read.
# Matters:  the filter that matches on interface or host bits, which is what the offset is for, cannot be looked at.
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

def rule(prefix):
    value = prefix + bytes([3, 0x81, 6])                      # and next header = TCP
    return update(COMMON, attribute(0x80, 14, bytes([0, 2, 133, 0, 0, len(value)]) + value))

capture("offset.pcap", rule(bytes([1, 64, 32]) + bytes.fromhex("00010002")))
capture("plain.pcap", rule(bytes([1, 48, 0]) + ip_address("2001:db8:1::").packed[:6]))
PYTHON
for form in plain offset; do
  tshark -r $form.pcap -V | grep -E 'Filter:|Malformed Packet: ' | sed "s/^ */$form: /" | tee $form.seen
done
grep -q 'Next Header' plain.seen && ! grep -q Malformed plain.seen && grep -q Malformed offset.seen ||
  { echo "changed: tshark now reads the offset otherwise" >&2; exit 1; }
