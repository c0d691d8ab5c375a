#!/bin/sh
# BIRD withdraws VPNv6 routes whose next hop is an IPv4 PE, as long as nobody asks it for the opposite case.
#
# With:     BIRD 2.0.12-7 (Debian 12)
# Expected: RFC 4659 section 3.2.1.2: over an IPv4 core the next hop of VPNv6 is the PE's IPv4 address as ::ffff:a.b.c.d.
#           BIRD's manual has `extended next hop` for the other case: IPv4 routes with an IPv6 next hop (RFC 8950).
# Seen:     next hop 2001:db8::1 is reflected, ::ffff:192.0.2.1 is withdrawn ("mismatched address family"); with `extended
#           next hop` in the channel it is reflected as it came, without any capability from the client.
# Matters:  6VPE through BIRD works only with a line whose description does not mention it.
set -eu
[ "${1:-}" = inside ] || {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download bird2=2.0.12-7 libssh-gcrypt-4)
  for package in "$work"/*.deb; do dpkg -x "$package" "$work/root"; done
  unshare -n sh "$0" inside "$work" && exit 0 || exit $?
}
work=$2
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait' EXIT
trap 'exit 1' HUP INT TERM
ip link set lo up
cat >"$work/bird.conf" <<'CONF'
router id 192.0.2.10;
log stderr all;
protocol device {}
vpn6 table routes6;
template bgp reflected {
  local 127.0.0.10 port 1790 as 64512;
  multihop;
  passive;
  rr client;
  vpn6 mpls { table routes6; import all; export all; next hop keep; };
}
protocol bgp pe1 from reflected { neighbor 127.0.0.2 as 64512; }
protocol bgp pe2 from reflected { neighbor 127.0.0.3 as 64512; }
CONF
export LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu
run() {
  "$work/root/usr/sbin/bird" -f -c "$1" -s "$work/control" -P "$work/pid" 2>"$work/log" &
  daemon=$!
  sleep 2
}
sed "s/next hop keep;/& extended next hop;/" "$work/bird.conf" >"$work/extended.conf"
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
    capabilities = bytes([1, 4, 0, 2, 0, 128]) + bytes([65, 4, 0, 0, 252, 0])
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

def route(next_hop):
    nlri = bytes([136]) + bytes.fromhex("000641" "0000fc0000000007") + ip_address("2001:db8:1::").packed[:6]
    return update(COMMON, TARGET, attribute(0x80, 14, bytes([0, 2, 128, 24]) + bytes(8) + ip_address(next_hop).packed + b"\0" + nlri))

seen = []
for next_hop in ("2001:db8::1", "::ffff:192.0.2.1"):
    heard = reflected(route(next_hop))
    seen.append("reflected" if 14 in heard else "withdrawn" if 15 in heard else "nothing")
    print(f"{sys.argv[1]}: next hop {next_hop}: {seen[-1]}")
if seen != ["reflected", sys.argv[2]]:
    sys.exit("changed: BIRD now treats these next hops otherwise")
PYTHON
run "$work/bird.conf"
python3 "$work/clients.py" "as configured" withdrawn
kill "$daemon"
wait "$daemon" || true
run "$work/extended.conf"
python3 "$work/clients.py" "extended next hop" reflected
