#!/bin/sh
# FRR as route reflector replaces the behaviour of an SRv6 service by "unknown".
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12)
# Expected: RFC 9252 section 3.2.1 and 3: the endpoint behaviour says what the SID does (0x0013: End.DT4); a speaker that
#           leaves the next hop alone passes the SRv6 service TLVs on as they came.
# Seen:     next hop and SID are the same, the behaviour went in as 0x0013 and comes out as 0xffff.
# Matters:  a PE that goes by the behaviour cannot use the route.
set -eu
[ "$(dpkg-query -W -f '${Version}' frr)" = 8.4.4-1.1~deb12u2 ] || { echo "this was seen with FRR 8.4.4" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare -n sh "$0" inside
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$work"
ip link set lo up
for address in fd00::2 fd00::3 fd00::10; do ip address add $address/128 dev lo nodad; done
cat >"$work/bgpd.conf" <<'CONF'
router bgp 64512
 bgp router-id 192.0.2.10
 no bgp default ipv4-unicast
 neighbor fd00::2 remote-as 64512
 neighbor fd00::2 passive
 neighbor fd00::2 capability extended-nexthop
 neighbor fd00::3 remote-as 64512
 neighbor fd00::3 passive
 neighbor fd00::3 capability extended-nexthop
 address-family ipv4 vpn
  neighbor fd00::2 activate
  neighbor fd00::2 route-reflector-client
  neighbor fd00::3 activate
  neighbor fd00::3 route-reflector-client
 exit-address-family
CONF
/usr/lib/frr/bgpd -Z -S -f "$work/bgpd.conf" -i "$work/pid" --vty_socket "$work" -l fd00::10 -p 1790 -P 0 >"$work/log" 2>&1 &
daemon=$!
sleep 2
python3 - <<'PYTHON'
import socket
import sys
import time
from ipaddress import ip_address

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
    capabilities = bytes([1, 4, 0, 1, 0, 128]) + bytes([5, 6, 0, 1, 0, 128, 0, 2]) + bytes([65, 4, 0, 0, 252, 0])
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
says, hears = session("fd00::2", "fd00::10"), session("fd00::3", "fd00::10")
SID = ip_address("2001:db8:f::").packed
structure = bytes([1, 0, 6, 40, 24, 16, 0, 16, 64])
information = bytes([0]) + SID + bytes([0, 0, 0x13, 0]) + structure
service = bytes([0]) + bytes([1, 0, len(information)]) + information
prefix_sid = attribute(0xc0, 40, bytes([5, 0, len(service)]) + service)
route = bytes([112]) + bytes.fromhex("000701" "0000fc0000000007") + bytes([198, 51, 100])
reach = bytes([0, 1, 128, 24]) + bytes(8) + ip_address("fd00::2").packed + b"\0"
heard = reflected(update(COMMON, TARGET, prefix_sid, attribute(0x80, 14, reach + route)))
said, passed = prefix_sid[3:], heard[40]
print("next hop:", ip_address(heard[14][12:28]))
print("said:     ", said.hex())
print("reflected:", passed.hex())
at = said.index(bytes([0, 0x13]), 24)
if heard[14][:28] != reach[:28] or passed[8:24] != SID or passed[at:at + 2] != b"\xff\xff":
    sys.exit("changed: FRR now passes the behaviour on, or changes the next hop")
PYTHON
