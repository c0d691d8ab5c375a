"""Whether a packet crosses, worked out from the flows alone: the judge of what `isthmus why` says.

Only switches, wires and machines are looked at; no status, no route, no row is asked.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from isthmus.fib.entries import CircuitName
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.intent import AttachmentIntent
from isthmus.shell.bindings import Row
from tests.faults.world import TUNNEL_PORT, Cloud, Host, World
from tests.sim.forwarding import Fate, Forwarder

_TUNNEL = re.compile(r"to (\S+) vni (\d+) mac (\S+)")


def crosses(world: World, source: str, destination: str, version: int) -> bool | None:
    """Whether a packet of one machine reaches the other; None when no VPN has to do with it."""
    start, end = _row(world, source), _row(world, destination)
    here, there = _address(start[1], version), _address(end[1], version)
    if here is None or there is None:
        return None
    host = world.hosts[start[1].chassis]
    doors = _attachments(*start)
    if any(_serves(attachment, there) for attachment in doors.values()):
        # The router keeps it: OVN's business if the machine is behind it too, else it gets there never.
        return None if not doors.keys().isdisjoint(_attachments(*end)) else False
    if not (start[1].up and end[1].up):
        return False
    ports = [host.circuits[name] for name in doors if name in host.circuits]
    return any(_follow(world, host, _forwarder(host).from_circuit(port, here, there)[0], end, there) for port in ports)


def _follow(world: World, host: Host, fate: Fate, end: tuple[Cloud, Row], address: str) -> bool:
    if not host.switch_on:
        return False
    if fate.what == "into circuit":
        return _arrives(host, fate.where, end)
    found = _TUNNEL.fullmatch(fate.where)
    if found is None or host.tunnel is None:
        return False
    far = next((h for h in world.hosts.values() if str(h.address) == found[1]), None)
    if far is None or far.tunnel is None or not far.switch_on:
        return False
    landed, _ = _forwarder(far).from_tunnel(int(found[2]), address, found[3])
    return landed.what == "into circuit" and _arrives(far, landed.where, end)


def _arrives(host: Host, circuit: str, end: tuple[Cloud, Row]) -> bool:
    """The router behind the circuit has the machine's network, and the machine is plugged here."""
    return circuit in _attachments(*end) and end[1].chassis == host.name


def _attachments(cloud: Cloud, row: Row) -> dict[CircuitName, AttachmentIntent]:
    network = row.external_ids["neutron:network_name"]
    return {name: intent for name, intent in cloud.attachments.items() if network in intent.networks}


def _serves(intent: AttachmentIntent, address: str) -> bool:
    there = ipaddress.ip_address(address)
    networks = (ipaddress.ip_network(str(s)) for s in intent.subnets)
    return any(n.version == there.version and there in n for n in networks)


def _row(world: World, name: str) -> tuple[Cloud, Row]:
    return next((cloud, cloud.ports[name]) for cloud in world.clouds.values() if name in cloud.ports)


def _address(row: Row, version: int) -> str | None:
    found = (ipaddress.ip_interface(c) for c in row.external_ids["neutron:cidrs"].split())
    return next((str(i.ip) for i in found if i.version == version), None)


def _forwarder(host: Host) -> Forwarder:
    return _compiled(frozenset(host.flows.items()), tuple(sorted(host.circuits.items())))


@lru_cache(maxsize=64)
def _compiled(flows: frozenset[tuple[FlowKey, Installed]], circuits: tuple[tuple[CircuitName, int], ...]) -> Forwarder:
    return Forwarder(dict(flows), dict(circuits), TUNNEL_PORT)
