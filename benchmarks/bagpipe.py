"""networking-bagpipe 23 programming Open vSwitch, as far as it can be made to run: the last one whose BGP connects.

It gets what its documentation asks for: its OVS driver for IP VPN with MPLS over GRE, one port attached to one VRF by
its REST door, one iBGP peer. The peer is a script: VPNv4 routes of one PE, one to an UPDATE, paced, because a burst
that arrives in pieces desynchronises its reader and resets the session. The flows of its VRF table are counted.

BAGPIPE=<an environment with it> says where it is; `make bench` makes one.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.contract.speakers import running
from tests.contract.switches import Switch
from tests.eventually import eventually
from tests.ports import free_port

ASN = 64512
TARGET = bytes((0, 2)) + struct.pack("!HI", ASN, 512)
BRIDGE, VRF_TABLE = "br-mpls", 2
PACE_S, POLL_S = 0.01, 0.2
START_S = 60.0
MARKER = b"\xff" * 16
OPEN, UPDATE, KEEPALIVE = 1, 2, 4


def environment() -> Path | None:
    """Where it is installed, if it is."""
    said = os.environ.get("BAGPIPE")
    return Path(said) if said and (Path(said) / "bin/bagpipe-bgp").exists() else None


def measure(home: Path, directory: Path, routes: int) -> float:
    """Routes programmed a second, from the first flow to the last."""
    directory.mkdir(parents=True)
    port, api = free_port(), free_port()
    with (
        Switch(integration_bridge=BRIDGE) as switch,
        socket.create_server(("127.0.0.1", port)) as server,
    ):
        switch.vsctl("add-port", BRIDGE, "vm1", "--", "set", "Interface", "vm1", "type=dummy")
        file = directory / "bgp.conf"
        file.write_text(_configuration(switch, port, api, directory))
        command = ["env", f"PATH={home}/bin:{os.environ['PATH']}", f"OVS_RUNDIR={switch.run_dir}"]
        command += [f"{home}/bin/bagpipe-bgp", "--config-file", str(file)]
        with running(command, directory / "bagpipe.out"):
            server.settimeout(START_S)
            with server.accept()[0] as peer:
                _greet(peer)
                eventually(lambda: _attach(api), within=START_S)
                return _rate(peer, routes, lambda: _flows(switch))


def _configuration(switch: Switch, port: int, api: int, directory: Path) -> str:
    return f"""
[DEFAULT]
state_path = {directory}
[BGP]
local_address = 127.0.0.1
peers = 127.0.0.1
my_as = {ASN}
enable_rtc = False
bgp_port = {port}
[COMMON]
root_helper = env
[API]
host = 127.0.0.1
port = {api}
[OVS]
ovsdb_connection = {switch.db}
[DATAPLANE_DRIVER_IPVPN]
dataplane_driver = ovs
ovs_bridge = {BRIDGE}
mpls_interface = *gre*
[DATAPLANE_DRIVER_EVPN]
dataplane_driver = dummy
"""


def _rate(peer: socket.socket, routes: int, count: Callable[[], int]) -> float:
    """Sends, then waits; whoever stops half way is measured no further."""
    before, first = count(), 0.0
    for number in range(routes):
        peer.sendall(update(number))
        time.sleep(PACE_S)
        first = first or (time.monotonic() if number % 10 == 0 and count() > before else 0.0)
    deadline = time.monotonic() + 10 + routes / 5
    while count() - before < routes:
        assert time.monotonic() < deadline, f"{count() - before} of {routes} routes were programmed"
        time.sleep(POLL_S)
    return routes / (time.monotonic() - first)


def _flows(switch: Switch) -> int:
    said = switch.ofctl("dump-aggregate", BRIDGE, f"table={VRF_TABLE}")
    return int(re.findall(r"flow_count=(\d+)", said)[0])


def _attach(api: int) -> None:
    """One port into one VRF."""
    asked = {
        "import_rt": [f"{ASN}:512"],
        "export_rt": [f"{ASN}:512"],
        "local_port": {"linuxif": "vm1", "ovs": {"port_name": "vm1", "plugged": True}},
        "vpn_instance_id": "red",
        "vpn_type": "ipvpn",
        "gateway_ip": "10.1.0.1",
        "mac_address": "52:54:00:99:99:22",
        "ip_address": "10.1.0.5/24",
        "advertise_subnet": False,
        "readvertise": None,
        "attract_traffic": {},
        "lb_consistent_hash_order": 0,
        "vni": 0,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{api}/attach_localport", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20):
            pass
    except OSError as error:
        raise AssertionError(f"bagpipe does not attach a port: {error}") from error


def _greet(peer: socket.socket) -> None:
    """OPEN and KEEPALIVE both ways (RFC 4271 section 4.2); VPNv4 and nothing else (RFC 4760)."""
    capability = bytes((2, 6, 1, 4, 0, 1, 0, 128))
    peer.sendall(
        _message(OPEN, struct.pack("!BHH4sB", 4, ASN, 180, bytes((127, 0, 0, 2)), len(capability)) + capability)
    )
    peer.sendall(_message(KEEPALIVE, b""))
    seen = b""
    while seen.count(MARKER) < 2:
        seen += peer.recv(4096)


def update(number: int) -> bytes:
    """One VPNv4 route: 10.9.x.y/32 of RD 127.0.0.2:1 (RFC 4364 section 4.3), label 100."""
    label, rd = (100 << 4 | 1).to_bytes(3, "big"), bytes((0, 1, 127, 0, 0, 2, 0, 1))
    prefix = bytes((10, 9)) + struct.pack("!H", number)
    nlri = bytes(((3 + 8 + 4) * 8,)) + label + rd + prefix
    reach = bytes((0, 1, 128, 12)) + bytes(8) + bytes((127, 0, 0, 2)) + b"\0" + nlri
    attributes = bytes((0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100))
    attributes += bytes((0xC0, 16, 8)) + TARGET + bytes((0x80, 14, len(reach))) + reach
    return _message(UPDATE, bytes(2) + struct.pack("!H", len(attributes)) + attributes)


def _message(kind: int, body: bytes) -> bytes:
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body
