"""What the kernel and the switch say of next hops, and that nobody waits for them longer than two seconds."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.net import IpAddress, Mac
from isthmus.node.facts import NeighboursRead
from isthmus.shell.neighbours import (
    PATIENCE_S,
    KernelRoute,
    Neighbour,
    Neighbours,
    kernel_neighbours,
    kernel_routes,
    lessons,
    provoke,
    route_to,
    switch_neighbours,
    switch_routes,
)
from tests.eventually import eventually
from tests.shell.background import Background

KERNEL_ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t0000000A\t020200C0\t0003\t0\t0\t100\t000000FF\t0\t0\t0
eth1\t0000000A\t030200C0\t0003\t0\t0\t50\t000000FF\t0\t0\t0
"""
KERNEL_ARP = """\
IP address       HW type     Flags       HW address            Mask     Device
192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0
192.0.2.9        0x1         0x0         00:00:00:00:00:00     *        eth0
192.0.2.10       0x1         0x6         02:fc:00:00:00:10     *        eth0
"""
SWITCH_ROUTES = """\
KernelRoute Table:
Cached: 0.0.0.0/0 dev br-phy GW 192.0.2.1 SRC 192.0.2.11
Cached: 192.0.2.0/24 dev br-phy SRC 192.0.2.11
Cached: 127.0.0.1/32 dev lo SRC 127.0.0.1 local
Cached: fe80::/64 dev br-phy SRC fe80::1
User: 10.0.0.0/8 MARK 1 dev br-phy GW 192.0.2.7 SRC 192.0.2.11
Cached: 10.1.0.0/16 dev br-phy GW 192.0.2.8 SRC 192.0.2.11
"""
SWITCH_NEIGHBOURS = """\
IP                                            MAC                 Bridge
==========================================================================
192.0.2.1                                     aa:55:aa:55:00:01   br-phy
fe80::2                                       aa:55:aa:55:00:02   br-phy
"""


def next_hop(routes: list[KernelRoute], vtep: IpAddress) -> IpAddress | None:
    route = route_to(routes, vtep)
    return route.hop(vtep) if route else None


def ip(text: str) -> IpAddress:
    return IpAddress.parse(text)


@pytest.mark.parametrize(
    ("vtep", "hop"), [("192.0.2.9", "192.0.2.9"), ("198.51.100.1", "192.0.2.1"), ("10.1.2.3", "192.0.2.3")]
)
def test_the_kernels_next_hop(vtep: str, hop: str) -> None:
    assert next_hop(kernel_routes(KERNEL_ROUTES), ip(vtep)) == ip(hop)
    assert next_hop(kernel_routes(KERNEL_ROUTES.splitlines(keepends=True)[0]), ip(vtep)) is None


def test_a_kernel_neighbour_counts_when_it_is_complete() -> None:
    assert kernel_neighbours(KERNEL_ARP) == {
        ip("192.0.2.1"): Neighbour(Mac.parse("02:fc:00:00:00:05"), "eth0"),
        ip("192.0.2.10"): Neighbour(Mac.parse("02:fc:00:00:00:10"), "eth0"),
    }


@pytest.mark.parametrize(
    ("vtep", "hop"),
    [("192.0.2.9", "192.0.2.9"), ("198.51.100.1", "192.0.2.1"), ("10.1.2.3", "192.0.2.7"), ("fe80::9", "fe80::9")],
)
def test_the_switchs_next_hop(vtep: str, hop: str) -> None:
    assert next_hop(switch_routes(SWITCH_ROUTES), ip(vtep)) == ip(hop)


def test_the_switchs_neighbours() -> None:
    assert switch_neighbours(SWITCH_NEIGHBOURS) == {ip("192.0.2.1"), ip("fe80::2")}


def test_the_switch_is_told_what_only_the_kernel_knows() -> None:
    routes = switch_routes(SWITCH_ROUTES)
    there = switch_neighbours(SWITCH_NEIGHBOURS)
    mac = Mac.parse("02:00:00:00:00:09")
    kernel = {
        ip("192.0.2.1"): Neighbour(mac, "br-phy"),  # the switch knows it too
        ip("192.0.2.7"): Neighbour(mac, "br-phy"),
        ip("192.0.2.9"): Neighbour(mac, "eth0"),  # another link with the same addresses
        ip("192.0.2.10"): Neighbour(mac, "br-phy"),  # nobody's next hop
    }
    vteps = [ip("198.51.100.1"), ip("10.1.2.3"), ip("10.4.5.6"), ip("192.0.2.9"), ip("192.0.2.11")]
    assert lessons(routes, there, kernel, vteps) == [(ip("192.0.2.7"), "br-phy", mac)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may listen at port 9")
def test_an_empty_datagram_goes_to_the_discard_port_from_our_endpoint() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.8", 9))
        far.settimeout(5)
        provoke(ip("127.0.0.9"), ip("127.0.0.8"))
        data, (source, _) = far.recvfrom(100)
    assert (data, source) == (b"", "127.0.0.9")


def test_an_endpoint_that_never_answers_is_waited_for_two_seconds_and_no_longer(tmp_path: Path) -> None:
    heard: list[tuple[float, Any]] = []
    with Background() as background:
        part = Neighbours(ip("127.0.0.9"), tmp_path, lambda fact: heard.append((time.monotonic(), fact)))
        background.do(part.set_datapath, "netdev")  # and there is no switch to ask
        background.start(part.run())
        asked = time.monotonic()
        background.do(part.set_neighbours, frozenset({ip("127.0.0.8")}))

        def resolved() -> None:
            nobody = frozenset({ip("127.0.0.8")})
            assert [fact for _, fact in heard] == [NeighboursRead(nobody, in_vain=nobody)]

        eventually(resolved)
        assert PATIENCE_S - 0.2 <= heard[0][0] - asked <= PATIENCE_S + 2.0
        background.do(part.set_neighbours, frozenset())

        def forgotten() -> None:
            assert heard[-1][1] == NeighboursRead(frozenset())

        eventually(forgotten)
