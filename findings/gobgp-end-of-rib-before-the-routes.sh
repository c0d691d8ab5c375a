#!/bin/sh
# GoBGP with RT-Constrain says "that was all" of VPNv4 before the routes, which it has, were sent.
#
# With:     GoBGP 3.10.0-1+b4 (Debian 12), without route-target-membership deferral-time
# Expected: RFC 4724 section 3: End-of-RIB stands behind the initial routes; who restarted removes then what was not said
#           again. RFC 4684 section 6: routes wait for the peer's membership, so the marker has to wait as well.
# Seen:     a client that restarts and says its membership at once hears End-of-RIB of 1/128 first, and its routes behind.
# Matters:  a PE that keeps its routes through a restart (graceful restart) sweeps all of them and is without for a moment.
#           `route-target-membership.deferral-time` on the neighbour's family puts it right.
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
[neighbors.graceful-restart.config]
enabled = true
restart-time = 120
[[neighbors.afi-safis]]
config.afi-safi-name = "l3vpn-ipv4-unicast"
mp-graceful-restart.config.enabled = true
[[neighbors.afi-safis]]
config.afi-safi-name = "rtc"
mp-graceful-restart.config.enabled = true
[[neighbors]]
[neighbors.config]
neighbor-address = "127.0.0.3"
peer-as = 64512
[neighbors.transport.config]
passive-mode = true
[neighbors.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = "192.0.2.10"
[neighbors.graceful-restart.config]
enabled = true
restart-time = 120
[[neighbors.afi-safis]]
config.afi-safi-name = "l3vpn-ipv4-unicast"
mp-graceful-restart.config.enabled = true
[[neighbors.afi-safis]]
config.afi-safi-name = "rtc"
mp-graceful-restart.config.enabled = true
CONF
gobgpd -t toml -f "$work/gobgpd.toml" --api-hosts 127.0.0.1:50051 --pprof-disable >"$work/log" 2>&1 &
daemon=$!
sleep 2
python3 - <<'PYTHON'
import socket
import sys
import time

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
    capabilities = bytes([1, 4, 0, 1, 0, 128]) + bytes([1, 4, 0, 1, 0, 132]) + bytes([64, 10, 0, 120, 0, 1, 128, 0x80, 0, 1, 132, 0x80]) + bytes([65, 4, 0, 0, 252, 0])
    parameters = bytes([2, len(capabilities)]) + capabilities
    peer.sendall(message(1, bytes([4, 252, 0, 0, 90, 192, 0, 2, int(own[-1]), len(parameters)]) + parameters) + message(4, b""))
    hear(peer, 4)
    return peer

def attributes(body):
    seen, rest = {}, body[4:] if body and body[:2] == b"\0\0" else b""
    while rest:
        start, size = (4, int.from_bytes(rest[2:4], "big")) if rest[0] & 0x10 else (3, rest[2])
        seen[rest[1]], rest = rest[start:start + size], rest[start + size:]
    return seen

def reflected(route):
    """The attributes with which what one client says comes to the other; End-of-RIBs do not count."""
    says.sendall(route)
    while (body := hear(hears, 2)) is not None:
        seen = attributes(body)
        if 14 in seen or len(seen.get(15, b"")) > 3:
            return seen
    return {}

COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064"))
MEMBERSHIP = update(COMMON, attribute(0x80, 14, bytes([0, 1, 132, 4, 192, 0, 2, 2, 0, 96, 0, 0, 252, 0]) + bytes.fromhex("0002fc0000000064")))
MEMBERSHIP_END = update(attribute(0x80, 15, bytes([0, 1, 132])))
ROUTE = bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 3, 0, 112]) + bytes.fromhex("000641" "0000fc0000000007") + bytes([198, 51, 100])
says = session("127.0.0.3")
says.sendall(update(COMMON, TARGET, attribute(0x80, 14, ROUTE)))
time.sleep(1)
hears = session("127.0.0.2")
hears.sendall(MEMBERSHIP + MEMBERSHIP_END)
order = []
while len(order) < 2 and (body := hear(hears, 2)) is not None:
    seen = attributes(body)
    if seen.get(14, b"")[:3] == bytes([0, 1, 128]):
        order.append("route")
    if seen.get(15) == bytes([0, 1, 128]):
        order.append("End-of-RIB")
print("of VPNv4, in this order:", ", ".join(order))
if order != ["End-of-RIB", "route"]:
    sys.exit("changed: GoBGP now says End-of-RIB behind the routes")
PYTHON
