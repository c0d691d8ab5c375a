"""Memories of runs that were, to begin with: the text within the seal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from isthmus.bgp.family import EVPN, VPNV4, VPNV6
from isthmus.bgp.heard import Heard
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.model.vpn import RouteDistinguisher
from isthmus.node.handed_on import encode
from isthmus.node.memory import Memory
from tests.build import association, attachment, attributes, circuit, net, path, port
from tests.world import REFLECTOR, World

FAMILIES = (EVPN, VPNV4, VPNV6)


def _suspended() -> Memory:
    """One of everything: a circuit, a machine, routes heard and told, a session that is open."""
    world = World(families=FAMILIES)
    world.switch_on()
    networks, target = ("neutron-a",), "64512:1"
    bound = association(16, networks=networks, both=(target,))
    world.intent(
        {circuit(1): attachment(1, bound, networks=networks, subnets=("10.1.0.0/24",))},
        [port("p", "neutron-a", "10.1.0.5", "fd00:1::5")],
    )
    world.says(path("10.9.0.1/32", attributes(target)), path("10.9.0.2/32", attributes(target)))
    world.end_of_rib()
    memory = world.node.suspend(world.now, [REFLECTOR])
    peer = memory.peers[REFLECTOR]
    assert peer.session is not None
    rd, heard = RouteDistinguisher.parse("172.30.2.1:16"), Heard.of(attributes(target))
    labelled = {
        VPNV4: [VpnPrefix(rd, net("10.8.0.0/24"), (700,)), VpnPrefix(rd, net("10.8.1.1/32"), (30, 900))],
        VPNV6: [VpnPrefix(rd, net("fd00:8::/64"), (701,))],
    }
    channels = {
        family: replace(one, received=[*one.received, *((heard, route) for route in labelled.get(family, ()))])
        for family, one in peer.session.channels.items()
    }
    session = replace(peer.session, channels=channels)
    return replace(memory, peers={REFLECTOR: replace(peer, session=session)})


def left() -> list[bytes]:
    """Of this release, and of the one before."""
    before = (Path(__file__).parent.parent / "node/memory_2").read_bytes()
    return [encode(_suspended()).partition(b"\n")[2], before.partition(b"\n")[2]]
