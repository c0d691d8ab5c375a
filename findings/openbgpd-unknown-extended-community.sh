#!/bin/sh
# OpenBGPD passes extended communities of a type it does not know on with nothing in them.
#
# With:     OpenBGPD 7.7-2 (Debian 12)
# Expected: RFC 4360 section 6: a transitive extended community is passed on, whether or not its type is known; RFC 7153 has
#           0x80 to 0x8f for experiments among the transitive ones.
# Seen:     8f49 c1a10a90beef comes out as 8f49 000000000000. A route target beside it keeps its value, and so do an
#           encapsulation (030c) and a router's MAC (0603), which its own bgpctl shows as bare numbers.
# Matters:  two values become one. Who tells things apart by such a community takes all of them for the same.
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
group "routers" {
  remote-as 64512
  passive
  route-reflector 192.0.2.10
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

def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value

def message(kind, body):
    return b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body

def hear(peer, kind, within=5):
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
    capabilities = bytes([1, 4, 0, 1, 0, 1]) + bytes([65, 4, 0, 0, 252, 0])
    parameters = bytes([2, len(capabilities)]) + capabilities
    head = bytes([4, 252, 0, 0, 90, 192, 0, 2, int(own[-1]), len(parameters)])
    peer.sendall(message(1, head + parameters) + message(4, b""))
    hear(peer, 4)
    return peer

SAID = ["0002fc0000000064", "030c00000000000b", "060300005e005301", "8f49c1a10a90beef"]
says, hears = session("127.0.0.2"), session("127.0.0.3")
attributes = b"".join(
    [
        attribute(0x40, 1, b"\0"),
        attribute(0x40, 2, b""),
        attribute(0x40, 3, bytes([192, 0, 2, 1])),
        attribute(0x40, 5, bytes([0, 0, 0, 100])),
        attribute(0xC0, 16, bytes.fromhex("".join(SAID))),
    ]
)
says.sendall(message(2, b"\0\0" + len(attributes).to_bytes(2, "big") + attributes + bytes([16, 10, 9])))
heard = []
while not heard and (body := hear(hears, 2)) is not None:
    rest = body[4:4 + int.from_bytes(body[2:4], "big")]
    while rest:
        start, size = (4, int.from_bytes(rest[2:4], "big")) if rest[0] & 0x10 else (3, rest[2])
        if rest[1] == 16:
            heard = [rest[at:at + 8].hex() for at in range(start, start + size, 8)]
        rest = rest[start + size:]
for said in SAID:
    print(f"said: {said}; passed on: {', '.join(one for one in heard if one[:4] == said[:4]) or 'nothing'}")
if sorted(heard) != sorted([*SAID[:3], "8f49000000000000"]):
    sys.exit(f"changed: OpenBGPD now passes on {heard}")
PYTHON
python3 "$work/clients.py"
