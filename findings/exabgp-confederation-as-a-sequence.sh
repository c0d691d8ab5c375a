#!/bin/sh
# ExaBGP's JSON does not tell the members of a confederation in an AS path from the autonomous systems behind it.
#
# With:     ExaBGP 5.0.15 (PyPI)
# Expected: RFC 5065 section 3: segment types 3 and 4 (AS_CONFED_SEQUENCE, AS_CONFED_SET) are segments of their own, not
#           counted in the path's length (section 5.3) and taken out at the confederation's border.
# Seen:     three segments of types 3, 4 and 2, and three times "element": "as-sequence": also the set of members is one.
#           (An ordinary AS_SET, type 1, is "as-set".)
# Matters:  a program that counts or compares paths takes a route from next door for one from three networks away.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" exabgp==5.0.15
PYTHONPATH=$work python3 -W ignore -m exabgp decode "$(python3 - <<'PYTHON'
def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def segment(kind, *numbers):
    return bytes([kind, len(numbers)]) + b"".join(each.to_bytes(4, "big") for each in numbers)

path = segment(3, 64513, 64514) + segment(4, 64515) + segment(2, 64496)
body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, path) + attribute(0x40, 3, bytes([192, 0, 2, 1])) + attribute(0x40, 5, bytes([0, 0, 0, 100]))
nlri = bytes([24, 198, 51, 100])
print((b"\xff" * 16 + (23 + len(body + nlri)).to_bytes(2, "big") + b"\2\0\0" + len(body).to_bytes(2, "big") + body + nlri).hex())
PYTHON
)" 2>/dev/null | grep -o '{"element"[^}]*}' | tee "$work/seen"
echo "said: types 3, 4 and 2"
grep -q '"as-sequence", "value": \[64513, 64514\]' "$work/seen" && grep -q '"as-sequence", "value": \[64515\]' "$work/seen" &&
  grep -q '"as-sequence", "value": \[64496\]' "$work/seen" || { echo "changed: ExaBGP now names confederation segments" >&2; exit 1; }
