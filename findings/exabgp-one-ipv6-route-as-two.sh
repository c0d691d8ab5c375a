#!/bin/sh
# ExaBGP's JSON has an IPv6 route with a link-local address in its next hop as two routes with a next hop each.
#
# With:     ExaBGP 5.0.15 (PyPI)
# Expected: RFC 2545 section 3: on a shared link the next hop is one field of 32 octets, the global address and the
#           link-local one of the same router.
# Seen:     one prefix in one UPDATE stands in "announce" under 2001:db8::1 and under fe80::1, as two paths would; its
#           withdrawal stands there once.
# Matters:  a program sees two paths where one was said, and of one of them the next hop means nothing without its
#           interface.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" exabgp==5.0.15
for kind in announced withdrawn; do
  PYTHONPATH=$work python3 -W ignore -m exabgp decode "$(python3 - $kind <<'PYTHON'
import sys
from ipaddress import ip_address

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

prefix = bytes([48]) + ip_address("2001:db8:1::").packed[:6]
reach = bytes([0, 2, 1, 32]) + ip_address("2001:db8::1").packed + ip_address("fe80::1").packed + b"\0" + prefix
body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100])) + attribute(0x80, 14, reach)
if sys.argv[1] == "withdrawn":
    body = attribute(0x80, 15, bytes([0, 2, 1]) + prefix)
print((b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body).hex())
PYTHON
)" 2>/dev/null | grep -oE '"(announce|withdraw)".*' | tee "$work/$kind"
done
[ "$(grep -o '2001:db8:1::/48' "$work/announced" | wc -l)" = 2 ] && [ "$(grep -o '2001:db8:1::/48' "$work/withdrawn" | wc -l)" = 1 ] ||
  { echo "changed: ExaBGP now has the route once" >&2; exit 1; }
