#!/bin/sh
# GoBGP drops every flow specification of 240 octets or more.
#
# With:     GoBGP 3.10.0-1+b4 (Debian 12)
# Expected: RFC 8955 section 4.1: an NLRI of 240 to 4095 octets has a length of two octets, the first of them 0xf0 to 0xff.
# Seen:     a rule of 235 octets is reflected, one of 241 is not: "not all flowspec component bytes available", says the log,
#           and "Capability was disabled" (which is not so: the next short rule is reflected).
# Matters:  a filter with a long list of ports is nowhere behind this reflector, and its sender is not told.
set -eu
[ "$(dpkg-query -W -f '${Version}' gobgpd)" = 3.10.0-1+b4 ] || { echo "this was seen with GoBGP 3.10.0-1+b4" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare -n sh "$0" inside
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
ip link set lo up
cat >"$work/gobgpd.toml" <<'CONF'
[global.config]
as = 64512
router-id = "192.0.2.10"
port = 1790
local-address-list = ["127.0.0.10"]
[[neighbors]]
[neighbors.config]
neighbor-address = "127.0.0.2"
peer-as = 64512
[neighbors.transport.config]
passive-mode = true
[neighbors.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = "192.0.2.10"
[[neighbors.afi-safis]]
config.afi-safi-name = "ipv4-flowspec"
[[neighbors]]
[neighbors.config]
neighbor-address = "127.0.0.3"
peer-as = 64512
[neighbors.transport.config]
passive-mode = true
[neighbors.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = "192.0.2.10"
[[neighbors.afi-safis]]
config.afi-safi-name = "ipv4-flowspec"
CONF
gobgpd -t toml -f "$work/gobgpd.toml" --api-hosts 127.0.0.1:50051 --pprof-disable >"$work/log" 2>&1 &
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
says, hears = session("127.0.0.2"), session("127.0.0.3")

def rule(last, ports):
    value = bytes([1, 32, 198, 51, 100, last, 3, 0x81, 6, 5])             # to 198.51.100.x, TCP, and one of these ports
    value += b"".join(bytes([0x91 if each == ports - 1 else 0x11]) + (1000 + each).to_bytes(2, "big") for each in range(ports))
    length = bytes([len(value)]) if len(value) < 240 else (0xF000 | len(value)).to_bytes(2, "big")
    reach = bytes([0, 1, 133, 0, 0]) + length + value
    return len(value), update(COMMON, attribute(0xc0, 16, bytes.fromhex("8006fc0000000000")),
                              bytes([0x90, 14]) + len(reach).to_bytes(2, "big") + reach)

seen = []
for last, ports in ((1, 75), (2, 77), (3, 1)):
    size, said = rule(last, ports)
    seen.append("reflected" if 14 in reflected(said) else "not reflected")
    print(f"{size} octets: {seen[-1]}")
if seen != ["reflected", "not reflected", "reflected"]:
    sys.exit("changed: GoBGP now reflects long flow specifications, or no longer short ones")
PYTHON
