#!/bin/sh
# jq reads other extended communities out of ExaBGP's JSON than were said, for they are 64-bit numbers there.
#
# With:     ExaBGP 5.0.15 (PyPI), jq 1.6 (Debian 12)
# Expected: what is said arrives. RFC 8259 section 6: readers agree on integers up to 2^53 only, since most of them keep
#           numbers as doubles; jq's manual says that it does.
# Seen:     "value" is the community's 8 octets as one number. Behind jq VXLAN (030c…0008) is tunnel type 0, and the router's
#           MAC 02:00:00:00:00:01 ends in :04. A route target (below 2^53) is right. For the router's MAC "string"
#           is empty, so the number is all there is.
# Matters:  in a pipeline from ExaBGP to jq the symmetric IRB routes of all leaves have a router's MAC that nobody has.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
apt-get -qq -o APT::Sandbox::User=root download jq libjq1 libonig5
for package in *.deb; do dpkg -x "$package" root; done
python3 -m pip install -qq --target "$work" exabgp==5.0.15
PYTHONPATH=$work python3 -W ignore -m exabgp decode "$(python3 - <<'PYTHON'
def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

route = bytes([2, 40]) + bytes.fromhex("0001c00002010007" "00000000000000000000" "00000000" "30020000000007" "20c6336407" "001388" "001b58")
communities = bytes.fromhex("0002fc0000000064" "030c000000000008" "0603020000000001")
body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
body += attribute(0xc0, 16, communities) + attribute(0x80, 14, bytes([0, 25, 70, 4, 192, 0, 2, 1, 0]) + route)
print((b"\xff" * 16 + (23 + len(body)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body).hex())
PYTHON
)" 2>/dev/null | grep '^{' >update.json
jq() { LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu root/usr/bin/jq "$@"; }
[ "$(jq --version)" = jq-1.6 ] || { echo "this was seen with jq 1.6" >&2; exit 2; }
grep -o '"extended-community": [^]]*' update.json
jq -r '.. | .["extended-community"]? // empty | .[].value' update.json >numbers
while read -r number; do printf 'jq: %016x\n' "$number"; done <numbers | tee seen
grep -q 0002fc0000000064 seen && grep -q 030c000000000000 seen && grep -q 0603020000000004 seen &&
  grep -q '"value": 433192188180955137, "string": ""' update.json ||
  { echo "changed: the communities are now the same on both sides" >&2; exit 1; }
