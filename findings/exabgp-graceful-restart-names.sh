#!/bin/sh
# ExaBGP's JSON names the two flags of graceful restart the wrong way round.
#
# With:     ExaBGP 5.0.15 (PyPI)
# Expected: RFC 4724 section 3: the flag beside the restart time is the Restart State bit (R: the speaker has restarted);
#           the flag beside each family is the Forwarding State bit (F: its forwarding state was kept).
# Seen:     R alone is printed as "restart-flags": ["forwarding"], F alone as "address-family-flags": ["restart"].
# Matters:  a monitor takes a peer that lost its forwarding state for one that kept it, and a peer that merely can keep it
#           for one that has just restarted.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" exabgp==5.0.15
cd "$work"
PYTHONPATH=$work python3 - <<'PYTHON'
import json
import subprocess
import sys

def decode(restart, forwarding):
    graceful = bytes([64, 6, restart, 120, 0, 1, 128, forwarding])                # 120 s, VPNv4
    capabilities = bytes([1, 4, 0, 1, 0, 128]) + bytes([65, 4, 0, 0, 252, 0]) + graceful
    parameters = bytes([2, len(capabilities)]) + capabilities
    body = bytes([4, 252, 0, 0, 90, 192, 0, 2, 1, len(parameters)]) + parameters
    message = b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\1" + body
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "exabgp", "decode", message.hex()],
                          capture_output=True, text=True, timeout=50)
    said = json.loads(done.stdout.strip().splitlines()[-1])["neighbor"]["open"]["capabilities"]["64"]
    return said["restart-flags"], said["address-family-flags"]["ipv4/mpls-vpn"]

r_alone, f_alone = decode(0x80, 0x00), decode(0x00, 0x80)
print("R alone: restart-flags", r_alone[0], "address-family-flags", r_alone[1])
print("F alone: restart-flags", f_alone[0], "address-family-flags", f_alone[1])
if r_alone != (["forwarding"], []) or f_alone != ([], ["restart"]):
    sys.exit("changed: ExaBGP now names the flags otherwise")
PYTHON
