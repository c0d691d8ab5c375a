#!/bin/sh
# FRR ends the session when a PE with an IPv6 address says in EVPN where to send broadcast.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12)
# Expected: RFC 7432 sections 7.3 and 7.4: the originating router's address in types 3 and 4 has 32 or 128 bits. RFC 6514
#           section 5: the tunnel identifier of ingress replication is a unicast address of either family.
# Seen:     NOTIFICATION 3/9 for type 3 and type 4 with 128 bits, and 3/5 for a PMSI attribute with an IPv6 endpoint. Type 2
#           with an IPv6 next hop is passed on.
# Matters:  one hypervisor with an IPv6 tunnel address loses its session to this reflector again and again.
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
 address-family l2vpn evpn
  neighbor 127.0.0.2 activate
  neighbor 127.0.0.2 route-reflector-client
  neighbor 127.0.0.3 activate
  neighbor 127.0.0.3 route-reflector-client
 exit-address-family
CONF
/usr/lib/frr/bgpd -Z -S -f "$work/bgpd.conf" -i "$work/pid" --vty_socket "$work" -l 127.0.0.10 -p 1790 -P 0 >"$work/log" 2>&1 &
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
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064"))
says, hears = session("127.0.0.2"), session("127.0.0.3")
PE = ip_address("2001:db8::1").packed
RD = bytes.fromhex("0001c00002010007")
TYPE_3 = bytes([3, 29]) + RD + bytes(4) + bytes([128]) + PE
TYPE_4 = bytes([4, 35]) + RD + bytes.fromhex("00112233445566778899") + bytes([128]) + PE
TYPE_2 = bytes([2, 33]) + RD + bytes(14) + bytes.fromhex("30" "02005e100001" "00" "001388")
REACH = bytes([0, 25, 70, 16]) + PE + b"\0"
ES_IMPORT = attribute(0xc0, 16, bytes.fromhex("0602112233445566"))
PMSI = attribute(0xc0, 22, bytes([0, 6]) + (5000).to_bytes(3, "big") + PE)

print("type 2:", "passed on" if 14 in reflected(update(COMMON, TARGET, attribute(0x80, 14, REACH + TYPE_2))) else "not passed on")
answers = []
for name, attached, route in (("type 3", TARGET, TYPE_3), ("type 4", ES_IMPORT, TYPE_4), ("type 3 with PMSI", TARGET + PMSI, TYPE_3)):
    says.sendall(update(COMMON, attached, attribute(0x80, 14, REACH + route)))
    notification = hear(says, 3)
    answers.append(tuple(notification[:2]) if notification else None)
    print(f"{name}: NOTIFICATION {answers[-1]}")
    says.close()
    time.sleep(1)
    says = session("127.0.0.2")
if answers != [(3, 9), (3, 9), (3, 5)]:
    sys.exit("changed: FRR now answers otherwise")
PYTHON
