#!/bin/sh
# OpenBGPD passes on neither that a VPN route has gone, nor that it has another label.
#
# With:     OpenBGPD 7.7-2 (Debian 12)
# Expected: RFC 4271 section 9.2: what was announced and is withdrawn, or replaced, is withdrawn from, or replaced at, those
#           who were told. RFC 8277 section 2.4: in a withdrawal the label is 0x800000 and is not looked at.
# Seen:     a route is reflected. Said again with another label, nothing follows; said with another label and another next
#           hop, it is reflected with the new next hop and the old label. Withdrawn, nothing follows, and it stays in the
#           RIB. The end of the session does withdraw it. VPNv4 here; VPNv6 is the same.
# Matters:  behind such a reflector PEs go on sending to labels that are somebody else's by now, and for ever to what is gone.
set -eu
[ "${1:-}" = inside ] || {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  version=$(dpkg-query -W -f='${Version}' openbgpd)
  [ "$version" = 7.7-2 ] || { echo "this is about OpenBGPD 7.7-2, and here is ${version:-none}" >&2; exit 2; }
  mkdir -p /run/openbgpd
  unshare -n sh "$0" inside "$work" && exit 0 || exit $?
}
work=$2
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait; rm -f /run/openbgpd/finding.sock' EXIT
trap 'exit 1' HUP INT TERM
ip link set lo up
cat >"$work/bgpd.conf" <<'CONF'
AS 64512
router-id 192.0.2.10
listen on 127.0.0.10 port 1790
socket "/run/openbgpd/finding.sock"
fib-update no
nexthop qualify via default
group "pes" {
  remote-as 64512
  passive
  route-reflector 192.0.2.10
  announce IPv4 none
  announce IPv4 vpn
  neighbor 127.0.0.2 { descr "says" }
  neighbor 127.0.0.3 { descr "hears" }
}
allow from any
allow to any
CONF
chmod 600 "$work/bgpd.conf"
/usr/sbin/bgpd -d -f "$work/bgpd.conf" 2>"$work/log" &
daemon=$!
sleep 2
cat >"$work/clients.py" <<'PYTHON'
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

def hear(peer, kind, within=3):
    """The body of the next message of that kind, or of a NOTIFICATION (3); None when none comes."""
    until = time.monotonic() + within
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

def session(own):
    peer = socket.create_connection(("127.0.0.10", 1790), 5, (own, 0))
    capabilities = bytes([1, 4, 0, 1, 0, 128]) + bytes([65, 4, 0, 0, 252, 0])
    parameters = bytes([2, len(capabilities)]) + capabilities
    head = bytes([4, 252, 0, 0, 90, 192, 0, 2, int(own[-1]), len(parameters)])
    peer.sendall(message(1, head + parameters) + message(4, b""))
    hear(peer, 4)
    return peer

RD_AND_PREFIX = bytes.fromhex("0000fc0000000007") + ip_address("10.9.0.0").packed[:2]
COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064"))
says, hears = session("127.0.0.2"), session("127.0.0.3")

def route(label, next_hop):
    nlri = bytes([24 + 64 + 16]) + (label << 4 | 1).to_bytes(3, "big") + RD_AND_PREFIX
    reach = bytes([0, 1, 128, 12]) + bytes(8) + ip_address(next_hop).packed + b"\0" + nlri
    return update(COMMON, TARGET, attribute(0x80, 14, reach))

def gone():
    return update(attribute(0x80, 15, bytes([0, 1, 128, 24 + 64 + 16]) + b"\x80\0\0" + RD_AND_PREFIX))

def reflected(what):
    """What has come to the other client when it is quiet: label and next hop, "withdrawn" or "nothing"."""
    last = "nothing"
    if what is not None:
        says.sendall(what)
    while (body := hear(hears, 2)) is not None:
        rest = body[4:]
        while rest:
            start, size = (4, int.from_bytes(rest[2:4], "big")) if rest[0] & 0x10 else (3, rest[2])
            code, value, rest = rest[1], rest[start:start + size], rest[start + size:]
            if code == 14:
                at = 4 + value[3] + 1
                last = f"label {int.from_bytes(value[at + 1:at + 4], 'big') >> 4} next hop {ip_address(value[12:16])}"
            if code == 15 and len(value) > 3:  # an End-of-RIB has three octets
                last = "withdrawn"
    return last

seen = []
for words, what in (
    ("label 100, next hop 192.0.2.1", route(100, "192.0.2.1")),
    ("label 200, next hop 192.0.2.1", route(200, "192.0.2.1")),
    ("label 200, next hop 192.0.2.2", route(200, "192.0.2.2")),
    ("withdrawn", gone()),
):
    seen.append(reflected(what))
    print(f"said: {words}; reflected: {seen[-1]}")
says.close()
seen.append(reflected(None))
print(f"the session ends; reflected: {seen[-1]}")
if seen != ["label 100 next hop 192.0.2.1", "nothing", "label 100 next hop 192.0.2.2", "nothing", "withdrawn"]:
    sys.exit("changed: OpenBGPD now treats these changes otherwise")
PYTHON
python3 "$work/clients.py"
