#!/bin/sh
# GoBGP's table prints a route target and a Site of Origin of the same numbers alike.
#
# With:     GoBGP 3.10.0-1+b4 (Debian 12)
# Expected: RFC 4360 sections 4 and 5: two communities, 0x0002 says who may import the route, 0x0003 where it is from.
# Seen:     "Extcomms: [64512:100], [64512:200]" of target 64512:100 and origin 64512:200, in text nothing tells which is
#           which. With -j subtype 2 and 3 do.
# Matters:  who looks for the route target that a VPN should not have finds the site's number instead.
set -eu
[ "$(dpkg-query -W -f '${Version}' gobgpd)" = 3.10.0-1+b4 ] || { echo "this was seen with GoBGP 3.10.0-1+b4" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare -n sh "$0" inside
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
ip link set lo up
cat >"$work/gobgpd.toml" <<'CONF'
[global.config]
as = 64512
router-id = "192.0.2.10"
port = 1790
local-address-list = ["127.0.0.10"]
[[neighbors]]
[neighbors.config]
neighbor-address = "127.0.0.2"
peer-as = 64512
[neighbors.transport.config]
passive-mode = true
[neighbors.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = "192.0.2.10"
[[neighbors.afi-safis]]
config.afi-safi-name = "l3vpn-ipv4-unicast"
[[neighbors]]
[neighbors.config]
neighbor-address = "127.0.0.3"
peer-as = 64512
[neighbors.transport.config]
passive-mode = true
[neighbors.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = "192.0.2.10"
[[neighbors.afi-safis]]
config.afi-safi-name = "l3vpn-ipv4-unicast"
CONF
gobgpd -t toml -f "$work/gobgpd.toml" --api-hosts 127.0.0.1:50051 --pprof-disable >"$work/log" 2>&1 &
daemon=$!
sleep 2
python3 - <<'PYTHON'
import socket
import sys
import time
import json
import subprocess

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def message(kind, body):
    return b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body

def update(*attributes):
    body = b"".join(attributes)
    return message(2, b"\0\0" + len(body).to_bytes(2, "big") + body)

def hear(peer, kind):
    """The body of the next message of that kind, or of a NOTIFICATION (3); None when it hangs up or says neither in five seconds."""
    until = time.monotonic() + 5
    while (left := until - time.monotonic()) > 0:
        peer.settimeout(left)
        try:
            head = peer.recv(19, socket.MSG_WAITALL)
            if not head:
                return None
            body = peer.recv(int.from_bytes(head[16:18], "big") - 19, socket.MSG_WAITALL) if head[18:] != b"\4" else b""
        except TimeoutError:
            return None
        if head[18] in (kind, 3):
            return body
    return None

def session(own, reflector="127.0.0.10"):
    peer = socket.create_connection((reflector, 1790), 5, (own, 0))
    capabilities = bytes([1, 4, 0, 1, 0, 128]) + bytes([65, 4, 0, 0, 252, 0])
    parameters = bytes([2, len(capabilities)]) + capabilities
    peer.sendall(message(1, bytes([4, 252, 0, 0, 90, 192, 0, 2, int(own[-1]), len(parameters)]) + parameters) + message(4, b""))
    hear(peer, 4)
    return peer

COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
says = session("127.0.0.2")

def ask(*words):
    return subprocess.run(["gobgp", "global", "rib", "-a", "vpnv4", *words], capture_output=True, text=True, timeout=20).stdout

route = bytes([112]) + bytes.fromhex("000641" "0000fc0000000007") + bytes([198, 51, 100])
both = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064" "0003fc00000000c8"))
says.sendall(update(COMMON, both, attribute(0x80, 14, bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 2, 0]) + route)))
time.sleep(1)
text, path = ask(), json.loads(ask("-j"))["64512:7:198.51.100.0/24"][0]
print(text)
print("-j:", [each for each in path["attrs"] if each["type"] == 16])
if "[64512:100], [64512:200]" not in text:
    sys.exit("changed: GoBGP now prints the two otherwise")
PYTHON
