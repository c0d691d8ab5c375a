#!/bin/sh
# yabgp reads the IPv6 prefix 2001:db8::/32 as 32.1.13.184/32, and writes 16 octets of address for every length.
#
# With:     yabgp 0.8.2 (PyPI), with netaddr 1.3.0
# Expected: RFC 4760 section 5 and RFC 2545: a length in bits and as many octets as are needed; what is missing is zero at
#           the end.
# Seen:     the octets are read as one number, so they move to the end: 2001:db8:1::/48 is "::2001:db8:1/48", and /32 comes
#           out as IPv4. Only /128 is right. To write 2001:db8:1::/48, 0x30 is followed by 16 octets instead of 6: what
#           reads it finds a default route (::/0) ten times behind it. Labelled IPv6 routes are read in the same way.
# Matters:  a collector on yabgp knows no IPv6 prefix of the Internet, and a speaker on yabgp announces ten default routes.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
echo 'setuptools<60' >"$work/constraints"
PIP_CONSTRAINT=$work/constraints python3 -m pip install -qq --no-deps --target "$work" yabgp==0.8.2 netaddr==1.3.0
PYTHONPATH=$work python3 -W ignore - <<'PYTHON'
import sys
from ipaddress import ip_network
from yabgp.message.attribute.nlri.ipv6_unicast import IPv6Unicast

seen = {}
for prefix in ("2001:db8:1::/48", "2001:db8::/32", "2001:db8::1/128"):
    network = ip_network(prefix)
    said = bytes([network.prefixlen]) + network.network_address.packed[:(network.prefixlen + 7) // 8]
    read, written = IPv6Unicast.parse(said)[0], IPv6Unicast.construct([prefix])
    seen[prefix] = read, len(written)
    print(f"{prefix}: {said.hex()} is read as {read}; written as {written.hex()}, {len(written)} octets instead of {len(said)}")
expected = {"2001:db8:1::/48": ("::2001:db8:1/48", 17), "2001:db8::/32": ("32.1.13.184/32", 17), "2001:db8::1/128": ("2001:db8::1/128", 17)}
if seen != expected:
    sys.exit("changed: yabgp now reads or writes IPv6 prefixes otherwise")
PYTHON
