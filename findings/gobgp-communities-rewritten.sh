#!/bin/sh
# GoBGP reflects a Color without its flags, and a transitive link bandwidth as one that is not transitive.
#
# With:     GoBGP 3.10.0-1+b4 (Debian 12)
# Expected: RFC 4456: a reflector passes a route on as it is. RFC 9012 section 4.3: the Color has two octets of flags, of
#           which RFC 9830 takes the first two bits (color only). RFC 4360 section 2: bit 0x40 of the type is what makes a
#           community non-transitive.
# Seen:     030b 8000 00000064 becomes 030b 0000 00000064; 0004 fc00 47f42400 (the transitive form of
#           draft-ietf-idr-link-bandwidth) becomes 4004 fc00 47f42400. A target, and the non-transitive 4004, stay.
# Matters:  a route that may be steered by its color alone no longer is; a bandwidth that was to reach the next autonomous
#           system ends at the border.
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
says, hears = session("127.0.0.2"), session("127.0.0.3")

seen = []
for last, community in enumerate(("0002fc0000000064", "030b800000000064", "4004fc0047f42400", "0004fc0047f42400")):
    nlri = bytes([112]) + bytes.fromhex("000641" "0000fc0000000007") + bytes([198, 51, last])
    reach = bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 2, 0]) + nlri
    heard = reflected(update(COMMON, attribute(0xc0, 16, bytes.fromhex(community)), attribute(0x80, 14, reach)))
    seen.append(heard.get(16, b"").hex())
    print(f"said {community}, heard {seen[-1]}")
if seen != ["0002fc0000000064", "030b000000000064", "4004fc0047f42400", "4004fc0047f42400"]:
    sys.exit("changed: GoBGP now passes these communities on otherwise")
PYTHON
