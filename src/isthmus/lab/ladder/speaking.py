"""A machine of one network bears the address of a machine of another network of the same router and hypervisor, which
is in a BGPVPN. Its port has no port security, so OVN lets it. The far end must not hear it: neither while its network
is in no BGPVPN nor when it is in one of its own. What the true owner of the address says is heard (the control).
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

from isthmus.lab import vm
from isthmus.lab.dhcp import NIC
from isthmus.lab.ladder import probe
from isthmus.lab.ladder.climb import Slipped, until
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.progress import Step
from isthmus.lab.vm import Vm

OURS, OTHERS = "64512:20", "64512:21"
DISCARD = (9).to_bytes(2, "big")
SILENCE_S = 1.0
COPIES = 3


def who_spoke(ground: Ground, step: Step) -> None:
    api, far = ground.admin("a"), ground.vms["b-red1"]
    router, (mine, theirs), ours = _ground(ground, api)
    api.network.create_bgpvpn_network_association(ours, network_id=mine["id"], project_id="tenant1")
    wishes = [vm.Wish("a", name, "h1", net["id"]) for name, net in (("mine1", mine),)]
    wishes.append(vm.Wish("a", "theirs1", "h1", theirs["id"], port_security=False))
    owner, liar = sorted(vm.add(ground.lab, wishes, connection=api), key=lambda one: one.node)
    ground.vms |= {owner.node: owner, liar.node: liar}
    _must_be_heard(step, owner, far)
    _must_not_be_heard(liar, owner, far, "while its network is in no BGPVPN")
    others = api.network.create_bgpvpn(name="others", project_id="tenant1", route_targets=[OTHERS])
    api.network.create_bgpvpn_network_association(others, network_id=theirs["id"], project_id="tenant1")
    _must_be_heard(step, owner, far)
    _must_not_be_heard(liar, owner, far, "while its network is in another BGPVPN")
    _clear(ground, api, router, (mine, theirs), (ours, others), (owner, liar))


def _ground(ground: Ground, api: Any) -> tuple[Any, tuple[Any, Any], Any]:
    """A router with two networks; a BGPVPN that the far end is in."""
    net, router = api.network, api.network.create_router(name="mixed", project_id="tenant1")
    networks = []
    for number, name in ((6, "mine"), (7, "theirs")):
        network = net.create_network(name=name, project_id="tenant1")
        common = {"network_id": network.id, "project_id": "tenant1", "name": name}
        modes = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
        for body in (
            common | {"ip_version": 4, "cidr": f"10.{number}.0.0/24"},
            common | {"ip_version": 6, "cidr": f"2001:db8:a{number}::/64"} | modes,
        ):
            net.add_interface_to_router(router, subnet_id=net.create_subnet(**body).id)
        networks.append(network)
    ours = net.create_bgpvpn(name="ours", project_id="tenant1", route_targets=[OURS])
    there = ground.admin("b").network
    far = there.create_bgpvpn(name="ours", project_id="tenant1", route_targets=[OURS])
    red = ground.networks["b", "red"].id
    there.create_bgpvpn_network_association(far, network_id=red, project_id="tenant1")
    return router, (networks[0], networks[1]), ours


def _must_be_heard(step: Step, owner: Vm, far: Vm) -> None:
    for version in (4, 6):
        until(step, f"{far.node} to hear {owner.node}, IPv{version}", partial(_deaf, owner, owner, far, version))


def _must_not_be_heard(liar: Vm, owner: Vm, far: Vm, when: str) -> None:
    for version in (4, 6):
        if _deaf(liar, owner, far, version) is None:
            raise Slipped(
                f"{far.node} not to hear {liar.node} as {owner.node} {when}, IPv{version}",
                "a packet with its marker arrived",
            )


def _deaf(speaker: Vm, bearing: Vm, far: Vm, version: int) -> str | None:
    """None if the far end hears what the speaker says with that address."""
    marker = f"isthmus-{speaker.name}-{version}".encode()
    source, target = bearing.address(version), far.address(version)
    assert source is not None
    assert target is not None
    packet = _packet(source, target, marker)

    def send() -> None:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            for _ in range(COPIES):
                raw.sendto(packet, (target, 0))

    with probe.Ear(far.node, NIC, marker) as ear:
        probe.inside(speaker.node, send)
        return None if ear.heard(SILENCE_S) else f"{far.node} does not hear it"


def _packet(source: str, target: str, marker: bytes) -> bytes:
    """UDP to the discard port; the sender's kernel fills in IPv4's checksum, IPv6 wants one of UDP's."""
    length = 8 + len(marker)
    head = DISCARD + DISCARD + length.to_bytes(2, "big")
    if ":" not in source:
        addresses = socket.inet_aton(source) + socket.inet_aton(target)
        ip = bytes((0x45, 0)) + (20 + length).to_bytes(2, "big") + bytes((0, 0, 0, 0, 64, 17, 0, 0)) + addresses
        return ip + head + bytes(2) + marker
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    covered = addresses + length.to_bytes(4, "big") + bytes((0, 0, 0, 17)) + head + bytes(2) + marker
    ip = bytes((0x60, 0, 0, 0)) + length.to_bytes(2, "big") + bytes((17, 64)) + addresses
    return ip + head + probe.checksum(covered) + marker


def _clear(ground: Ground, api: Any, router: Any, networks: Any, bgpvpns: Any, vms: tuple[Vm, ...]) -> None:
    vm.delete(ground.lab, vms, connection=api)
    for one in vms:
        del ground.vms[one.node]
    for bgpvpn in bgpvpns:
        for association in api.network.bgpvpn_network_associations(bgpvpn.id):
            api.network.delete_bgpvpn_network_association(bgpvpn.id, association.id)
        api.network.delete_bgpvpn(bgpvpn.id)
    for network in networks:
        for subnet in api.network.subnets(network_id=network.id):
            api.network.remove_interface_from_router(router, subnet_id=subnet.id)
        api.network.delete_network(network)
    api.network.delete_router(router)
