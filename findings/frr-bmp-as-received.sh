#!/bin/sh
# FRR's BMP reports, as received from a client, attributes that FRR itself would add when it reflects the route.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12), bgpd's module bmp
# Expected: RFC 7854 sections 4.6 and 5: Route Monitoring before policy is the peer's routes as they were received.
# Seen:     the client says a route without ORIGINATOR_ID (9) and CLUSTER_LIST (10); the station hears it with both, the
#           reflector's own cluster in the list.
# Matters:  to the station the route seems to have come from another reflector, and to be in a loop.
set -eu
[ "$(dpkg-query -W -f '${Version}' frr)" = 8.4.4-1.1~deb12u2 ] || { echo "this was seen with FRR 8.4.4" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare -n sh "$0" inside
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$work"
ip link set lo up
cat >"$work/bgpd.conf" <<'CONF'
router bgp 64512
 bgp router-id 192.0.2.10
 no bgp default ipv4-unicast
 bmp targets station
  bmp connect 127.0.0.20 port 5000 min-retry 200 max-retry 400
  bmp monitor ipv4 vpn pre-policy
 exit
 neighbor 127.0.0.2 remote-as 64512
 neighbor 127.0.0.2 passive
 address-family ipv4 vpn
  neighbor 127.0.0.2 activate
  neighbor 127.0.0.2 soft-reconfiguration inbound
  neighbor 127.0.0.2 route-reflector-client
 exit-address-family
CONF
/usr/lib/frr/bgpd -Z -S -M bmp -f "$work/bgpd.conf" -i "$work/pid" --vty_socket "$work" -l 127.0.0.10 -p 1790 -P 0 >"$work/log" 2>&1 &
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

def monitored():
    """The attributes of the next Route Monitoring message (RFC 7854 section 4.6): 6 octets, 42 of the peer, the UPDATE."""
    while True:
        head = station.recv(6, socket.MSG_WAITALL)
        body = station.recv(int.from_bytes(head[1:5], "big") - 6, socket.MSG_WAITALL)
        if head[5] == 0 and 14 in (seen := attributes(body[42 + 19:])):
            return seen

COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064"))
listener = socket.create_server(("127.0.0.20", 5000))
listener.settimeout(10)
station = listener.accept()[0]
station.settimeout(10)
says = session("127.0.0.2")
VPN = bytes([112]) + bytes.fromhex("000641" "0000fc0000000007") + bytes([198, 51, 100])
says.sendall(update(COMMON, TARGET, attribute(0x80, 14, bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 2, 0]) + VPN)))
heard = monitored()
print("said: attributes 1, 2, 5, 14, 16; BMP says:", ", ".join(map(str, sorted(heard))))
print("ORIGINATOR_ID", heard.get(9, b"").hex(), "CLUSTER_LIST", heard.get(10, b"").hex())
if 9 not in heard or heard.get(10) != bytes([192, 0, 2, 10]):
    sys.exit("changed: FRR's BMP now says the attributes as they came")
PYTHON
