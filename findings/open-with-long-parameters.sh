#!/bin/sh
# tcpdump and tshark take an OPEN with the extended length of RFC 9072 for one full of unknown and authentication parameters.
#
# With:     tcpdump 4.99.3-1, tshark 4.0.17-0+deb12u3 (Debian 12)
# Expected: RFC 9072 section 2: length octet 255 and then type 255 instead of a parameter means: two octets of length
#           follow, and each parameter's length has two octets. It may be used for short lists too.
# Seen:     both read on as before: no Multiprotocol, no four-octet AS number, but "Authentication" (type 1).
# Matters:  speakers use it once their capabilities pass 255 octets (many families with add-path and LLGR); then the capture
#           no longer says what was negotiated.
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
def capture(path, *messages):
    with open(path, "wb") as out:
        out.write(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
        for message in messages:                              # Ethernet, IPv4, TCP 40000 > 179
            ip = bytes([0x45, 0]) + (40 + len(message)).to_bytes(2, "big") + bytes([0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2])
            tcp = bytes.fromhex("9c40 00b3 00000001 00000001 5018 ffff 0000 0000")
            frame = bytes([2] * 6 + [4] * 6 + [8, 0]) + ip + tcp + message
            out.write(bytes(8) + len(frame).to_bytes(4, "little") * 2 + frame)

capabilities = bytes([1, 4, 0, 1, 0, 128]) + bytes([1, 4, 0, 25, 0, 70]) + bytes([65, 4, 0, 0, 252, 0])
parameter = bytes([2]) + len(capabilities).to_bytes(2, "big") + capabilities
body = bytes([4, 252, 0, 0, 90, 192, 0, 2, 1, 255, 255]) + len(parameter).to_bytes(2, "big") + parameter
capture("bgp.pcap", b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\1" + body)
PYTHON
tcpdump -nv -r bgp.pcap 2>/dev/null | sed -n '/Open Message/,$p' | tee tcpdump.seen
tshark -r bgp.pcap -V | sed -n '/OPEN Message/,$p' | grep -E 'Parameter:|Capability:|Malformed' | tee tshark.seen
grep -q 'Authentication Information' tcpdump.seen && ! grep -q 'Multiprotocol' tcpdump.seen ||
  { echo "changed: tcpdump now knows RFC 9072" >&2; exit 1; }
grep -q 'Authentication' tshark.seen && ! grep -q 'Multiprotocol' tshark.seen ||
  { echo "changed: tshark now knows RFC 9072" >&2; exit 1; }
