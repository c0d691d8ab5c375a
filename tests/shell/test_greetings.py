"""Frames for a machine whose gateway is another one, octet by octet where a machine would look."""

from __future__ import annotations

import struct

import pytest

from isthmus.model.net import IpAddress, Mac
from isthmus.model.port import LocalPort
from isthmus.node.effects import Introduce
from isthmus.shell.greetings import in_the_name_of, lines, link_local, told_to

OLD, NEW = Mac.parse("02:00:5e:01:00:01"), Mac.parse("fa:16:3e:00:00:01")
FOUR, SIX = IpAddress.parse("10.3.0.1"), IpAddress.parse("2001:db8:a3::1")
VM = LocalPort("port-1", Mac.parse("fa:16:3e:00:00:05"), (IpAddress.parse("10.3.0.5"),), "neutron-net", 1, True)
OTHER = LocalPort("port-2", Mac.parse("fa:16:3e:00:00:06"), (), "neutron-net", 1, True)


def checked(frame: bytes) -> tuple[str, str, str, int, bytes]:
    """Of a neighbour discovery message: Ethernet destination, source, destination, type, body behind the checksum."""
    ethernet, head = frame[:14], frame[14:54]
    assert ethernet[12:] == b"\x86\xdd" and head[0] == 0x60
    length, following, hops = struct.unpack("!HBB", head[4:8])
    assert (following, hops) == (58, 255), "whoever hears it believes only what has crossed no router"
    message = frame[54 : 54 + length]
    pseudo = head[8:40] + length.to_bytes(4, "big") + b"\0\0\0\x3a"
    words = struct.unpack(f"!{(len(pseudo) + length) // 2}H", pseudo + message)
    total = sum(words)
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF, "the checksum"
    source, target = str(IpAddress(head[8:24])), str(IpAddress(head[24:40]))
    return str(Mac(ethernet[:6])), source, target, message[0], message[4:]


@pytest.mark.parametrize(
    ("mac", "address"),
    [("02:00:5e:01:00:01", "fe80::5eff:fe01:1"), ("fa:16:3e:10:a0:20", "fe80::f816:3eff:fe10:a020")],
)
def test_a_routers_link_local_address_follows_from_its_mac(mac: str, address: str) -> None:
    """As OVN 23.03 had them in the lab."""
    assert str(link_local(Mac.parse(mac))) == address


def test_the_gateways_ipv4_address_is_announced() -> None:
    (frame,) = told_to([(NEW, FOUR)], [])
    assert frame[:14] == b"\xff" * 6 + NEW + b"\x08\x06" and len(frame) == 60
    assert frame[14:22] == b"\x00\x01\x08\x00\x06\x04\x00\x01", "a request"
    assert (frame[22:28], frame[28:32], frame[38:42]) == (NEW, FOUR, FOUR), "about itself"


def test_its_ipv6_address_overrides_what_is_known() -> None:
    (frame,) = told_to([(NEW, SIX)], [])
    to, source, group, kind, body = checked(frame)
    assert (to, source, group, kind) == ("33:33:00:00:00:01", str(SIX), "ff02::1", 136)
    assert body[0] == 0xA0, "a router, unasked, overriding"
    assert body[4:20] == SIX and body[20:] == b"\x02\x01" + NEW


def test_a_router_that_is_gone_says_so() -> None:
    (frame,) = told_to([], [OLD])
    assert frame[6:12] == OLD
    to, source, group, kind, body = checked(frame)
    assert (to, source, group, kind) == ("33:33:00:00:00:01", "fe80::5eff:fe01:1", "ff02::1", 134)
    assert body[2:4] == b"\0\0", "a lifetime of nothing"


def test_the_machine_seems_to_ask_once_and_only_for_ipv6() -> None:
    assert list(in_the_name_of(VM, [(NEW, FOUR)])) == []
    (frame,) = in_the_name_of(VM, [(NEW, FOUR), (NEW, SIX), (OLD, SIX)])
    assert frame[6:12] == VM.mac
    to, source, group, kind, body = checked(frame)
    assert (to, source, group, kind) == ("33:33:00:00:00:02", str(link_local(VM.mac)), "ff02::2", 133)
    assert body[4:] == b"\x01\x01" + VM.mac


def test_what_is_for_the_machine_leaves_by_its_port_and_what_is_by_it_enters_there() -> None:
    wish = Introduce((VM, OTHER), frozenset({(NEW, FOUR), (NEW, SIX)}), frozenset({OLD}))
    said = list(lines(wish, {"port-1": 7, "somebody": 8}))
    assert [line.partition(",")[0] for line in said] == [
        "packet-out in_port=7",
        *["packet-out in_port=controller"] * 3,
    ]
    assert [line.rpartition("actions=")[2] for line in said] == ["resubmit(,0)", *["output:7"] * 3]
    assert len(set(said)) == 4
