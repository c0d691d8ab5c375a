"""The higher rungs: what happens to a joined cloud while it is lived in. Each prints its figure.

A stream is a hundred pings a second; what it lost is counted by ping itself.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from isthmus.lab import vm
from isthmus.lab.ladder import agents, cheating, errors, probe, speaking, standing, ways_out
from isthmus.lab.ladder.climb import Rung, Slipped, until
from isthmus.lab.ladder.ground import Ground, Machine
from isthmus.lab.ladder.probe import Trip
from isthmus.lab.ladder.rungs import CORP, both_ways, join, must_not_reach, must_reach, trips
from isthmus.lab.ladder.service import PORT
from isthmus.lab.process import within
from isthmus.lab.progress import Step

OTHER = "64512:7"
TOO_BIG = 1400
"""Bytes of an inner packet that fits the clouds (1,442) and not a WAN of 1,400 with VXLAN's 50."""


@contextmanager
def stream(source: str, target: Machine, version: int = 4) -> Iterator[list[int]]:
    """A hundred pings a second from a node to a machine; afterwards `[lost, sent]`."""
    address = target.address(version)
    assert address is not None
    command = within(source, ["ping", "-n", "-q", "-i", "0.01", address])
    pinging = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    counted: list[int] = []
    try:
        yield counted
    finally:
        pinging.send_signal(signal.SIGINT)
        text = pinging.communicate()[0] or ""
        sent, received = (int(n) for n in re.findall(r"(\d+) packets transmitted, (\d+) received", text)[0])
        counted += [max(0, sent - received - 1), sent]  # the last one may be under way when ping is stopped


def none_lost(counted: list[int], what: str) -> None:
    lost, sent = counted
    if lost:
        raise Slipped(f"no packet of {sent} lost while {what}", f"{lost} were")


def security_groups(ground: Ground, step: Step) -> None:
    """A group without ingress: what the VM began is answered, what comes by itself is not; both directions."""
    join(ground)
    here, there = ground.vms["a-red2"], ground.vms["b-red2"]
    must_reach(step, trips(both_ways([here], [there])))
    for cloud, guarded, other in (("b", there, here), ("a", here, there)):
        api = ground.admin(cloud).network
        usual = api.get_port(guarded.port_id).security_group_ids
        closed = api.create_security_group(name=f"closed-{cloud}", project_id="tenant1")
        api.update_port(guarded.port_id, security_group_ids=[closed.id])
        must_not_reach_soon(step, trips([(other, guarded)]))
        must_reach(step, trips([(guarded, other)]))
        answered = probe.ask(guarded.node, str(other.address(4)))["name"]
        if answered != other.node:
            raise Slipped(f"{other.node} to answer {guarded.node} over TCP", f"{answered} did")
        api.update_port(guarded.port_id, security_group_ids=usual)
        must_reach(step, trips([(other, guarded)]))
        api.delete_security_group(closed.id)


def must_not_reach_soon(step: Step, unwanted: list[Trip]) -> None:
    """As must_not_reach, for what has just been forbidden."""

    def wrong() -> str | None:
        silent = probe.unreached(unwanted, wait_s=0.3)
        return None if len(silent) == len(unwanted) else f"{len(unwanted) - len(silent)} are still answered"

    until(step, f"{len(unwanted)} pings not to be answered any more", wrong)
    must_not_reach(unwanted)


def small_wan(ground: Ground, step: Step) -> None:
    here, there = ground.vms["a-red1"], ground.vms["b-red2"]
    for one, other in ((here, there), (there, here)):
        for version, header in ((4, 28), (6, 48)):
            address = other.address(version)
            assert address is not None
            words = ["ping", "-n", "-c", "2", "-i", "0.3", "-W", "1", "-M", "do", "-s", str(TOO_BIG - header), address]
            done = subprocess.run(within(one.node, words), capture_output=True, text=True)
            said = done.stdout + done.stderr
            if not re.search(r"[Ff]rag needed|[Mm]essage too long|[Pp]acket too big|mtu[ =]", said):
                raise Slipped(f"a packet of {TOO_BIG} bytes from {one.node} to be answered with 'too big'", said[-300:])
        errors.ten_megabytes(one, other)


def come_and_go(ground: Ground, step: Step) -> None:
    api, red, far = ground.admin("a"), ground.networks["a", "red"], ground.vms["b-red1"]
    _widen_pool(api, red.id)
    (fresh,) = vm.add(ground.lab, [vm.Wish("a", "fresh", "h1", red.id)], connection=api)
    must_reach(step, trips(both_ways([far], [fresh])))
    vm.delete(ground.lab, [fresh], connection=api)
    must_not_reach_soon(step, [Trip(far.node, str(fresh.address(4)), fresh.node)])


def _widen_pool(api: Any, network: str) -> None:
    """The pool is as large as the VMs were many; one more comes."""
    for subnet in api.network.subnets(network_id=network, ip_version=4):
        start = subnet.allocation_pools[0]["start"]
        wide = [{"start": start, "end": start.rsplit(".", 1)[0] + ".99"}]
        api.network.update_subnet(subnet.id, allocation_pools=wide)


def targets_change(ground: Ground, step: Step) -> None:
    here, there = ground.vms["a-red1"], ground.vms["b-red1"]
    _retarget(ground, "a", [OTHER])
    must_not_reach_soon(step, trips(both_ways([here], [there])))
    _retarget(ground, "a", [CORP])
    must_reach(step, trips(both_ways([here], [there])))
    with stream(here.node, there) as out, stream(there.node, here) as back:
        for cloud, targets in (("a", [CORP, OTHER]), ("b", [CORP, OTHER]), ("a", [OTHER]), ("b", [OTHER])):
            _retarget(ground, cloud, targets)
            until(step, f"the agents to have {targets}", partial(_not_exported, ground, cloud, targets))
    none_lost(out, "targets changed with an overlap")
    none_lost(back, "targets changed with an overlap")
    step.result(f"0 of {out[1] + back[1]} packets lost while old and new targets overlapped")
    for cloud in ("a", "b"):
        _retarget(ground, cloud, [CORP])
    must_reach(step, trips(both_ways([here], [there])))


def _retarget(ground: Ground, cloud: str, targets: list[str]) -> None:
    api = ground.admin(cloud).network
    api.update_bgpvpn(api.find_bgpvpn("corp", ignore_missing=False), route_targets=targets)


def _not_exported(ground: Ground, cloud: str, targets: list[str]) -> str | None:
    """None when the far cloud's agents have this cloud's routes with just these targets."""
    far = next(c for c in ground.lab.topology.clouds if c.name != cloud)
    near = ground.lab.topology.cloud(cloud)
    vteps = {str(h.address) for h in near.hypervisors}
    for hypervisor in far.hypervisors:
        for route in agents.status(ground.lab, f"{far.name}-{hypervisor.name}")["routes"]:
            ours = set(route["route_targets"]) & {CORP, OTHER}
            if route["next_hop"] in vteps and ours and ours != set(targets):
                return f"{route['prefix']} still has {route['route_targets']}"
    return None


def moves(ground: Ground, step: Step) -> None:
    moving, far = ground.vms["a-red1"], ground.vms["b-red1"]
    address = moving.address(4)
    assert address is not None
    target = "h2" if moving.host == "h1" else "h1"

    with (
        stream(far.node, moving) as counted,
        probe.inside(far.node, lambda: socket.create_connection((address, PORT), timeout=20)) as connection,
    ):
        connection.sendall(b"take 4\nab")
        moved = vm.move(ground.lab, moving, target, connection=ground.admin("a"))
        ground.vms[moving.node] = moved
        try:
            connection.sendall(b"cd")
            line = connection.makefile("rb").readline().decode()
        except OSError as error:
            line = str(error)
        if probe.fingerprint(b"abcd") not in line:
            raise Slipped("a TCP connection to live through the move", line or "it was closed")
        must_reach(step, trips(both_ways([moved], [far])))
    step.result(f"{counted[0]} of {counted[1]} packets lost")


def router_arrives(ground: Ground, step: Step) -> None:
    """Green had no router: one comes, one goes, under traffic from another network of the VPN, both IP versions.

    The gateway's MAC and link-local address change, and the VMs are told (docs/adr/0007).
    """
    api = ground.admin("a").network
    network, far = ground.networks["a", "green"], ground.vms["a-blue1"]
    green = ground.of("a-green")
    inside = api.create_bgpvpn(name="again", project_id="tenant1", route_targets=["64512:101"])
    api.create_bgpvpn_network_association(inside, network_id=network.id, project_id="tenant1")
    blue = ground.routers["a", "blue"].id
    api.create_bgpvpn_router_association(inside, router_id=blue, project_id="tenant1")
    pairs = both_ways(green, [far])
    must_reach(step, trips(pairs))
    router = api.create_router(name="green", project_id="tenant1")
    subnets = list(api.subnets(network_id=network.id))
    with stream(far.node, green[0], 4) as came4, stream(far.node, green[0], 6) as came6:
        for subnet in subnets:
            api.add_interface_to_router(router, subnet_id=subnet.id)
        must_reach(step, trips(pairs))
    with stream(far.node, green[0], 4) as went4, stream(far.node, green[0], 6) as went6:
        for subnet in subnets:
            api.remove_interface_from_router(router, subnet_id=subnet.id)
        must_reach(step, trips(pairs))
    api.delete_router(router)
    step.result(f"lost when the router came: {_share(came4, came6)}; when it went: {_share(went4, went6)}")


def _share(four: list[int], six: list[int]) -> str:
    return f"IPv4 {four[0]} of {four[1]} packets, IPv6 {six[0]} of {six[1]}"


def interfaces_change(ground: Ground, step: Step) -> None:
    """Another network joins and leaves the router under traffic of those that stay."""
    api = ground.admin("a").network
    router, near, far = ground.routers["a", "red"], ground.vms["a-red2"], ground.vms["b-red2"]
    network = api.create_network(name="passing", project_id="tenant1")
    subnet = api.create_subnet(
        network_id=network.id, project_id="tenant1", ip_version=4, cidr="10.9.9.0/24", name="passing"
    )
    with stream(near.node, far) as out, stream(far.node, near) as back:
        api.add_interface_to_router(router, subnet_id=subnet.id)
        api.remove_interface_from_router(router, subnet_id=subnet.id)
    api.delete_network(network)
    none_lost(out, "an interface came and went")
    none_lost(back, "an interface came and went")
    step.result(f"0 of {out[1] + back[1]} packets lost")


Climb = Callable[[Ground, Step], None]

RUNGS = (
    Rung(10, "security groups decide for traffic from the VPN, statefully, both directions", security_groups),
    Rung(11, "the WAN carries less than the clouds: 'too big' is said, TCP passes", small_wan),
    Rung(12, "a new VM is reachable from the other cloud, a deleted one is gone", come_and_go),
    Rung(13, "route targets changed: disjoint cuts, back restores, overlap loses nothing", targets_change),
    Rung(14, "a port moved to the other hypervisor keeps its connections", moves),
    Rung(15, "router interfaces come and go under traffic", interfaces_change),
    Rung(16, "a router comes to a network that had none, and goes, under traffic", router_arrives),
    Rung(17, "the clouds' vpn_mtu differ: the far router is heard, TCP passes both ways", errors.far_router),
    Rung(18, "a machine with another's address is not heard in the other's BGPVPN", speaking.who_spoke),
    Rung(
        19,
        "a router's extra routes: a default one is asked after the VPN, one that hides it is named",
        ways_out.own_routes,
    ),
    Rung(20, "a floating IP wins over a default route of the VPN, both directions", ways_out.floating_ip_wins),
    cheating.RUNG,
)
SLOW = standing.SLOW
"""Climbed by `make lab`, not by `make demo`: they wait for an agent to be missed."""
