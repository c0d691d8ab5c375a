"""A router's own ways beside the VPN: extra routes, a default one among them, and floating IPs.

An outside gateway that announces 0.0.0.0/0 into the VPN is a GoBGP on the WAN router: nobody carries packets there, so
what follows its route is lost, which is what is to be seen.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from isthmus.lab import trust, why
from isthmus.lab.dhcp import NIC
from isthmus.lab.fault import PartFailed
from isthmus.lab.ladder import probe
from isthmus.lab.ladder.climb import until
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.probe import Trip
from isthmus.lab.ladder.rungs import CORP, both_ways, must_not_reach, must_reach, trips
from isthmus.lab.neutron import call
from isthmus.lab.plan import WAN, Daemon
from isthmus.lab.progress import Step
from isthmus.lab.vm import Vm

NOWHERE = "192.0.2.55"
"""In no VPN and nobody's."""
EVERYWHERE = "0.0.0.0/0"
GOBGP_API = "127.0.0.1:50099"


def own_routes(ground: Ground, step: Step) -> None:
    """Of a router without gateway: its default route is asked after the VPN, a longer one hides it and is named."""
    api, router = ground.admin("a").network, ground.routers["a", "blue"]
    (blue1, blue2), far = ground.of("a-blue"), ground.of("b-red")
    corp = api.find_bgpvpn("corp", ignore_missing=False)
    bound = api.create_bgpvpn_router_association(corp, router_id=router.id, project_id="tenant1")
    must_reach(step, trips(both_ways([blue1], far)))
    sink = api.get_port(blue2.port_id)
    api.update_port(sink.id, port_security_enabled=False, security_group_ids=[])
    try:
        _routes(api, router, blue2, EVERYWHERE)
        until(step, f"{blue2.node} to get what no VPN knows", partial(_not_led, blue1, blue2))
        must_reach(step, trips(both_ways([blue1], far)))
        hidden = ground.networks["b", "red"]
        (cidr,) = [s.cidr for s in ground.admin("b").network.subnets(network_id=hidden.id, ip_version=4)]
        _routes(api, router, blue2, cidr)
        until(step, f"the status of corp to name {cidr}", partial(_not_named, ground, f"own route {cidr} hides"))
        until(step, "isthmus why to name it", partial(_other_cause, ground, blue1, far[0], "HIDDEN_BY_ROUTER"))
        must_not_reach([Trip(blue1.node, str(far[0].address(4)), far[0].node)])
        must_reach(step, trips(both_ways([blue1], far), versions=(6,)))
    finally:
        _routes(api, router, blue2)
        api.update_port(sink.id, port_security_enabled=True, security_group_ids=sink.security_group_ids)
    must_reach(step, trips(both_ways([blue1], far)))
    api.delete_bgpvpn_router_association(corp.id, bound.id)


def floating_ip_wins(ground: Ground, step: Step) -> None:
    """Over a default route of the VPN, for what comes in by it and for what its machine begins."""
    api, cloud = ground.admin("a").network, ground.lab.topology.cloud("a")
    host, far = str(cloud.internet_host), ground.vms["b-red1"]
    inside, plain = ground.vms["a-red2"], ground.vms["a-red1"]
    public = api.find_network("public")
    had = next(iter(api.ips(port_id=inside.port_id)), None)
    floating = had or api.create_ip(floating_network_id=public.id, port_id=inside.port_id, project_id="tenant1")
    address = floating.floating_ip_address
    outside = [Trip("a-internet", address, inside.node), Trip(inside.node, host, "a-internet")]
    must_reach(step, outside)
    with _outside_gateway(ground):
        until(step, f"{plain.node} to follow {EVERYWHERE} into the VPN", partial(_answered, plain, host))
        must_reach(step, [*outside, *trips(both_ways([inside], [far]))])
        until(step, "the status of corp to name it", partial(_not_named, ground, f"{EVERYWHERE} is a default route"))
    must_reach(step, [Trip(plain.node, host, "a-internet")], within_s=150.0)
    if had is None:
        api.delete_ip(floating)


def _routes(api: Any, router: Any, gateway: Vm, *destinations: str) -> None:
    hop = gateway.address(4)
    api.update_router(router.id, routes=[{"destination": d, "nexthop": hop} for d in destinations])


def _not_led(source: Vm, sink: Vm) -> str | None:
    marker = f"isthmus-nowhere-{source.name}".encode()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(3):
                sender.sendto(marker, (NOWHERE, 9))

    with probe.Ear(sink.node, NIC, marker) as ear:
        probe.inside(source.node, send)
        return None if ear.heard(1.0) else "it does not come"


def _not_named(ground: Ground, words: str) -> str | None:
    path = "/v2.0/bgpvpn/bgpvpns?name=corp&fields=status&fields=status_reason"
    code, answer = call(ground.lab.topology.cloud("a"), "GET", path)
    found = answer["bgpvpns"][0] if code == 200 else {}
    named = words in found.get("status_reason", "") and found.get("status") == "ACTIVE"
    return None if named else f"{code}: {answer}"


def _other_cause(ground: Ground, source: Vm, target: Vm, cause: str) -> str | None:
    words = why.command(ground.lab, source.node, target.node, as_json=True)
    done = ground.lab.processes.run("isthmus why", ["sh", "-c", '"$@" || true', "sh", *words])
    said = json.loads(done)
    return None if said["cause"] == cause else f"it says {said['sentence']}"


def _answered(source: Vm, address: str) -> str | None:
    silent = probe.unreached([Trip(source.node, address, address)], wait_s=0.5)
    return None if silent else f"{address} still answers {source.node}"


@contextmanager
def _outside_gateway(ground: Ground) -> Iterator[None]:
    """A client of cloud a's reflector with a default route for corp."""
    lab, cloud = ground.lab, ground.lab.topology.cloud("a")
    home = lab.places.of("outside-gateway")
    home.mkdir(parents=True, exist_ok=True)
    password = f'auth-password = "{trust.password(cloud)}"\n' if lab.topology.wary else ""
    (home / "gobgpd.toml").write_text(
        f"""[global.config]
as = {cloud.asn}
router-id = "{cloud.wan_router}"
port = -1
[[neighbors]]
[neighbors.config]
neighbor-address = "{cloud.reflectors[0].address}"
peer-as = {cloud.asn}
{password}[neighbors.transport.config]
local-address = "{cloud.wan_router}"
[neighbors.timers.config]
connect-retry = 1
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "l2vpn-evpn"
"""
    )
    argv = ("gobgpd", "-f", f"{home}/gobgpd.toml", "--api-hosts", GOBGP_API, "--pprof-disable", "-p")
    started = lab.processes.start(Daemon("outside-gateway", argv, WAN))
    host, _, port = GOBGP_API.rpartition(":")
    words = ["gobgp", "-u", host, "-p", port, "global", "rib", "-a", "evpn", "add", "prefix", EVERYWHERE]
    words += ["etag", "0", "label", "7777", "rd", f"{cloud.wan_router}:99", "rt", CORP]
    words += ["encap", "vxlan", "router-mac", "02:00:00:00:00:99", "nexthop", str(cloud.wan_router)]

    def wrong() -> str | None:
        try:
            lab.processes.run("outside gateway", words, node=WAN)
        except PartFailed as failed:
            return str(failed)
        return None

    lab.processes.until("outside gateway", "gobgpd to take a route", wrong, within_s=10.0, watch=[started])
    try:
        yield
    finally:
        lab.processes.kill("outside-gateway")
