#!/bin/sh
# GoBGP withdraws a route for an EVPN extended community that it does not know: ARP/ND flags, or the DF election.
#
# With:     GoBGP 3.10.0-1+b4 (Debian 12)
# Expected: RFC 4360 section 6 and RFC 4271 section 5: an extended community that is not known is no error, and goes on with
#           its route. RFC 9047 (0x0608: what may be answered for ARP and ND) and RFC 8584 (0x0606: how the designated
#           forwarder is chosen) rest on that.
# Seen:     the type 2 route with its target and the type 4 route with its ES-Import are reflected. With 0x0608 and 0x0606
#           beside them the same routes are withdrawn from the other client. The session stays.
# Matters:  FRR sends 0x0608 with the addresses of IPv6 routers, multihoming PEs send 0x0606: such addresses and segments
#           do not exist behind this reflector.
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
config.afi-safi-name = "l2vpn-evpn"
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
config.afi-safi-name = "l2vpn-evpn"
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
    capabilities = bytes([1, 4, 0, 25, 0, 70]) + bytes([65, 4, 0, 0, 252, 0])
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
RD = bytes.fromhex("0001c00002010007")
TYPE_2 = RD + bytes(14) + bytes.fromhex("30" "02005e100001") + bytes([32, 198, 51, 100, 1]) + (5000).to_bytes(3, "big")
TYPE_4 = RD + bytes.fromhex("00112233445566778899") + bytes([32, 192, 0, 2, 2])

def route(kind, nlri, *communities):
    return update(COMMON, attribute(0xc0, 16, bytes.fromhex("".join(communities))),
                  attribute(0x80, 14, bytes([0, 25, 70, 4, 192, 0, 2, 2, 0, kind, len(nlri)]) + nlri))

TARGET, ES_IMPORT = "0002fc0000000064", "0602112233445566"
seen = []
for name, said in (("type 2, route target", route(2, TYPE_2, TARGET)),
                   ("type 2, and 0x0608", route(2, TYPE_2, TARGET, "06080b0000000000")),
                   ("type 4, ES-Import", route(4, TYPE_4, ES_IMPORT)),
                   ("type 4, and 0x0606", route(4, TYPE_4, ES_IMPORT, "0606000000000000"))):
    heard = reflected(said)
    seen.append("announced" if 14 in heard else "withdrawn" if 15 in heard else "nothing")
    print(f"{name}: {seen[-1]}")
if seen != ["announced", "withdrawn"] * 2:
    sys.exit("changed: GoBGP now treats these communities otherwise")
PYTHON
