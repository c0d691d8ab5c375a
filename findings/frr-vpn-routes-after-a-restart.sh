#!/bin/sh
# FRR as route reflector that says it keeps its forwarding state passes on no VPNv4 or VPNv6 route once it has started.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12)
# Expected: RFC 4724 section 4.1: who restarts puts off the choice of routes until all peers have said End-of-RIB, or until a timer
#           ends (FRR: `bgp graceful-restart select-defer-time`); then it chooses, and says what it has chosen.
# Seen:     with `bgp graceful-restart preserve-fw-state`: both clients have said End-of-RIB and the timer has ended, the routes are
#           in the table, none is best, and the other client hears of none, while its session stands. Of EVPN it hears at once; and
#           of all three where that line is left out.
# Matters:  without the line other PEs do not keep the reflector's routes over its restart (it is the F bit); with it they are cut
#           off when the reflector is back.
set -eu
[ "$(dpkg-query -W -f '${Version}' frr)" = 8.4.4-1.1~deb12u2 ] || { echo "this was seen with FRR 8.4.4" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare -n sh "$0" inside
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$work"
ip link set lo up
cat >"$work/with.conf" <<'CONF'
router bgp 64512
 bgp router-id 192.0.2.10
 bgp graceful-restart
 bgp graceful-restart preserve-fw-state
 bgp graceful-restart select-defer-time 3
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
 address-family ipv6 vpn
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
grep -v preserve "$work/with.conf" >"$work/without.conf"
cat >"$work/clients.py" <<'PYTHON'
import socket
import sys
import time

FAMILIES = {"VPNv4": bytes([0, 1, 128]), "VPNv6": bytes([0, 2, 128]), "EVPN": bytes([0, 25, 70])}
LISTENS_S = 15
"""Five times as long as it may put its choice off; the hold time is 90 s."""

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def message(kind, body):
    return b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body

def update(*attributes):
    body = b"".join(attributes)
    return message(2, b"\0\0" + len(body).to_bytes(2, "big") + body)

def read(peer):
    head = peer.recv(19, socket.MSG_WAITALL)
    return head[18], peer.recv(int.from_bytes(head[16:18], "big") - 19, socket.MSG_WAITALL) if head[18] != 4 else b""

def session(own):
    peer = socket.create_connection(("127.0.0.10", 1790), 5, (own, 0))
    several = b"".join(bytes([1, 4]) + f[:2] + b"\0" + f[2:] for f in FAMILIES.values()) + bytes([65, 4, 0, 0, 252, 0])
    several += bytes([64, 2 + 4 * len(FAMILIES), 0, 120]) + b"".join(f + b"\x80" for f in FAMILIES.values())
    parameters = bytes([2, len(several)]) + several
    said = bytes([4, 252, 0, 0, 90, 192, 0, 2, int(own[-1]), len(parameters)]) + parameters
    peer.sendall(message(1, said) + message(4, b""))
    while read(peer)[0] != 4:
        pass
    return peer

def attributes(body):
    seen, rest = {}, body[4:] if body[:2] == b"\0\0" else b""
    while rest:
        start, size = (4, int.from_bytes(rest[2:4], "big")) if rest[0] & 0x10 else (3, rest[2])
        seen[rest[1]], rest = rest[start:start + size], rest[start + size:]
    return seen

COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064"))
RD = bytes.fromhex("0000fc0000000007")
HOP = bytes([192, 0, 2, 2])
ROUTES = {
    "VPNv4": bytes([12]) + bytes(8) + HOP + b"\0" + bytes([112, 0, 6, 0x41]) + RD + bytes([198, 51, 100]),
    "VPNv6": bytes([24]) + bytes(18) + b"\xff\xff" + HOP + b"\0" + bytes([152, 0, 6, 0x41]) + RD + bytes.fromhex("20010db80001 0000"),
    "EVPN": bytes([4]) + HOP + b"\0" + bytes([5, 34]) + RD + bytes(14) + bytes([24, 198, 51, 100, 0]) + bytes(4) + bytes([0, 19, 136]),
}
says, hears = session("127.0.0.2"), session("127.0.0.3")
for family, route in ROUTES.items():
    says.sendall(update(COMMON, TARGET, attribute(0x80, 14, FAMILIES[family] + route)))
for peer in (says, hears):
    peer.sendall(b"".join(update(attribute(0x80, 15, family)) for family in FAMILIES.values()))
heard, until = set(), time.monotonic() + LISTENS_S
while len(heard) < len(FAMILIES) and (left := until - time.monotonic()) > 0:
    hears.settimeout(left)
    try:
        kind, body = read(hears)
    except TimeoutError:
        break
    if kind == 3:
        sys.exit(f"the session has ended: {body.hex()}")
    reached = attributes(body).get(14, b"")[:3] if kind == 2 else b""
    heard |= {name for name, family in FAMILIES.items() if family == reached}
print(f"{sys.argv[1]}: the other client hears of {', '.join(sorted(heard)) or 'none'}")
sys.exit(sorted(heard) != sys.argv[2].split())
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
reflector "$work/with.conf" "bgp graceful-restart, preserve-fw-state" "EVPN"
reflector "$work/without.conf" "bgp graceful-restart" "EVPN VPNv4 VPNv6"
[ -z "$changed" ] || { echo "changed: FRR now passes VPN routes on after a start with preserve-fw-state" >&2; exit 1; }
