#!/bin/sh
# yabgp prints the large communities of a four-octet AS with a negative number, which it cannot write again.
#
# With:     yabgp 0.8.2 (PyPI)
# Expected: RFC 8092 section 3: three unsigned 32-bit numbers; section 5: written as three decimal integers.
# Seen:     4200000001:1:2 is read as "-94967295:1:2"; given back it raises an error. 64512:10:20 survives.
# Matters:  large communities are there for four-octet ASes, and half of these (from 2147483648 on, all private ones among
#           them) are not found by their number.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
echo 'setuptools<60' >"$work/constraints"
PIP_CONSTRAINT=$work/constraints python3 -m pip install -qq --no-deps --target "$work" yabgp==0.8.2 netaddr==1.3.0
PYTHONPATH=$work python3 -W ignore - <<'PYTHON'
import sys
from yabgp.message.attribute.largecommunity import LargeCommunity

seen = []
for said in ("64512:10:20", "4200000001:1:2"):
    octets = b"".join(int(each).to_bytes(4, "big") for each in said.split(":"))
    read = LargeCommunity.parse(octets)
    try:
        again = LargeCommunity.construct(read)[3:].hex()
    except Exception as error:
        again = type(error).__name__
    seen.append((read, again))
    print(f"{said}: {octets.hex()} is read as {read[0]}, which is written as {again}")
if seen != [(["64512:10:20"], "0000fc000000000a00000014"), (["-94967295:1:2"], "UpdateMessageError")]:
    sys.exit("changed: yabgp now reads large communities otherwise")
PYTHON
