#!/bin/sh
# scapy reads an aggregator with a four-octet AS, an IPv6 route target and a VPNv6 withdrawal at the wrong octets.
#
# With:     scapy 2.8.0 (PyPI), scapy.contrib.bgp with use_2_bytes_asn = False
# Expected: RFC 6793 section 3: AS_PATH and AGGREGATOR then have AS numbers of four octets. RFC 5701 section 2: type and
#           subtype stand before the address. RFC 4659 section 3.2: label and RD stand before a VPNv6 prefix.
# Seen:     the AS path 4200000001 is right; the aggregator 4200000001, 192.0.2.9 is AS 64086 and 234.1.192.0. The route
#           target 2001:db8::1:100 is "2:2001:db8::" and 1. The withdrawal of one VPNv6 route is that of ::/0, again ::/0
#           and b800::/13, with path identifiers.
# Matters:  no error says so, and bytes() of the message is what came: only who looks at the fields is wrong.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" scapy==2.8.0
HOME=$work PYTHONPATH=$work python3 -W ignore - <<'PYTHON'
import logging
import sys
from ipaddress import ip_address

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.contrib.bgp import BGP, BGPUpdate, bgp_module_conf

bgp_module_conf.use_2_bytes_asn = False

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

AS = (4200000001).to_bytes(4, "big")
TARGET = bytes([0, 2]) + ip_address("2001:db8::1").packed + bytes([0, 100])
GONE = bytes([136]) + bytes.fromhex("800000" "0000fc0000000007") + ip_address("2001:db8:1::").packed[:6]
body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, bytes([2, 1]) + AS) + attribute(0x40, 3, bytes([192, 0, 2, 1]))
body += attribute(0xc0, 7, AS + bytes([192, 0, 2, 9])) + attribute(0x80, 15, bytes([0, 2, 128]) + GONE) + attribute(0xc0, 25, TARGET)
nlri = bytes([24, 198, 51, 100])
message = b"\xff" * 16 + (23 + len(body + nlri)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body + nlri
read = {each.type_code: each.attribute for each in BGP(message)[BGPUpdate].path_attr}
seen = [
    read[2].segments[0].segment_value,
    (read[7].aggregator_asn, read[7].speaker_address),
    (read[25].global_administrator, read[25].local_administrator),
    [getattr(each, "prefix", "raw") for each in read[15].afi_safi_specific.withdrawn_routes],
]
for name, value in zip(("AS path", "aggregator", "IPv6 route target", "withdrawn VPNv6 route"), seen):
    print(f"{name}: {value}")
if seen != [[4200000001], (64086, "234.1.192.0"), ("2:2001:db8::", 1), ["::/0", "::/0", "b800::/13", "raw"]]:
    sys.exit("changed: scapy now reads these fields otherwise")
PYTHON
