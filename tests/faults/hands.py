"""The hands that break things: each does what happens in the field to a row, a port, a flow, a wire or a reflector.

Rules: nothing here knows what `isthmus why` looks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from isthmus.bgp.attribute import encapsulation_community
from isthmus.flows.layout import Table
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.net import IpAddress
from isthmus.model.vpn import Encapsulation, ExtendedCommunity, RouteTarget
from isthmus.node import facts
from isthmus.node.config import Limits
from tests.build import ip, rts
from tests.faults import clouds
from tests.faults.clouds import CORP, RED
from tests.faults.world import Host, Route, World

A_RR, B_RR = ip("172.30.1.5"), ip("172.30.2.5")


def remove_flow(world: World, host: str, table: Table, *words: str) -> None:
    """As `ovs-ofctl del-flows` by hand; nobody has looked since."""
    flows = world.hosts[host].flows
    found = [k for k in flows if k.table == table and set(words) <= set(k.match.split(","))]
    assert found, f"no flow with {words} in {table.name}"
    for key in found:
        del flows[key]


def foreign_flow(world: World, host: str) -> None:
    world.hosts[host].flows[FlowKey(Table.CLASSIFY, 60000, "")] = Installed(0, "drop")


def unplug(world: World, host: str, cloud: str, number: int) -> None:
    """The patch port goes and cannot come back: its name is taken."""
    name = clouds.door(cloud, number)
    world.hosts[host].unpluggable.add(name)
    del world.hosts[host].circuits[name]
    world.news()


def no_vxlan(world: World, host: str) -> None:
    world.hosts[host].tunnel = None
    world.news()


def deaf_switch(world: World, host: str) -> None:
    """The switch is full, and a fresh agent needs flows."""
    broken = world.hosts[host]
    broken.flows.clear()
    broken.obedient = False
    clouds.restart(world, host)


def switch_gone(world: World, host: str) -> None:
    world.hosts[host].switch_on = False
    world.news()


def southbound_gone(world: World, host: str, *, fresh: bool = False) -> None:
    world.hosts[host].southbound = "no server of the southbound database answers"
    if fresh:
        clouds.restart(world, host)
    world.news()


def reflector_down(world: World, *addresses: IpAddress, fresh: str = "") -> None:
    """It dies, and so do its sessions; `fresh` is a hypervisor that starts without it."""
    for address in addresses:
        reflector = world.reflectors[address]
        reflector.alive = False
        for client in list(reflector.sessions):
            reflector.lose(client)
            host = next(h for h in world.hosts.values() if h.address == client)
            host.node.handle(facts.Closed(address, "connection reset by peer"), world.now)
    if fresh:
        world.hosts[fresh].flows.clear()
        clouds.restart(world, fresh)
    world.settle()


def unwire(world: World, host: str, reflector: IpAddress) -> None:
    """A firewall between a hypervisor and its reflector drops everything."""
    world.unwired.add((world.hosts[host].address, reflector))
    world.wait(40)


def frozen(world: World, host: str) -> None:
    """The machine's clock jumps: it was suspended for ten minutes, and so was the process."""
    peer = A_RR if host.startswith("a") else B_RR
    world.unwired.add((world.hosts[host].address, peer))
    world.now += 600
    world.hosts[host].node.tick(world.now)
    world.settle()


def reject(world: World, host: str, reflector: IpAddress, *, asn: int = 0, evpn: bool = True) -> None:
    """The reflector is configured otherwise, and a hypervisor's agent starts."""
    far = world.reflectors[reflector]
    far.asn_seen = asn or far.asn
    far.speaks_evpn = evpn
    world.hosts[host].flows.clear()
    clouds.restart(world, host)


def rule(world: World, reflector: IpAddress, change: Callable[[Route], Route | None]) -> None:
    """A policy on the reflector."""
    world.reflectors[reflector].rules.append(change)
    world.settle()


def apart(world: World) -> None:
    """The reflectors of the two clouds lose each other."""
    world.joined = False
    world.settle()


def communities(route: Route, keep: Callable[[ExtendedCommunity], bool], *more: ExtendedCommunity) -> Route:
    nlri, a = route
    kept = tuple(c for c in a.extended_communities if keep(c))
    return nlri, replace(a, extended_communities=(*kept, *more))


def is_target(community: ExtendedCommunity) -> bool:
    return community[1] == RouteTarget.SUBTYPE and community[0] in (0, 1, 2)


def other_targets(route: Route) -> Route:
    return communities(route, lambda c: not is_target(c), *rts("64512:77"))


def without_router_mac(route: Route) -> Route:
    return communities(route, lambda c: tuple(c[:2]) != (0x06, 0x03))


def as_mpls(route: Route) -> Route:
    mpls = encapsulation_community(Encapsulation.MPLS)
    return communities(route, lambda c: tuple(c[:2]) != (0x03, 0x0C), mpls)


def two_overlay_indexes(route: Route) -> Route:
    """RFC 9136 section 3.2 has such a route treated as withdrawn."""
    return route[0]._replace(esi=b"\x01" * 10, gateway=route[0].prefix.address), route[1]


def self_as_next_hop(route: Route) -> Route:
    return route[0], replace(route[1], next_hop=A_RR)


def other_vni(route: Route) -> Route:
    return route[0]._replace(label=4999), route[1]


def same_node(world: World, one: str, other: str) -> None:
    """Two hypervisors with one VTEP, as a copied configuration has it."""
    world.hosts[one].flows.clear()
    copied: Host = world.hosts[one]
    copied.router_id = world.hosts[other].address
    clouds.restart(world, one)


def limited(world: World, host: str, limits: Limits) -> None:
    """The operator of a hypervisor set it low, and its agent started again."""
    world.hosts[host].limits = limits
    world.hosts[host].flows.clear()
    clouds.restart(world, host)


def second_owner(world: World) -> None:
    """Somebody of cloud a gives a machine the address of one of cloud b's, in the same VPN."""
    cloud = world.clouds["a"]
    network = clouds.network("stray")
    clouds.add(cloud, 9, "stray", "10.11.0.0/24", "2001:db8:a9::/64", clouds.vpn(40, CORP, network))
    clouds.boot(cloud, "a-h2", "a-stray1", "10.11.0.10/24")
    world.news()


def unserved(world: World, cloud: str) -> None:
    """The router's interface on the IPv4 subnet is taken away; the network stays associated."""
    old = clouds.intent(world, cloud, RED)
    clouds.write(world, cloud, RED, subnets=tuple(s for s in old.subnets if s.version == 6))


def one_vni_twice(world: World) -> None:
    """Two BGPVPNs with the same VNI and machines with the same address on one hypervisor."""
    changed = tuple(replace(a, vni=5006) for a in clouds.intent(world, "b", RED).associations)
    clouds.write(world, "b", RED, associations=changed)
    clouds.change_ids(world, "b", "b-twin1", revision_number="9")


def overlapping_subnet(world: World) -> None:
    """The source's router gets a subnet that is also the other cloud's."""
    old = clouds.intent(world, "a", RED)
    clouds.write(world, "a", RED, subnets=(*old.subnets, *clouds.intent(world, "b", RED).subnets))


def own_route(world: World) -> None:
    """The tenant gives the source's router a route of its own to the other cloud's network."""
    clouds.write(world, "a", RED, routes=clouds.intent(world, "b", RED).subnets)


def moved_off(world: World) -> None:
    """The machine leaves b-h1 while its reflector is not there to be told, and a-h1 goes on with what it knows."""
    reflector_down(world, A_RR)
    clouds.change_port(world, "b", "b-red1", chassis="b-h2")
    world.wait(5)


def no_covering(world: World) -> None:
    """The association covers another network of the router only."""
    old = clouds.intent(world, "a", RED)
    other = tuple(replace(a, networks=("neutron-other",)) for a in old.associations)
    clouds.write(world, "a", RED, networks=(*old.networks, "neutron-other"), associations=other)


def too_many_targets(world: World) -> None:
    clouds.retarget(world, "b", RED, exports=(CORP, *(f"64512:{n}" for n in range(1000, 1401))))


def same_hypervisor_twice(world: World) -> None:
    """Two machines of one VPN on one hypervisor have one address."""
    cloud = world.clouds["b"]
    clouds.add(cloud, 9, "copy", "10.11.0.0/24", "2001:db8:b9::/64", clouds.vpn(41, CORP, clouds.network("copy")))
    clouds.boot(cloud, "b-h1", "b-copy1", "10.11.0.10/24")
    clouds.change_ids(world, "b", "b-copy1", revision_number="9")


def schema_two(world: World, cloud: str, host: str) -> None:
    """The plugin was upgraded before this agent, which then started anew on a fresh machine."""
    world.hosts[host].flows.clear()
    clouds.spoil(world, cloud, RED, "isthmus:schema", "3")
    clouds.restart(world, host)


def never_end(world: World) -> None:
    """The reflector is still sending: it has got as far as nothing, and an agent has just started."""
    far = world.reflectors[A_RR]
    far.says_end_of_rib = False
    far.rules.append(lambda route: None)
    world.hosts["a-h1"].flows.clear()
    clouds.restart(world, "a-h1")


def stop_and_forget(world: World, host: str) -> None:
    clouds.stop(world, host)
    world.settle()


def in_our_as(route: Route) -> Route:
    """As the other cloud's reflector would tell it if it were in the same AS."""
    nlri, a = route
    return nlri, replace(a, as_path=tuple(s._replace(numbers=(64512,)) for s in a.as_path))


def silent(world: World, host: str, endpoint: IpAddress) -> None:
    """The underlay swallows what goes to a tunnel endpoint: its probes are not answered any more."""
    node = world.hosts[host].node
    for answer in (facts.Answer.ANSWERS, facts.Answer.SILENT):
        node.handle(facts.AnswersRead({endpoint: answer}), world.now)
        world.settle()


def drained(world: World, host: str) -> None:
    """An operator typed `isthmus drain` and went for the machine."""
    world.hosts[host].node.handle(facts.DrainWanted(True), world.now)
    world.wait(120)


def unresolved(world: World, host: str) -> None:
    """A fresh agent, whose underlay does not resolve the next hop."""
    world.hosts[host].resolves = False
    world.hosts[host].flows.clear()
    clouds.restart(world, host)
