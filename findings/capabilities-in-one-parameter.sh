#!/bin/sh
# Three readers of BGP see at most the first of several capabilities that stand in one optional parameter.
#
# With:     scapy 2.8.0, mrtparse 2.2.0, dpkt 1.9.8 (PyPI)
# Expected: RFC 5492 section 4: the Capabilities parameter holds one or more capabilities, and one parameter for all of
#           them is the form it asks for.
# Seen:     of four capabilities in one parameter scapy decodes the first and leaves the rest as raw octets, mrtparse reads
#           the rest as further optional parameters (the next Multiprotocol one as "Authentication", type 1), and dpkt
#           raises NeedData. Each in a parameter of its own, scapy and dpkt read all four; mrtparse loses its way behind Route
#           Refresh, whose length is 0.
# Matters:  GoBGP, among others, says all in one: "does this peer offer EVPN or RT-Constrain?" gets a No, or none.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" scapy==2.8.0 mrtparse==2.2.0 dpkt==1.9.8
cd "$work"
PYTHONPATH=$work python3 - <<'PYTHON'
import logging
import sys
logging.disable(logging.WARNING)
import dpkt
from mrtparse import Reader
from scapy.contrib.bgp import BGP, BGPOpen

CAPABILITIES = [bytes([1, 4, 0, 1, 0, 128]), bytes([1, 4, 0, 25, 0, 70]), bytes([2, 0]),
                bytes([65, 4]) + (64512).to_bytes(4, "big")]          # VPNv4, EVPN, route refresh, four-octet AS

def openings(parameters):
    body = bytes([4]) + (64512).to_bytes(2, "big") + (90).to_bytes(2, "big") + bytes([192, 0, 2, 1, len(parameters)]) + parameters
    message = b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\1" + body
    record = bytes([0, 0, 252, 0, 0, 0, 252, 1, 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2]) + message
    with open("open.mrt", "wb") as out:
        out.write(bytes(4) + bytes([0, 16, 0, 4]) + len(record).to_bytes(4, "big") + record)
    try:
        dpkt_read = [each.data.code for each in dpkt.bgp.BGP(message).open.parameters]
    except dpkt.NeedData as error:
        dpkt_read = f"NeedData: {error}"
    scapy_read = [each.param_value.code for each in BGP(message)[BGPOpen].opt_params]
    mrt = next(Reader("open.mrt")).data["bgp_message"]["optional_parameters"]
    return {"scapy": scapy_read, "dpkt": dpkt_read, "mrtparse": [dict(each["type"]) for each in mrt]}

whole = b"".join(CAPABILITIES)
together = openings(bytes([2, len(whole)]) + whole)
apart = openings(b"".join(bytes([2, len(each)]) + each for each in CAPABILITIES))
print("said: 1 (VPNv4), 1 (EVPN), 2, 65")
for name in together:
    print(f"{name}, in one parameter: {together[name]}")
    print(f"{name}, in one each: {apart[name]}")
if (together["scapy"] != [1] or apart["scapy"] != [1, 1, 2, 65] or "NeedData" not in together["dpkt"]
        or apart["dpkt"] != [1, 1, 2, 65] or "Authentication" not in str(together["mrtparse"])
        or [list(each)[0] for each in apart["mrtparse"]] != [1, 1, 2, 2, 252]):
    sys.exit("changed: one of the three now reads the usual form otherwise")
PYTHON
