#!/bin/sh
# FRR ends the session at a flow specification that names more than five ports.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12)
# Expected: RFC 8955 section 4.2.1.1: a component is a list of operators and values of any length; a rule has up to 4095
#           octets.
# Seen:     a rule with five destination ports is taken; one with six is answered with NOTIFICATION 3/9.
# Matters:  one rule with six ports takes all rules of that neighbour away, and again after each reconnect.
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
 address-family ipv4 flowspec
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
    capabilities = bytes([1, 4, 0, 1, 0, 133]) + bytes([65, 4, 0, 0, 252, 0])
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

def rule(ports):
    value = bytes([1, 24, 198, 51, 100, 3, 0x81, 6, 5])       # to 198.51.100.0/24, TCP, and one of these ports
    value += b"".join(bytes([0x91 if each == ports - 1 else 0x11]) + (1000 + each).to_bytes(2, "big") for each in range(ports))
    return update(COMMON, attribute(0xc0, 16, bytes.fromhex("8006fc0000000000")),
                  attribute(0x80, 14, bytes([0, 1, 133, 0, 0, len(value)]) + value))

seen = []
for ports in (5, 6):
    seen.append(answer(rule(ports)))
    print(f"{ports} ports: {seen[-1]}")
if seen != ["session stays", "NOTIFICATION 3/9"]:
    sys.exit("changed: FRR now answers otherwise")
PYTHON
