#!/bin/sh
# FRR between two autonomous systems passes a VPNv4 route on with itself as next hop and with the other PE's label.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12)
# Expected: RFC 8277 section 3.2.2: who changes the next hop of a labelled route says a label that is bound at the new one;
#           RFC 4364 section 10 (b) for VPN routes between autonomous systems.
# Seen:     the next hop is FRR's own address, the label is the one that was heard, which means nothing there.
# Matters:  a PE with sessions to the reflectors of two clouds tells the one the other's routes. While a cloud's reflector is
#           away that is the best way to its machines, and a black hole. Let it tell its own routes alone.
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
router bgp 65000
 bgp router-id 192.0.2.10
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 neighbor 127.0.0.2 remote-as 64512
 neighbor 127.0.0.2 passive
 neighbor 127.0.0.3 remote-as 64513
 neighbor 127.0.0.3 passive
 neighbor 127.0.0.3 advertisement-interval 0
 address-family ipv4 vpn
  neighbor 127.0.0.2 activate
  neighbor 127.0.0.3 activate
 exit-address-family
CONF
/usr/lib/frr/bgpd -Z -S -f "$work/bgpd.conf" -i "$work/pid" --vty_socket "$work" -l 127.0.0.10 -p 1790 -P 0 >"$work/log" 2>&1 &
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

def session(own, asn):
    peer = socket.create_connection(("127.0.0.10", 1790), 5, (own, 0))
    capabilities = bytes([1, 4, 0, 1, 0, 128, 65, 4]) + asn.to_bytes(4, "big")
    parameters = bytes([2, len(capabilities)]) + capabilities
    peer.sendall(message(1, b"\4" + asn.to_bytes(2, "big") + bytes([0, 90, 192, 0, 2, int(own[-1]), len(parameters)]) + parameters) + message(4, b""))
    hear(peer, 4)
    return peer

def attributes(body):
    seen, rest = {}, body[4:] if body and body[:2] == b"\0\0" else b""
    while rest:
        start, size = (4, int.from_bytes(rest[2:4], "big")) if rest[0] & 0x10 else (3, rest[2])
        seen[rest[1]], rest = rest[start:start + size], rest[start + size:]
    return seen

says, hears = session("127.0.0.2", 64512), session("127.0.0.3", 64513)
LABEL = (44834 << 4 | 1).to_bytes(3, "big")
route = bytes([24 + 64 + 32]) + LABEL + bytes.fromhex("0001c00002020010") + bytes([10, 1, 0, 10])
COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, bytes([2, 1]) + (64512).to_bytes(4, "big"))
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000005"))
NEXT_HOP = bytes(8) + bytes([192, 0, 2, 2])
says.sendall(update(COMMON, TARGET, attribute(0x80, 14, bytes([0, 1, 128, 12]) + NEXT_HOP + b"\0" + route)))
heard = b""
while not heard and (body := hear(hears, 2)) is not None:
    heard = attributes(body).get(14, b"")  # an End-of-RIB has none
next_hop, label = ".".join(str(octet) for octet in heard[12:16]), int.from_bytes(heard[18:21], "big") >> 4
print("said: next hop 192.0.2.2, label 44834; passed on: next hop", next_hop, "label", label)
if (next_hop, label) != ("127.0.0.10", 44834):
    sys.exit("changed: FRR leaves the next hop, or says a label of its own")
PYTHON
