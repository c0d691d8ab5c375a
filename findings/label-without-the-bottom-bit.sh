#!/bin/sh
# tshark, os-ken and yabgp read a VPN route whose label has no bottom bit as a broken one.
#
# With:     tshark 4.0.17-0+deb12u3 (Debian 12), os-ken 4.2.2, yabgp 0.8.2 (PyPI)
# Expected: RFC 8277 section 2.2: without the Multiple Labels capability there is one label; its bottom bit SHOULD be sent as
#           1 and MUST be ignored when it is received.
# Seen:     label 100 as 000640: tshark says "Malformed Packet" and shows no route, os-ken raises AssertionError, yabgp reads
#           the labels 100, 15, 0 and 124, three of them out of the RD. (ExaBGP 5.0.15 and tcpdump read label and route.)
# Matters:  a speaker that leaves the bit out works with other speakers; only the tools blame it, or show what is not there.
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
python3 -m pip install -qq --target "$work/python" os-ken==4.2.2
echo 'setuptools<60' >constraints
PIP_CONSTRAINT=$work/constraints python3 -m pip install -qq --no-deps --upgrade --target "$work/python" yabgp==0.8.2 netaddr==1.3.0
cat >routes.py <<'PYTHON'
import sys
from os_ken.lib.packet.bgp import BGPMessage
from yabgp.message.update import Update

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def capture(path, message):
    with open(path, "wb") as out:                             # Ethernet, IPv4, TCP 40000 > 179
        out.write(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
        ip = bytes([0x45, 0]) + (40 + len(message)).to_bytes(2, "big") + bytes([0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2])
        tcp = bytes.fromhex("9c40 00b3 00000001 00000001 5018 ffff 0000 0000")
        frame = bytes([2] * 6 + [4] * 6 + [8, 0]) + ip + tcp + message
        out.write(bytes(8) + len(frame).to_bytes(4, "little") * 2 + frame)

def osken(message):
    try:
        return BGPMessage.parser(message)[0].path_attributes[-1].nlri[0].label_list
    except AssertionError:
        return "AssertionError"

def yabgp(message):
    return Update.parse(0, message[19:], asn4=True)["attr"][14]["nlri"][0]["label"]

seen = []
for label in ("000641", "000640"):
    route = bytes([112]) + bytes.fromhex(label + "0000fc0000000007") + bytes([198, 51, 100])
    reach = bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 1, 0]) + route
    body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100])) + attribute(0x80, 14, reach)
    message = b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body
    capture(f"{label}.pcap", message)
    seen.append((osken(message), yabgp(message)))
    print(f"{label}: os-ken {seen[-1][0]}, yabgp {seen[-1][1]}")
if seen != [([100], [100]), ("AssertionError", [100, 15, 0, 124])]:
    sys.exit("changed: os-ken or yabgp now reads this label otherwise")
PYTHON
PYTHONPATH=$work/python python3 -W ignore routes.py
for label in 000641 000640; do
  tshark -r $label.pcap -V | grep -E 'Label Stack:|Malformed Packet: ' | sed "s/^ */$label: tshark /" | tee $label
done
grep -q 'Label Stack: 100 (bottom)' 000641 && grep -q Malformed 000640 || { echo "changed: tshark now reads this label otherwise" >&2; exit 1; }
