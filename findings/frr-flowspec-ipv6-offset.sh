#!/bin/sh
# FRR ends the session at an IPv6 flow specification with an offset.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12)
# Expected: RFC 8956 section 3.1: with length 64 and offset 32 the pattern has 32 bits, four octets.
# Seen:     a rule with offset 0 is passed on; the one with offset 32 is answered with NOTIFICATION 3/9.
# Matters:  a rule that matches the middle of an address, which is what the offset is for, takes the neighbour's session away.
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
 address-family ipv6 flowspec
  neighbor 127.0.0.2 activate
  neighbor 127.0.0.2 route-reflector-client
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

def session(own, reflector="127.0.0.10"):
    peer = socket.create_connection((reflector, 1790), 5, (own, 0))
    capabilities = bytes([1, 4, 0, 2, 0, 133]) + bytes([65, 4, 0, 0, 252, 0])
    parameters = bytes([2, len(capabilities)]) + capabilities
    peer.sendall(message(1, bytes([4, 252, 0, 0, 90, 192, 0, 2, int(own[-1]), len(parameters)]) + parameters) + message(4, b""))
    hear(peer, 4)
    return peer

COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
says = session("127.0.0.2")

def answer(route):
    """What the client who says it hears: 'session stays' or the NOTIFICATION."""
    says.sendall(route)
    heard = hear(says, 3)
    return "session stays" if heard is None else f"NOTIFICATION {heard[0]}/{heard[1]}"

def rule(prefix):
    value = prefix + bytes([3, 0x81, 6])                      # and next header = TCP
    return update(COMMON, attribute(0xc0, 16, bytes.fromhex("8006fc0000000000")),
                  attribute(0x80, 14, bytes([0, 2, 133, 0, 0, len(value)]) + value))

seen = []
for name, prefix in (("offset 0", bytes([1, 48, 0]) + bytes.fromhex("20010db80001")), ("offset 32", bytes([1, 64, 32]) + bytes.fromhex("00010002"))):
    seen.append(answer(rule(prefix)))
    print(f"{name}: {seen[-1]}")
if seen != ["session stays", "NOTIFICATION 3/9"]:
    sys.exit("changed: FRR now answers otherwise")
PYTHON
