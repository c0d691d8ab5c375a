#!/bin/sh
# tcpdump and tshark print the IPv6 endpoint of an EVPN's ingress replication as an IPv4 address.
#
# With:     tcpdump 4.99.3-1, tshark 4.0.17-0+deb12u3 (Debian 12)
# Expected: RFC 6514 section 5 (used by RFC 7432 section 11.2): for Ingress Replication the tunnel identifier is the
#           endpoint's unicast address; the attribute's length (5 + 4 or 5 + 16) says which family.
# Seen:     32.1.13.184 for 2001:db8::1 by both.
# Matters:  broadcast of a network seems to be sent to a stranger in the Internet.
set -eu
version=4.0.17-0+deb12u3
[ "$(dpkg-query -W -f '${Version}' tcpdump)" = 4.99.3-1 ] || { echo "this was seen with tcpdump 4.99.3-1" >&2; exit 2; }
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
ADDRESS = ip_address("2001:db8::1").packed
pmsi = attribute(0xc0, 22, bytes([0, 6]) + (5000).to_bytes(3, "big") + ADDRESS)
communities = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064" "030c000000000008"))       # RT 64512:100, VXLAN
route = bytes([3, 29]) + bytes.fromhex("0000fc0000000007") + bytes(4) + bytes([128]) + ADDRESS
reach = attribute(0x80, 14, bytes([0, 25, 70, 16]) + ADDRESS + b"\0" + route)
capture("bgp.pcap", update(COMMON, communities, pmsi, reach))
PYTHON
tcpdump -nv -r bgp.pcap 2>/dev/null | grep -A1 'Ingress Replication' | tee tcpdump.seen
tshark -r bgp.pcap -V | grep 'end point' | tee tshark.seen
grep -q 'Tunnel-Endpoint 32\.1\.13\.184' tcpdump.seen || { echo "changed: tcpdump now prints the IPv6 endpoint" >&2; exit 1; }
grep -q 'IP end point: 32\.1\.13\.184' tshark.seen || { echo "changed: tshark now prints the IPv6 endpoint" >&2; exit 1; }
