#!/bin/sh
# ExaBGP reads the Source AS community of a multicast VPN as a flow specification's DSCP marking.
#
# With:     ExaBGP 5.0.15 (PyPI)
# Expected: RFC 4360 section 2: type and subtype together say what a community is. RFC 6514 section 6: 0x0009 is Source AS;
#           RFC 4384: 0x0008 is for data collection. RFC 8955 section 7: the actions are 0x8008 (redirect) and 0x8009 (mark).
# Seen:     source AS 64512 is "mark 0", data collection 64512:100 is "redirect:64512:100", the same texts as for the actions
#           of those values: only the subtype is looked at.
# Matters:  every route of a PE that does multicast VPN has the first (RFC 6514 section 6). A program that acts on ExaBGP's
#           text sees traffic re-marked, or redirected into a VPN, where nobody said so.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" exabgp==5.0.15
decode() {                                                    # COMMUNITY: a VPNv4 route with it
  PYTHONPATH=$work python3 -W ignore -m exabgp decode "$(python3 - "$1" <<'PYTHON'
import sys

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

route = bytes([112]) + bytes.fromhex("000641" "0000fc0000000007") + bytes([198, 51, 100])
reach = bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 1, 0]) + route
body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
body += attribute(0xc0, 16, bytes.fromhex(sys.argv[1])) + attribute(0x80, 14, reach)
print((b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body).hex())
PYTHON
)" 2>/dev/null | grep -o '"extended-community".*"string": "[^"]*"' | sed "s/.*\"string\": /$1: /"
}
for each in 0009fc0000000000 800900000000002e 0008fc0000000064 8008fc0000000064; do decode $each; done | tee "$work/seen"
grep -q '^0009.*"mark 0"' "$work/seen" && grep -q '^8009.*"mark 46"' "$work/seen" &&
  grep -q '^0008.*"redirect:64512:100"' "$work/seen" && grep -q '^8008.*"redirect:64512:100"' "$work/seen" ||
  { echo "changed: ExaBGP now reads these communities otherwise" >&2; exit 1; }
