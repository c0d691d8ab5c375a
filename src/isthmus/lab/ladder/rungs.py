"""The rungs: each does what a user would do and looks at what a user would see. In order; each builds on the last.

What a reader would type is typed (the stock `openstack` client); what is bulk goes through the SDK.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import permutations, product

from isthmus.lab.ladder import ground as grounds
from isthmus.lab.ladder import probe, remains
from isthmus.lab.ladder.climb import Rung, Slipped, until
from isthmus.lab.ladder.ground import Ground, Machine
from isthmus.lab.ladder.intruder import intrude
from isthmus.lab.ladder.probe import Trip
from isthmus.lab.ladder.standing import must_stand
from isthmus.lab.neutron import cloud_name
from isthmus.lab.progress import Step

INSIDE = "64512:100"
CORP = "64512:5"
TWIN = "64512:6"
STREAM_BYTES = 10_000_000
VERSIONS = (4, 6)


def client(ground: Ground, cloud: str, *words: str, tenant: str = "admin") -> str:
    """The stock client, as a reader would type it."""
    lab = ground.lab
    command = [str(lab.programs.python_bin / "openstack"), "--os-cloud", cloud_name(lab.topology.cloud(cloud), tenant)]
    environment = {"OS_CLIENT_CONFIG_FILE": str(lab.places.clouds_yaml), "HOME": os.environ.get("HOME", "/root")}
    return lab.processes.run(f"openstack {' '.join(words[:3])}", [*command, *words], env=environment)


def trips(pairs: Iterable[tuple[Machine, Machine]], versions: Sequence[int] = VERSIONS) -> list[Trip]:
    found = []
    for (source, target), version in product(pairs, versions):
        address = target.address(version)
        assert address is not None, f"{target.node} has no IPv{version} address"
        found.append(Trip(source.node, address, target.node))
    return found


def must_reach(step: Step, wanted: list[Trip], *, within_s: float = 20.0) -> None:
    """Every ping is answered, sooner or later; those that were are not asked again."""
    missing = list(wanted)

    def wrong() -> str | None:
        missing[:] = probe.unreached(missing)
        shown = ", ".join(str(trip) for trip in missing[:3])
        return f"{len(missing)} of {len(wanted)} are not answered: {shown}" if missing else None

    until(step, f"{len(wanted)} pings to be answered", wrong, within_s=within_s)


def must_not_reach(unwanted: list[Trip]) -> None:
    answered = probe.reached(unwanted)
    if answered:
        shown = ", ".join(str(trip) for trip in answered[:3])
        raise Slipped(f"none of {len(unwanted)} pings to be answered", f"{len(answered)} are: {shown}")


def both_ways(one: Sequence[Machine], other: Sequence[Machine]) -> list[tuple[Machine, Machine]]:
    return [*product(one, other), *product(other, one)]


# The rungs


def reached_by_client(ground: Ground, step: Step) -> None:
    clouds = [cloud.name for cloud in ground.lab.topology.clouds]
    with ThreadPoolExecutor(len(clouds)) as pool:
        ask = partial(client, ground)
        for name, text in zip(
            clouds, pool.map(lambda c: ask(c, "network", "list", "-f", "value"), clouds), strict=True
        ):
            if "public" not in text:
                raise Slipped(f"`openstack --os-cloud {name} network list` to name the network public", text)


def tenants(ground: Ground, step: Step) -> None:
    step.note("networks, routers, VMs")
    grounds.build(ground)
    home: list[Trip] = []
    for net in grounds.NETS:
        members = ground.of(f"{net.cloud}-{net.name}")
        # Without a router nobody advertises the IPv6 prefix; Isthmus will, from the next rung but one.
        home += trips(permutations(members, 2), VERSIONS if net.router else (4,))
        if net.router:
            gateway = net.ipv4.replace(".0/24", ".1")
            home += [Trip(one.node, gateway, "its gateway") for one in members]
    must_reach(step, home)


def apart(ground: Ground, step: Step) -> None:
    must_not_reach(trips(both_ways(ground.of("a-red"), ground.of("b-red"))))


def one_cloud(ground: Ground, step: Step) -> None:
    api = ground.admin("a").network
    bgpvpn = api.create_bgpvpn(name="inside", project_id="tenant1", route_targets=[INSIDE])
    for name in ("red", "blue"):
        router = ground.routers["a", name]
        api.create_bgpvpn_router_association(bgpvpn, router_id=router.id, project_id="tenant1")
    network = ground.networks["a", "green"]
    api.create_bgpvpn_network_association(bgpvpn, network_id=network.id, project_id="tenant1")
    red, blue, green, grey = (ground.of(f"a-{name}") for name in ("red", "blue", "green", "grey"))
    must_reach(step, trips([*both_ways(red, blue), *both_ways(red, green), *both_ways(blue, green)]))
    must_not_reach(trips(both_ways([*red, *blue, *green], grey)))


def two_clouds(ground: Ground, step: Step) -> None:
    step.note("openstack bgpvpn create, associate")
    join(ground)
    here, there = ground.of("a-red"), ground.of("b-red")
    must_reach(step, trips(both_ways(here, there)))
    for version, (source, target) in product(VERSIONS, ((here[0], there[1]), (there[0], here[1]))):
        send(source, target, version)
    must_not_reach(trips(both_ways(there, [*ground.of("a-blue"), *ground.of("a-grey")])))
    for cloud in ("a", "b"):
        must_stand(ground, step, cloud, "corp", "ACTIVE")


def join(ground: Ground) -> None:
    """The whole of what a user types to join two clouds: as admin a BGPVPN, as tenant what belongs to it."""
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda words: _join(ground, *words), (("a", "router"), ("b", "network"))):
            pass


def _join(ground: Ground, cloud: str, kind: str) -> None:
    ask = partial(client, ground, cloud, "bgpvpn")
    if "corp" not in ask("list", "-f", "value"):
        ask("create", "--name", "corp", "--project", "tenant1", "--route-target", CORP)
    ask(kind, "association", "create", "corp", "red", tenant="tenant1")


def send(source: Machine, target: Machine, version: int) -> None:
    """10 MB arrive intact, from the private address."""
    stream = os.urandom(STREAM_BYTES)
    own, address = source.address(version), target.address(version)
    assert address is not None
    try:
        answer = probe.ask(source.node, address, stream=stream)
    except OSError as error:
        raise Slipped(f"10 MB over TCP from {source.node} to {target.node} ({address})", str(error)) from error
    expected = {"name": target.node, "peer": own, "sha256": probe.fingerprint(stream)}
    if answer != expected:
        raise Slipped(f"{expected} from {target.node}", str(answer))


def twins(ground: Ground, step: Step) -> None:
    for cloud, kind in (("a", "router"), ("b", "network")):
        api = ground.admin(cloud).network
        bgpvpn = api.create_bgpvpn(name="twin", project_id="tenant2", route_targets=[TWIN])
        if kind == "router":
            what = {"router_id": ground.routers[cloud, "twin"].id}
            api.create_bgpvpn_router_association(bgpvpn, project_id="tenant2", **what)
        else:
            what = {"network_id": ground.networks[cloud, "twin"].id}
            api.create_bgpvpn_network_association(bgpvpn, project_id="tenant2", **what)
    (here,), (there,) = ground.of("a-twin"), ground.of("b-twin")
    must_reach(step, trips(both_ways([here], [there])))
    expected = {(here.node, there.node), (there.node, here.node)}
    expected |= {(one.node, other.node) for one, other in both_ways(ground.of("a-red"), ground.of("b-red"))}
    for (source, target), version in product(sorted(expected), VERSIONS):
        address = ground.vms[target].address(version)
        assert address is not None
        answer = probe.ask(source, address)["name"]
        if answer != target:
            raise Slipped(f"{target} to answer {source} at {address}", f"{answer} answers")
    strangers = [(here, one) for one in ground.of("b-red") if one.address(4) != there.address(4)]
    must_not_reach(trips(strangers))


def internet(ground: Ground, step: Step) -> None:
    api, cloud = ground.admin("a").network, ground.lab.topology.cloud("a")
    host, (red1, red2) = str(cloud.internet_host), ground.of("a-red")
    public = api.find_network("public")
    floating = api.create_ip(floating_network_id=public.id, port_id=red2.port_id, project_id="tenant1")
    router = api.get_router(ground.routers["a", "red"].id)
    snat = router.external_gateway_info["external_fixed_ips"][0]["ip_address"]
    until(step, f"{red1.node} to reach the internet as {snat}", partial(_seen_as, red1.node, host, "a-internet", snat))
    address = floating.floating_ip_address
    until(
        step,
        f"{red2.node} to answer at its floating IP {address}",
        partial(_seen_as, "a-internet", address, red2.node, host),
    )


def _seen_as(source: str, address: str, name: str, peer: str) -> str | None:
    try:
        answer = probe.ask(source, address)
    except OSError as error:
        return str(error)
    return None if answer == {"name": name, "peer": peer} else f"the answer is {answer}"


def intruder(ground: Ground, step: Step) -> None:
    intrude(ground, step)


def removed(ground: Ground, step: Step) -> None:
    for cloud in ("a", "b"):
        api = ground.admin(cloud).network
        for bgpvpn in api.bgpvpns():
            for association in api.bgpvpn_router_associations(bgpvpn.id):
                api.delete_bgpvpn_router_association(bgpvpn.id, association.id)
            for association in api.bgpvpn_network_associations(bgpvpn.id):
                api.delete_bgpvpn_network_association(bgpvpn.id, association.id)
    until(step, "nothing of the VPNs to be left", partial(remains.left, ground), within_s=20.0)
    red = ground.of("a-red")
    must_not_reach(trips([*both_ways(red, ground.of("b-red")), *both_ways(red, ground.of("a-blue"))]))
    must_reach(step, trips(permutations(ground.of("a-red"), 2)))


RUNGS = (
    Rung(1, "both clouds answer the stock openstack client", reached_by_client),
    Rung(2, "networks, routers, VMs: each has its addresses, its gateway, its neighbour", tenants),
    Rung(3, "a VM of cloud a does not reach a VM of cloud b", apart),
    Rung(4, "three networks of cloud a in one BGPVPN reach each other; a fourth stays out", one_cloud),
    Rung(5, "one route target in both clouds: every VM reaches every VM, 10 MB arrive intact", two_clouds),
    Rung(6, "a second tenant with the same prefixes reaches only its own", twins),
    Rung(7, "the internet by SNAT and the floating IP work as before", internet),
    Rung(8, "frames for what was not announced go nowhere and are counted", intruder),
    Rung(9, "without the associations nothing is left: no path, no row, no flow, no route", removed),
)
