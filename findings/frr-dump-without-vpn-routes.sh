#!/bin/sh
# FRR's dump of "the whole BGP routing table" has neither VPN nor EVPN routes.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12)
# Expected: FRR's manual, bgp.rst: `dump bgp routes-mrt PATH` dumps "whole BGP routing table to path". RFC 6396 section
#           4.3.3 has RIB_GENERIC (subtype 6) for every family beside IPv4 and IPv6.
# Seen:     of an IPv4, a VPNv4 and an EVPN route that it knows the file has the IPv4 one alone (subtype 2), and no word of
#           it in the log. `dump bgp updates` does have all three.
# Matters:  the snapshots of a route reflector that has only VPNs are an empty list of peers' routes, every time.
set -eu
[ "$(dpkg-query -W -f '${Version}' frr)" = 8.4.4-1.1~deb12u2 ] || { echo "this was seen with FRR 8.4.4" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare -n sh "$0" inside
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$work"
ip link set lo up
cat >"$work/bgpd.conf" <<CONF
dump bgp routes-mrt $work/routes.mrt 3
dump bgp updates $work/updates.mrt
router bgp 64512
 bgp router-id 192.0.2.10
 no bgp default ipv4-unicast
 neighbor 127.0.0.2 remote-as 64512
 neighbor 127.0.0.2 passive
 address-family ipv4 unicast
  neighbor 127.0.0.2 activate
 exit-address-family
 address-family ipv4 vpn
  neighbor 127.0.0.2 activate
 exit-address-family
 address-family l2vpn evpn
  neighbor 127.0.0.2 activate
 exit-address-family
CONF
/usr/lib/frr/bgpd -Z -S -f "$work/bgpd.conf" -i "$work/pid" --vty_socket "$work" -l 127.0.0.10 -p 1790 -P 0 >"$work/log" 2>&1 &
daemon=$!
sleep 2
python3 - "$work" <<'PYTHON'
import socket
import subprocess
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
    capabilities = b"".join(bytes([1, 4]) + bytes.fromhex(each) for each in ("00010001", "00010080", "00190046"))
    capabilities += bytes([65, 4, 0, 0, 252, 0])
    parameters = bytes([2, len(capabilities)]) + capabilities
    peer.sendall(message(1, bytes([4, 252, 0, 0, 90, 192, 0, 2, 2, len(parameters)]) + parameters) + message(4, b""))
    hear(peer, 4)
    return peer

def records(path):
    """The subtype and the octets of each record of an MRT file; the list of peers (1) left out."""
    with open(path, "rb") as file:
        rest = file.read()
    while rest:
        end = 12 + int.from_bytes(rest[8:12], "big")
        if rest[7] != 1:
            yield rest[7], rest[12:end]
        rest = rest[end:]

def known(family, route):
    command = ["vtysh", "--vty_socket", sys.argv[1], "-d", "bgpd", "-c", f"show bgp {family}"]
    return route in subprocess.run(command, capture_output=True, text=True, timeout=20).stdout

COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064"))
RD, NEXT_HOP = bytes.fromhex("0000fc0000000007"), bytes([192, 0, 2, 2])
vpnv4 = bytes([0, 1, 128, 12]) + bytes(8) + NEXT_HOP + b"\0" + bytes([112]) + bytes.fromhex("000641") + RD + bytes([198, 51, 100])
evpn = bytes([0, 25, 70, 4]) + NEXT_HOP + b"\0" + bytes([2, 33]) + RD + bytes(14) + bytes.fromhex("30020000000007" "00" "001388")
plain = COMMON + attribute(0x40, 3, NEXT_HOP)
peer = session("127.0.0.2")
peer.sendall(update(COMMON, TARGET, attribute(0x80, 14, vpnv4)) + update(COMMON, TARGET, attribute(0x80, 14, evpn)))
peer.sendall(message(2, b"\0\0" + len(plain).to_bytes(2, "big") + plain + bytes([24, 198, 51, 100])))
time.sleep(5)
routes = {"ipv4": "198.51.100.0/24", "ipv4 vpn": "198.51.100.0/24", "l2vpn evpn": "02:00:00:00:00:07"}
there = [known(family, route) for family, route in routes.items()]
said = sum(octets[38:39] == b"\2" for _, octets in records(f"{sys.argv[1]}/updates.mrt"))
seen = sorted({subtype for subtype, _ in records(f"{sys.argv[1]}/routes.mrt")})
print(f"{sum(there)} routes are known, {said} UPDATEs are in the dump of updates")
print("the dump of routes has subtypes", seen, "(2: IPv4, 6: other families)")
if (there, said, seen) != ([True] * 3, 3, [2]):
    sys.exit("changed: FRR now dumps other families too")
PYTHON
