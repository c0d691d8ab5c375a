#!/bin/sh
# FRR's `show bgp ipv4 vpn rd RD json` ends in the middle: no JSON parser takes it.
#
# With:     FRR 8.4.4-1.1~deb12u2 (Debian 12)
# Expected: FRR's manual, bgp.rst: with `json` the output is JSON, and `rd` limits it to one route distinguisher.
# Seen:     three braces are missing at the end, as soon as the table has a second RD. `show bgp ipv4 vpn json` of the same
#           table is well.
# Matters:  a monitor that asks for one VPN gets an error for every VPN but the only one.
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
 address-family ipv4 vpn
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
    capabilities = bytes([1, 4, 0, 1, 0, 128]) + bytes([65, 4, 0, 0, 252, 0])
    parameters = bytes([2, len(capabilities)]) + capabilities
    peer.sendall(message(1, bytes([4, 252, 0, 0, 90, 192, 0, 2, int(own[-1]), len(parameters)]) + parameters) + message(4, b""))
    hear(peer, 4)
    return peer

COMMON = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 5, bytes([0, 0, 0, 100]))
TARGET = attribute(0xc0, 16, bytes.fromhex("0002fc0000000064"))
says = session("127.0.0.2")

def ask(command):
    return subprocess.run(["vtysh", "--vty_socket", sys.argv[1], "-d", "bgpd", "-c", command], capture_output=True, text=True, timeout=20).stdout

def route(rd, last):
    nlri = bytes([112]) + bytes.fromhex("000641" + rd) + bytes([198, 51, last])
    return update(COMMON, TARGET, attribute(0x80, 14, bytes([0, 1, 128, 12]) + bytes(8) + bytes([192, 0, 2, 2, 0]) + nlri))

def is_json(command):
    text = ask(command)
    try:
        json.loads(text)
        answer = "JSON"
    except ValueError:
        answer = "not JSON"
        print(text)
    print(f"{command}: {answer}; {text.count('{')} opening and {text.count('}')} closing braces")
    return answer

seen = []
for rds, said in ((1, route("0000fc0000000007", 100)), (2, route("0000fc0000000008", 101))):
    says.sendall(said)
    time.sleep(1)
    print(f"with {rds} RD in the table:")
    seen += [is_json("show bgp ipv4 vpn json"), is_json("show bgp ipv4 vpn rd 64512:7 json")]
if seen != ["JSON", "JSON", "JSON", "not JSON"]:
    sys.exit("changed: FRR now ends the JSON of one RD")
PYTHON
