"""A whole node beside a good reflector, and what a second one says to it: every decoder, and all that is made of what
they read, down to flows, the operator's tables and the memory that the next run gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN, VPNV4, VPNV6
from isthmus.bgp.message import encode_end_of_rib, encode_memberships, encode_route_refresh, encode_updates
from isthmus.bgp.nlri import Nlri
from isthmus.bgp.nlri.ethernet import ESI_ZERO, MacIp
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.cli.render import sections
from isthmus.flows.layout import Table
from isthmus.model.net import Mac
from isthmus.model.vpn import Encapsulation, RouteDistinguisher
from isthmus.node import facts
from isthmus.node.handed_on import decode, encode
from isthmus.node.memory import Memory, PeerMemory
from isthmus.node.report import status
from isthmus.node.sections import HeardRoute
from tests.build import association, attachment, attributes, circuit, ip, net, nlri, path, port
from tests.fuzz import mutation
from tests.fuzz.messages import MEMBERSHIPS, WITHIN
from tests.fuzz.target import Target
from tests.world import REFLECTOR, SECOND, World

_FAMILIES = (EVPN, VPNV4, VPNV6)
_TARGET, _NETWORK, _PLACE = "64512:1", "neutron-a", "10.9.0.1/32"
_RD = RouteDistinguisher.parse("172.30.2.1:16")


def begun() -> World:
    """All is well, and both reflectors are heard."""
    world = World(peers=(REFLECTOR, SECOND), families=_FAMILIES)
    world.gre = 9
    world.switch_on()
    bound = association(16, networks=(_NETWORK,), both=(_TARGET,))
    asked = attachment(1, bound, networks=(_NETWORK,), subnets=("10.1.0.0/24", "fd00:1::/64"))
    world.intent({circuit(1): asked}, [port("p", _NETWORK, "10.1.0.5", "fd00:1::5")])
    world.says(path(_PLACE, attributes(_TARGET)))
    world.end_of_rib(REFLECTOR)
    return world


def run(raw: bytes) -> None:
    world = begun()
    world.tell(facts.Received(SECOND, raw))
    world.wait(2.0)
    found = status(world.node, world.now)
    sections(found, ("attachments", "views", "routes", "peers", "ports", "machines", "limits", "switch"))
    assert not found.switch.missing and not found.switch.foreign, "the switch is not as it is wanted"
    rivals = any(r.prefix == _PLACE and r.peer == str(SECOND) for r in found.routes)
    led = any(key.table == Table.VIEW and key.match.endswith("nw_dst=10.9.0.1") for key in world.flows)
    assert rivals or led, "the good reflector's route has gone"
    memory = world.node.suspend(world.now, [REFLECTOR, SECOND])
    assert _in_order(decode(encode(memory))) == _in_order(memory), "the next run would have another memory"


def _in_order(memory: Memory) -> Memory:
    """Routes are kept by their attributes, so they come back in another order."""
    return replace(memory, peers={address: _peer_in_order(left) for address, left in memory.peers.items()})


def _peer_in_order(left: PeerMemory) -> PeerMemory:
    told = tuple(sorted(left.told, key=lambda one: str(one.nlri)))
    if left.session is None:
        return PeerMemory(told)
    channels = {
        family: replace(one, received=sorted(one.received, key=_octets), held=sorted(one.held, key=_octets))
        for family, one in left.session.channels.items()
    }
    return PeerMemory(told, replace(left.session, channels=channels))


def _octets(one: HeardRoute) -> tuple[bytes, bytes, str]:
    heard, route = one
    return heard.common, heard.communities, str(route)


def seeds() -> list[bytes]:
    labelled = attributes(_TARGET, encapsulations=(Encapsulation.MPLS_IN_GRE,), local_pref=90, mobility=2)
    second = attributes(
        _TARGET, "64513:7", claimant="aabbccddeeff", originator="172.30.2.9", plain=(0xFFFF0006,), med=7
    )
    host = MacIp(_RD, ESI_ZERO, 0, Mac(b"\2\0\0\0\0\1"), ip("10.9.0.7"), 900, 901)
    places = ("10.9.0.1/32", "10.1.0.5/32", "10.8.0.0/16", "0.0.0.0/0", "fd00:9::1/128")
    stacks = {"10.9.0.3/32": (700,), "10.7.0.0/16": (30, 99), "fd00:7::/64": (701,)}
    said: list[tuple[PathAttributes, Nlri]] = [
        *((second, nlri(prefix)) for prefix in places),
        (second, host),
        *((labelled, VpnPrefix(_RD, net(prefix), labels)) for prefix, labels in stacks.items()),
    ]
    each = [b"".join(encode_updates([one], (), WITHIN)) for one in said]
    gone = b"".join(encode_updates((), [route for _, route in said], WITHIN))
    wanted = b"".join(encode_memberships(labelled, MEMBERSHIPS, (), WITHIN)) + encode_end_of_rib(ROUTE_TARGET_CONSTRAIN)
    ends = b"".join(encode_end_of_rib(family) for family in _FAMILIES)
    whole = b"".join(each) + wanted + ends + encode_route_refresh(EVPN)
    return [*each, whole[:4900], b"".join(each) + gone, wanted + ends]


def targets() -> Iterator[Target]:
    yield Target("node", seeds, mutation.stream, run)
