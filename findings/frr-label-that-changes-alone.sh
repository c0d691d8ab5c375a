#!/bin/sh
# FRR as route reflector does not pass on that a route has got another label, or VNI, and nothing else.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12), where `bgp suppress-duplicates` is on by default
# Expected: RFC 4271 section 3.1: a route that is announced again replaces the old one; RFC 8277 section 2.4 and RFC 7432: the
#           label, or VNI, is part of what is announced, and no part of the route's key.
# Seen:     a VPNv4 route whose label goes from 100 to 200, a type 2 and a type 5 route whose VNI goes from 5000 to 6000: the
#           client hears nothing. With `no bgp suppress-duplicates` it hears all three.
# Matters:  the others go on sending with a label that the PE has taken back: to nowhere, or into another VPN.
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
 neighbor 127.0.0.2 remote-as 64512
 neighbor 127.0.0.2 passive
 neighbor 127.0.0.3 remote-as 64512
 neighbor 127.0.0.3 passive
 address-family ipv4 vpn
  neighbor 127.0.0.2 activate
  neighbor 127.0.0.2 route-reflector-client
  neighbor 127.0.0.3 activate
  neighbor 127.0.0.3 route-reflector-client
 exit-address-family
 address-family l2vpn evpn
  neighbor 127.0.0.2 activate
  neighbor 127.0.0.2 route-reflector-client
  neighbor 127.0.0.3 activate
  neighbor 127.0.0.3 route-reflector-client
 exit-address-family
CONF
cat >"$work/clients.py" <<'PYTHON'
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
    capabilities = bytes([1, 4, 0, 1, 0, 128]) + bytes([1, 4, 0, 25, 0, 70]) + bytes([65, 4, 0, 0, 252, 0])
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
says, hears = session("127.0.0.2"), session("127.0.0.3")
def vpn(label):
    route = bytes([112]) + label.to_bytes(3, "big") + bytes.fromhex("0000fc0000000007") + bytes([198, 51, 100])
    return bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 2, 0]) + route

def evpn(kind, middle, vni):
    route = bytes.fromhex("0001c00002010007") + bytes(14) + middle + vni.to_bytes(3, "big")
    return bytes([0, 25, 70, 4, 192, 0, 2, 2, 0, kind, len(route)]) + route

MAC_IP = bytes.fromhex("30" "02005e100001") + bytes([32, 198, 51, 100, 1])
PREFIX = bytes([24, 198, 51, 100, 0]) + bytes(4)
changes = {"VPNv4, label 100 to 200": (vpn(100 << 4 | 1), vpn(200 << 4 | 1)),
           "type 2, VNI 5000 to 6000": (evpn(2, MAC_IP, 5000), evpn(2, MAC_IP, 6000)),
           "type 5, VNI 5000 to 6000": (evpn(5, PREFIX, 5000), evpn(5, PREFIX, 6000))}
seen = []
for name, (before, after) in changes.items():
    first = reflected(update(COMMON, TARGET, attribute(0x80, 14, before)))
    second = reflected(update(COMMON, TARGET, attribute(0x80, 14, after)))
    seen.append(14 in first and 14 not in second)
    print(f"{sys.argv[1]}: {name}: {'heard' if 14 in first else 'not heard'}, then {'heard' if 14 in second else 'not heard'}")
sys.exit(seen != [sys.argv[2] == "silent"] * 3)
PYTHON
reflector() {                                                 # CONFIGURATION NAME EXPECTED
  /usr/lib/frr/bgpd -Z -S -f "$1" -i "$work/pid" --vty_socket "$work" -l 127.0.0.10 -p 1790 -P 0 >"$work/log" 2>&1 &
  daemon=$!
  sleep 2
  python3 "$work/clients.py" "$2" "$3" || changed=yes
  kill "$daemon"
  wait "$daemon" || true
  daemon=
}
changed=
reflector "$work/bgpd.conf" "as it is" silent
sed 's/^ bgp router-id.*/&\n no bgp suppress-duplicates/' "$work/bgpd.conf" >"$work/duplicates.conf"
reflector "$work/duplicates.conf" "no bgp suppress-duplicates" heard
[ -z "$changed" ] || { echo "changed: FRR now passes on a label that changes alone, or never does" >&2; exit 1; }
