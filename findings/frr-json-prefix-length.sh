#!/bin/sh
# FRR's JSON of EVPN says prefix length 352 for every route, whatever its prefix.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12)
# Expected: `prefixLen` is, as in FRR's JSON of other families (24 beside "198.51.100.0/24"), the prefix's length.
# Seen:     352 for a /24, for a /64 and for a MAC address: the size in bits of FRR's own structure. ipLen beside it is right.
# Matters:  the same monitor reads all families, and with EVPN takes a number for a prefix length that is none.
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
python3 - "$work" <<'PYTHON'
import socket
import sys
import time
import json
import subprocess
from ipaddress import ip_network

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

COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064"))
says = session("127.0.0.2")

def ask(command):
    return subprocess.run(["vtysh", "--vty_socket", sys.argv[1], "-d", "bgpd", "-c", command], capture_output=True, text=True, timeout=20).stdout

def type_5(prefix):
    network = ip_network(prefix)
    address = network.network_address.packed
    route = bytes.fromhex("0001c00002010007") + bytes(14) + bytes([network.prefixlen]) + address + bytes(len(address)) + (5000).to_bytes(3, "big")
    return bytes([5, len(route)]) + route

MAC = bytes([2, 33]) + bytes.fromhex("0001c00002010007") + bytes(14) + bytes.fromhex("30" "02005e100001" "00" "001388")
routes = type_5("198.51.100.0/24") + type_5("2001:db8:5::/64") + MAC
says.sendall(update(COMMON, TARGET, attribute(0x80, 14, bytes([0, 25, 70, 4, 192, 0, 2, 2, 0]) + routes)))
time.sleep(1)
table = json.loads(ask("show bgp l2vpn evpn json"))["192.0.2.1:7"]
seen = {name: route["prefixLen"] for name, route in table.items() if isinstance(route, dict)}
for name, length in seen.items():
    print(f"{name}: prefixLen {length}, ipLen {table[name]['paths'][0].get('ipLen')}")
if len(seen) != 3 or set(seen.values()) != {352}:
    sys.exit("changed: FRR now says another prefixLen")
PYTHON
