#!/bin/sh
# tshark prints a VNI as VNI only if the extended communities stand before the routes, and else as a bogus MPLS label.
#
# With:     tshark 4.0.17-0+deb12u3 (Debian 12)
# Expected: RFC 8365 section 5.1.3: with the VXLAN encapsulation community the label field is a VNI of 24 bits. RFC 7606
#           section 5.1: MP_REACH_NLRI is to be the first attribute, so the community comes behind it.
# Seen:     the same route and the same attributes: "VNI: 5000" with MP_REACH_NLRI last, "MPLS Label Stack: 312, (BOGUS:
#           Bottom of Stack NOT set!)" with it first.
# Matters:  captures of speakers that keep to RFC 7606 show a wrong number and blame the speaker for it.
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
route = (bytes([5, 34]) + bytes.fromhex("0001c00002010007") + bytes(14) + bytes([24, 198, 51, 100, 0]) + bytes(4)
         + (5000).to_bytes(3, "big"))
reach = attribute(0x80, 14, bytes([0, 25, 70, 4, 192, 0, 2, 1, 0]) + route)
communities = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064" "030c000000000008" "060302005e109999"))
capture("last.pcap", update(COMMON, communities, reach))
capture("first.pcap", update(reach, COMMON, communities))
PYTHON
for order in last first; do
  tshark -r $order.pcap -V | grep -E '^ +(VNI|MPLS Label Stack):' | sed "s/^ */MP_REACH_NLRI $order: /" | tee $order.seen
done
grep -q 'VNI: 5000' last.seen && grep -q 'MPLS Label Stack: 312.*BOGUS' first.seen ||
  { echo "changed: tshark now prints the label field otherwise" >&2; exit 1; }
