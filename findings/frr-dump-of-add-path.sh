#!/bin/sh
# FRR's dump marks the messages of all families as having path identifiers, or none, by what was agreed for IPv4 alone.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12), mrtparse 2.2.0 (PyPI)
# Expected: RFC 8050: in an MRT dump the subtypes for add-path (9 for BGP4MP_MESSAGE_AS4_ADDPATH) are for messages whose
#           family was agreed to have path identifiers (RFC 7911), and the others (4) for the rest.
# Seen:     `dump bgp updates`: with add-path for IPv4 alone, VPNv4 and IPv6 messages, which have no identifier, stand under
#           9, and mrtparse reads 2001:db8:1::/48 as an error. With add-path for VPNv4 alone its messages, which have one,
#           stand under 4, where a reader has to guess (mrtparse does). GoBGP 3.10 and BIRD 2.0.12 mark each message by its
#           family.
# Matters:  as soon as a peer has several paths of IPv4 routes, nothing else that it says can be read in the archive again.
set -eu
[ "$(dpkg-query -W -f '${Version}' frr)" = 8.4.4-1.1~deb12u2 ] || { echo "this was seen with FRR 8.4.4" >&2; exit 2; }
[ "${1:-}" = inside ] || {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  chmod 755 "$work"
  python3 -m pip install -qq --target "$work/python" mrtparse==2.2.0
  unshare -n sh "$0" inside "$work" && exit 0 || exit $?
}
work=$2
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait' EXIT
trap 'exit 1' HUP INT TERM
ip link set lo up
run() {                                                       # FAMILY: one for which the client says add-path
  cat >"$work/bgpd.conf" <<CONF
dump bgp updates $work/$1.mrt
router bgp 64512
 bgp router-id 192.0.2.10
 no bgp default ipv4-unicast
 neighbor 127.0.0.2 remote-as 64512
 neighbor 127.0.0.2 passive
 address-family ipv4 unicast
  neighbor 127.0.0.2 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 127.0.0.2 activate
 exit-address-family
 address-family ipv4 vpn
  neighbor 127.0.0.2 activate
 exit-address-family
CONF
  /usr/lib/frr/bgpd -Z -S -f "$work/bgpd.conf" -i "$work/pid" --vty_socket "$work" -l 127.0.0.10 -p 1790 -P 0 >"$work/log" 2>&1 &
  daemon=$!
  sleep 2
  PYTHONPATH=$work/python python3 "$work/client.py" $1 "$work/$1.mrt"
  kill "$daemon"
  wait "$daemon" || true
  daemon=
}
cat >"$work/client.py" <<'PYTHON'
import socket
import sys
import time
from ipaddress import ip_address
from mrtparse import Reader

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

FAMILIES = {"ipv4": bytes([0, 1, 1]), "vpnv4": bytes([0, 1, 128]), "ipv6": bytes([0, 2, 1])}
several, dump = sys.argv[1:]

def session(own, reflector="127.0.0.10"):
    peer = socket.create_connection((reflector, 1790), 5, (own, 0))
    capabilities = b"".join(bytes([1, 4]) + each[:2] + b"\0" + each[2:] for each in FAMILIES.values())
    capabilities += bytes([65, 4, 0, 0, 252, 0]) + bytes([69, 4]) + FAMILIES[several] + b"\3"
    parameters = bytes([2, len(capabilities)]) + capabilities
    peer.sendall(message(1, bytes([4, 252, 0, 0, 90, 192, 0, 2, 2, len(parameters)]) + parameters) + message(4, b""))
    hear(peer, 4)
    return peer

def path(family):
    return bytes([0, 0, 0, 5]) if family == several else b""

ORIGIN = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
NEXT_HOP = bytes([192, 0, 2, 1])
vpnv4 = path("vpnv4") + bytes([112]) + bytes.fromhex("000641" "0000fc0000000007") + bytes([198, 51, 100])
vpnv4 = attribute(0x80, 14, FAMILIES["vpnv4"] + bytes([12]) + bytes(8) + NEXT_HOP + b"\0" + vpnv4)
ipv6 = path("ipv6") + bytes([48]) + ip_address("2001:db8:1::").packed[:6]
ipv6 = attribute(0x80, 14, FAMILIES["ipv6"] + bytes([16]) + ip_address("2001:db8::1").packed + b"\0" + ipv6)
ipv4 = path("ipv4") + bytes([24, 198, 51, 100])
attributes = ORIGIN + attribute(0x40, 3, NEXT_HOP)
peer = session("127.0.0.2")
peer.sendall(update(ORIGIN, attribute(0xc0, 16, bytes.fromhex("0002fc0000000064")), vpnv4) + update(ORIGIN, ipv6))
peer.sendall(message(2, b"\0\0" + len(attributes).to_bytes(2, "big") + attributes + ipv4))
time.sleep(2)

def prefixes(record):
    """What mrtparse finds in the message, or that it finds none for an error."""
    said = record.data.get("bgp_message")
    if said is None:
        return "an error"
    reach = [each["value"]["nlri"] for each in said["path_attributes"] if 14 in each["type"]]
    return " ".join(f"{each['prefix']}/{each['length']}" for each in (reach[0] if reach else said["nlri"]))

seen = []
for family, record in zip(("vpnv4", "ipv6", "ipv4"), Reader(dump)):
    seen.append((next(iter(record.data["subtype"])), prefixes(record)))
    print(f"add-path for {several}; {family} {'with' if family == several else 'without'} identifier: subtype {seen[-1][0]}, read as {seen[-1][1]}")
expected = {
    "ipv4": [(9, "an error"), (9, "an error"), (9, "198.51.100.0/24")],
    "vpnv4": [(4, "198.51.100.0/112"), (4, "2001:db8:1::/48"), (4, "198.51.100.0/24")],
}
if seen != expected[several]:
    sys.exit("changed: FRR now marks messages otherwise")
PYTHON
run ipv4
run vpnv4
