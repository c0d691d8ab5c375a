#!/bin/sh
# tshark and tcpdump take VPN routes with path identifiers for malformed ones, with the negotiation in the same capture.
#
# With:     tshark 4.0.17-0+deb12u3, tcpdump 4.99.3-1 (Debian 12)
# Expected: RFC 7911 sections 3 and 4: where both OPENs have the capability for a family, its NLRI begin with a path
#           identifier of 4 octets. Both tools print that capability.
# Seen:     VPNv4 and VPNv6: "prefix length 0 invalid", "Malformed" (tshark) and "illegal prefix length" (tcpdump): the
#           identifier's first octet is taken for the length. tshark prints the EVPN route beside them with "NLRI path id: 1".
# Matters:  a session with several paths for each VPN route looks like one that is full of errors.
set -eu
[ "$(dpkg-query -W -f '${Version}' tcpdump)" = 4.99.3-1 ] || { echo "this was seen with tcpdump 4.99.3-1" >&2; exit 2; }
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

def message(kind, body):
    return b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body

def update(*attributes):
    body = b"".join(attributes)
    return message(2, b"\0\0" + len(body).to_bytes(2, "big") + body)

def session(path, *messages):
    """Each message: whether the second speaker says it, and its octets. Ethernet, IPv4, TCP 40000 > 179 and back."""
    ends, said = (bytes([192, 0, 2, 1]) + bytes([192, 0, 2, 2]), bytes([192, 0, 2, 2]) + bytes([192, 0, 2, 1])), [1, 1]
    with open(path, "wb") as out:
        out.write(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
        for back, octets in messages:
            ip = bytes([0x45, 0]) + (40 + len(octets)).to_bytes(2, "big") + bytes([0, 1, 0, 0, 64, 6, 0, 0]) + ends[back]
            ports = bytes.fromhex("00b39c40" if back else "9c4000b3")
            tcp = ports + said[back].to_bytes(4, "big") + said[not back].to_bytes(4, "big") + bytes.fromhex("5018ffff00000000")
            frame = bytes([2] * 6 + [4] * 6 + [8, 0]) + ip + tcp + octets
            out.write(bytes(8) + len(frame).to_bytes(4, "little") * 2 + frame)
            said[back] += len(octets)

FAMILIES = (bytes.fromhex("000180"), bytes.fromhex("000280"), bytes.fromhex("001946"))
capabilities = b"".join(bytes([1, 4]) + each[:2] + b"\0" + each[2:] for each in FAMILIES)
capabilities += bytes([65, 4]) + (64512).to_bytes(4, "big") + bytes([69, 12]) + b"".join(each + b"\3" for each in FAMILIES)
hello = message(1, bytes.fromhex("04fc00005ac0000201") + bytes([len(capabilities) + 2, 2, len(capabilities)]) + capabilities)

COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064"))
PATH, RD = bytes([0, 0, 0, 1]), bytes.fromhex("0000fc0000000007")
vpnv4 = bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 1, 0]) + PATH + bytes([112]) + bytes.fromhex("000641") + RD + bytes([198, 51, 100])
vpnv6 = bytes([0, 2, 128, 24]) + bytes(8) + ip_address("2001:db8::1").packed + b"\0" + PATH + bytes([136]) + bytes.fromhex("000641") + RD
vpnv6 += ip_address("2001:db8:1::").packed[:6]
evpn = bytes([0, 25, 70, 4, 192, 0, 2, 1, 0]) + PATH + bytes([3, 17]) + RD + bytes(4) + bytes([32, 192, 0, 2, 1])
for name, reach in (("vpnv4", vpnv4), ("vpnv6", vpnv6), ("evpn", evpn)):
    alive = message(4, b"")
    route = update(COMMON, TARGET, attribute(0x80, 14, reach))
    session(f"{name}.pcap", (False, hello), (True, hello), (False, alive), (True, alive), (False, route))
PYTHON
for family in vpnv4 vpnv6 evpn; do
  tshark -r $family.pcap -V | grep -E 'NLRI path id|prefix length 0 invalid$|Send/Receive' | sort -u | sed "s/^ */tshark, $family: /" | tee $family
  tcpdump -nv -r $family.pcap 2>/dev/null | grep -oE 'illegal prefix length|SAFI .*Send/Receive: Both' | sort -u | sed "s/^/tcpdump, $family: /" | tee $family.tcpdump
done
for family in vpnv4 vpnv6; do
  grep -q 'Send/Receive: Both' $family && grep -q 'length 0 invalid' $family && grep -q 'illegal prefix length' $family.tcpdump ||
    { echo "changed: VPN routes with path identifiers are now read" >&2; exit 1; }
done
grep -q 'path id: 1' evpn || { echo "changed: tshark now reads EVPN routes with path identifiers otherwise" >&2; exit 1; }
