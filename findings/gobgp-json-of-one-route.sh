#!/bin/sh
# GoBGP's JSON of one route has all routes of the UPDATE that it came in, also those that were withdrawn since.
#
# With:     GoBGP 3.10.0-1+b4 (Debian 12)
# Expected: the attributes of a path describe that path; "nlri" says which it is.
# Seen:     three routes in one UPDATE: the attribute of type 14 of each has all three in its "value", and so it stays when
#           two of them have been withdrawn.
# Matters:  who reads the prefixes from the attribute believes in routes that are gone, and the output grows with the
#           square of the routes in an UPDATE.
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
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064"))
says = session("127.0.0.2")

def ask(*words):
    return subprocess.run(["gobgp", "global", "rib", "-a", "vpnv4", *words], capture_output=True, text=True, timeout=20).stdout

def routes(label, *last):
    return b"".join(bytes([112]) + bytes.fromhex(label + "0000fc0000000007") + bytes([198, 51, each]) for each in last)

says.sendall(update(COMMON, TARGET, attribute(0x80, 14, bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 2, 0]) + routes("000641", 98, 99, 100))))
time.sleep(1)
says.sendall(update(attribute(0x80, 15, bytes([0, 1, 128]) + routes("800000", 98, 99))))
time.sleep(1)
table = json.loads(ask("-j"))
reach = next(each for paths in table.values() for each in paths[0]["attrs"] if each["type"] == 14)
seen = [each["prefix"] for each in reach["value"]]
print("in the table:", list(table))
print("in the attribute of type 14 of the only route:", seen)
if list(table) != ["64512:7:198.51.100.0/24"] or len(seen) != 3:
    sys.exit("changed: GoBGP's JSON now has the route alone")
PYTHON
