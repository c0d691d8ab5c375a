"""The ladder of one cloud and a carrier's PE behind one reflector: what a reflector of that kind does to a VPN.

    cloud a, tenant1   red    10.1.0.0/24  red1 on h1, red2 on h2     behind the PE: VRF red
                       blue   10.2.0.0/24  blue1 on h2

Every route goes by the reflector and by nothing else: between the hypervisors, and to and from the carrier.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from isthmus.lab import bird
from isthmus.lab.chaos import command
from isthmus.lab.chaos.foreign import BESIDE, CARRIER
from isthmus.lab.chaos.table import NOTHING
from isthmus.lab.ladder import agents, probe, world
from isthmus.lab.ladder import ground as grounds
from isthmus.lab.ladder.climb import Rung, until
from isthmus.lab.ladder.ground import Ground, Machine, Net
from isthmus.lab.ladder.keeping import OTHER, must_not_reach_soon
from isthmus.lab.ladder.probe import Trip
from isthmus.lab.ladder.rungs import CORP, both_ways, must_not_reach, must_reach, reached_by_client, trips
from isthmus.lab.ladder.standing import must_stand
from isthmus.lab.ladder.world import associate, create
from isthmus.lab.ladder.world_falls import counted
from isthmus.lab.plan import reflector
from isthmus.lab.progress import Progress, Step
from isthmus.lab.topology import ReflectorKind

NETS = (
    *(net for net in grounds.NETS if (net.cloud, net.name) == ("a", "red")),
    Net("a", "tenant1", "blue", "10.2.0.0/24", "2001:db8:a2::/64", ("h2",)),
)
KEPT_WITHIN_S = 180.0
"""What is withdrawn of a hypervisor that answers is held for two minutes (ADR 8)."""


def sides(ground: Ground) -> list[list[Machine]]:
    return [list(ground.of("a-red")), list(ground.of("a-blue")), *world.customers(ground, "red")]


def ground_and_customer(ground: Ground, step: Step) -> None:
    step.note("networks, routers, VMs")
    grounds.build(ground, NETS)
    world.serve(ground)
    until(step, "the PE to have its session", partial(world.unconnected, ground.lab.topology))


def apart(ground: Ground, step: Step) -> None:
    must_not_reach(trips(world.across(sides(ground))))


def joined(ground: Ground, step: Step) -> None:
    for name, kind, what in (("corp", "router", "red"), ("side", "network", "blue")):
        create(ground, "a", name, "tenant1", "--route-target", CORP)
        associate(ground, "a", name, "tenant1", kind, what)
    pairs = world.across(sides(ground))
    must_reach(step, trips(pairs))
    for name in ("corp", "side"):
        must_stand(ground, step, "a", name, "ACTIVE")
    step.result(f"{len(pairs)} pairs, IPv4 and IPv6")


def targets_change(ground: Ground, step: Step) -> None:
    """Of one of the two BGPVPNs: it is cut off from the other and from the carrier, and comes back to both."""
    red, blue, *customers = sides(ground)
    pairs = [pair for other in (red, *customers) for pair in both_ways(blue, other)]
    api = ground.admin("a").network
    side = api.find_bgpvpn("side", ignore_missing=False)
    api.update_bgpvpn(side, route_targets=[OTHER])
    must_not_reach_soon(step, trips(pairs))
    api.update_bgpvpn(side, route_targets=[CORP])
    must_reach(step, trips(pairs))


RUNGS = (
    Rung(1, "the cloud answers the stock openstack client", reached_by_client),
    Rung(2, "networks, routers, VMs; the carrier's PE has its session", ground_and_customer),
    Rung(3, "nobody reaches anybody of another side", apart),
    Rung(4, "one route target in two BGPVPNs and at the carrier: everybody reaches everybody", joined),
    Rung(5, "another target in one of them cuts it off, the old one brings it back", targets_change),
)


def falls(ground: Ground, progress: Progress) -> str:
    """The agent, the only reflector and the carrier's PE are killed under traffic; the table of what that has cost.

    By the first two nothing may be lost to and from the carrier either, but behind FRR: it offers to be waited for in
    no family.
    """
    kinds = {one.kind for cloud in ground.lab.topology.clouds for one in cloud.reflectors}
    cases = BESIDE if ReflectorKind.FRR in kinds else [replace(case, far=NOTHING) for case in BESIDE]
    one, other, beside = (ground.vms[name] for name in ("a-red1", "a-blue1", "a-red2"))
    there = (other, beside, *(customer for side in world.customers(ground, "red") for customer in side))
    flows = [flow for machine in there for flow in command.flows(one, machine)]
    with command.Streams(ground.lab, flows) as streams:
        return counted(ground, [*cases, CARRIER], streams, progress)


def unclothed(ground: Ground, step: Step) -> None:
    """BIRD without `extended next hop`: it takes no VPNv6 route whose next hop is an IPv4 address in IPv6's clothes."""
    red, blue, *customers = sides(ground)
    pairs = [pair for other in (red[:1], *customers) for pair in both_ways(blue, other)]
    must_reach(step, trips(pairs))
    _restart(ground, next_hops_in_clothes=False)
    kept_back = partial(_unsaid, ground, said=True)
    until(step, "the agents to say what is kept back", kept_back, within_s=KEPT_WITHIN_S)
    until(step, "no IPv6 any more", partial(_answered, trips(pairs, (6,))), within_s=KEPT_WITHIN_S)
    must_reach(step, trips(pairs, (4,)))
    _restart(ground, next_hops_in_clothes=True)
    must_reach(step, trips(pairs), within_s=KEPT_WITHIN_S)
    until(step, "the agents to say nothing of it", partial(_unsaid, ground, said=False))


def _answered(unwanted: list[Trip]) -> str | None:
    answered = len(unwanted) - len(probe.unreached(unwanted, wait_s=0.3))
    return f"{answered} of {len(unwanted)} are still answered" if answered else None


def _restart(ground: Ground, *, next_hops_in_clothes: bool) -> None:
    lab, (cloud,) = ground.lab, ground.lab.topology.clouds
    (one,) = cloud.reflectors
    text = bird.configuration(cloud, one, lab.topology, next_hops_in_clothes=next_hops_in_clothes)
    daemon = reflector(one, lab.places)
    lab.processes.kill(daemon.name)
    bird.write(one, text, lab.processes)
    lab.processes.start(daemon)


def _unsaid(ground: Ground, *, said: bool) -> str | None:
    for site in ground.lab.plan.sites:
        for peer in agents.status(ground.lab, site.node)["peers"]:
            if (peer["families_kept_back"] == ["ipv6 vpn"]) is not said:
                return f"{site.node} of {peer['address']}: kept back are {peer['families_kept_back'] or 'none'}"
    return None


UNCLOTHED = Rung(6, "BIRD without `extended next hop`: IPv4 goes on, IPv6 does not, and the agents say so", unclothed)
