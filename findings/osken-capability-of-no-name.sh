#!/bin/sh
# os-ken gives a capability that it does not know the octets of all capabilities behind it.
#
# With:     os-ken 4.2.2 (PyPI)
# Expected: RFC 5492 section 4: a capability's value is as long as its length says; several in one optional parameter are
#           the usual form.
# Seen:     BGP Role (code 9, RFC 9234), length 1, gets the value 03 and then the next two capabilities' octets. These are
#           decoded a second time for themselves, so the OPEN, serialized again, is 16 octets longer than it came.
# Matters:  a looking glass shows nonsense values; who sends an OPEN on sends another one.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" os-ken==4.2.2
PYTHONPATH=$work python3 - <<'PYTHON'
import sys
from os_ken.lib.packet.bgp import BGPMessage

ROLE = bytes([9, 1, 3])
EVPN = bytes([1, 4, 0, 25, 0, 70])
AS4 = bytes([65, 4]) + (64512).to_bytes(4, "big")
capabilities = ROLE + EVPN + AS4
parameters = bytes([2, len(capabilities)]) + capabilities
body = bytes([4]) + (64512).to_bytes(2, "big") + (90).to_bytes(2, "big") + bytes([192, 0, 2, 1, len(parameters)]) + parameters
message = b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\1" + body

parsed = BGPMessage.parser(message)[0]
for each in parsed.opt_param:
    print(f"capability {each.cap_code}, length {each.cap_length}:", getattr(each, "cap_value", b"").hex())
value = parsed.opt_param[0].cap_value
again = bytes(parsed.serialize())
print(f"said: length 1, value 03; the OPEN came with {len(message)} octets and goes with {len(again)}")
if value != ROLE[2:] + EVPN + AS4 or len(again) == len(message):
    sys.exit("changed: os-ken now keeps to the capability's length")
PYTHON
