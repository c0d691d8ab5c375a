"""Two hypervisors' switches on one wire, with real packets: Open vSwitch's userspace datapath and its dummy devices.

What a machine behind a circuit sends is handed to the circuit's device; what it would receive is in that device's
capture. What stands on the wire is in the capture of the wire's end, and what anybody else might send is handed to it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from isthmus.model.net import IpAddress, Mac
from tests.contract.switches import Switch, run
from tests.eventually import eventually

VXLAN, GRE, CIRCUIT = 1, 9, 2
"""Port numbers on br-vpn."""
MPLS, IPV4, IPV6 = 0x8847, 0x0800, 0x86DD
_PCAP_HEAD, _PCAP_RECORD = 24, struct.Struct("<IIII")


class Pe:
    """One hypervisor: br-vpn with both tunnel ports and a circuit, br-phy with the wire."""

    def __init__(self, vtep: IpAddress, mac: Mac) -> None:
        self.vtep, self.mac = vtep, mac
        self.switch = Switch(integration_bridge="", dummies="system")

    def __enter__(self) -> Self:
        self.switch.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.switch.__exit__(kind, error, at)

    def build(self, wire: str) -> None:
        """`wire`: an option of the wire's device, which other device it is joined to."""
        gre = "type=gre options:packet_type=legacy_l3 options:remote_ip=flow"
        lines = [
            f"add-br br-phy -- set bridge br-phy datapath_type=dummy other-config:hwaddr={self.mac}",
            f"add-port br-phy wire -- set interface wire type=dummy {wire} options:tx_pcap={self._pcap('wire')}",
            "add-br br-vpn -- set bridge br-vpn datapath_type=dummy fail_mode=secure protocols=OpenFlow15",
            "add-port br-vpn vxlan -- set interface vxlan type=vxlan options:remote_ip=flow options:key=flow"
            f" ofport_request={VXLAN}",
            f"add-port br-vpn gre -- set interface gre {gre} ofport_request={GRE}",
            f"add-port br-vpn red -- set interface red type=dummy options:tx_pcap={self._pcap('red')}"
            f" ofport_request={CIRCUIT}",
        ]
        self.switch.vsctl(*" -- ".join(lines).split())
        self.switch.appctl("netdev-dummy/ip4addr", "br-phy", f"{self.vtep}/16")

    def meets(self, other: Pe) -> None:
        self.switch.appctl("ovs/route/add", "172.30.0.0/16", "br-phy")
        self.switch.appctl("tnl/neigh/set", "br-phy", str(other.vtep), str(other.mac))

    def flows(self, lines: Sequence[str]) -> None:
        target = f"unix:{self.switch.run_dir}/br-vpn.mgmt"
        run("ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", target, "-", stdin="\n".join(lines))

    def receive(self, device: str, frame: bytes) -> None:
        self.switch.appctl("netdev-dummy/receive", device, frame.hex())

    def sent(self, device: str) -> list[bytes]:
        """What has left by a device since it was made."""
        data, at, found = self._pcap(device).read_bytes(), _PCAP_HEAD, list[bytes]()
        while at + _PCAP_RECORD.size <= len(data):
            length = _PCAP_RECORD.unpack_from(data, at)[2]
            at += _PCAP_RECORD.size
            found.append(data[at : at + length])
            at += length
        return found

    def next(self, device: str, after: int) -> bytes:
        """What leaves by a device, waited for; `after` so many."""

        def there() -> None:
            assert len(self.sent(device)) > after, self.switch.appctl("dpctl/dump-flows")

        eventually(there, every=0.01)
        return self.sent(device)[after]

    def _pcap(self, device: str) -> Path:
        return Path(self.switch.run_dir) / f"{device}.pcap"


def ethernet(to: Mac, source: Mac, kind: int, payload: bytes) -> bytes:
    return (to + source + kind.to_bytes(2, "big") + payload).ljust(60, b"\0")


def ipv4(source: IpAddress, to: IpAddress, payload: bytes, *, protocol: int = 17, ttl: int = 63, tos: int = 0) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(payload), 0, 0x4000, ttl, protocol, 0) + source + to
    return head[:10] + _checksum(head).to_bytes(2, "big") + head[12:] + payload


def ipv6(source: IpAddress, to: IpAddress, payload: bytes, *, ttl: int = 63, tos: int = 0) -> bytes:
    return struct.pack("!IHBB", 6 << 28 | tos << 20, len(payload), 17, ttl) + source + to + payload


def udp(payload: bytes = b"") -> bytes:
    """Without a checksum: nobody here looks. Long enough that no frame with it is padded."""
    payload = payload.ljust(32, b".")
    return struct.pack("!HHHH", 4711, 4712, 8 + len(payload), 0) + payload


def label(number: int, *, bottom: bool = True, traffic_class: int = 0, ttl: int = 64) -> bytes:
    """One entry of a stack (RFC 3032 section 2.1)."""
    return (number << 12 | traffic_class << 9 | bottom << 8 | ttl).to_bytes(4, "big")


def gre(kind: int, payload: bytes, *, key: int | None = None) -> bytes:
    """RFC 2784, 2890."""
    flags, more = (0, b"") if key is None else (0x2000, key.to_bytes(4, "big"))
    return struct.pack("!HH", flags, kind) + more + payload


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
