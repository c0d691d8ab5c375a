"""Addresses that go, float or move, with packets: nothing leaves by mistake, a virtual address fails over, a machine
that migrates is never without its VPN.

    cloud a  here   10.71.0.0/24     router with SNAT    here1 on h1, here2 on h2; the virtual address is .100
             near   10.72.0.0/24     the same router     near1 on h1: what plain OVN does
    cloud b  there  198.18.73.0/24   router              there1 on h1, there2 on h2; public: it may leave
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from isthmus.lab import dhcp, netns, vm
from isthmus.lab.lab import Lab
from isthmus.lab.ladder import agents, probe
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.keeping import stream
from isthmus.lab.network import End, Network, Veth, namespace_of
from isthmus.lab.plan import ovs_env
from isthmus.lab.process import within
from isthmus.lab.vm import Vm
from isthmus.model.net import IpAddress, Mac
from isthmus.shell.greetings import gratuitous_arp
from tests.eventually import eventually

pytestmark = pytest.mark.lab

TENANT, TARGET, VIRTUAL = "tenant3", "64512:73", "10.71.0.100"
GONE, STRANGE, PRIVATE = "198.18.73.11", "198.18.99.9", "10.99.0.9"
STRANGERS, PRIVATES = "198.18.99", "10.99.0"
OUTSIDE, SINK = "a-internet", "a-near1"
FLOWS = 32
"""So many that two ways which share them both have some, but for a chance in two thousand millions. To an address each:
OVN's group does not look at the ports of UDP."""
NO_MORE_LOST = 20
"""Packets of ten milliseconds each: how much later than plain OVN the VPN may follow a failover, on a busy machine."""


class Scene:
    """The three networks, joined."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.ground = lab, Ground(lab)
        self.bgpvpns = dict[str, str]()
        self.vms = dict[str, Vm]()
        self.networks = dict[str, str]()
        router = self.router = self._router("a", "here")
        self._network("a", "here", "10.71.0.0/24", router, ("h1", "h2"))
        self._network("a", "near", "10.72.0.0/24", router, ("h1",))
        self._network("b", "there", "198.18.73.0/24", self._router("b", "there"), ("h1", "h2"))
        for cloud, name in (("a", "here"), ("b", "there")):
            api = self.api(cloud)
            made = api.create_bgpvpn(name="floats", project_id=TENANT, route_targets=[TARGET])
            self.bgpvpns[cloud] = made.id
            api.create_bgpvpn_network_association(made, network_id=self.networks[name], project_id=TENANT)
        self.reaches("a-here1", "b-there1")
        self.reaches("b-there2", "a-here2")

    def api(self, cloud: str) -> Any:
        return self.ground.admin(cloud).network

    def _router(self, cloud: str, name: str) -> Any:
        public = self.api(cloud).find_network("public")
        gateway = {"network_id": public.id}
        return self.api(cloud).create_router(name=name, project_id=TENANT, external_gateway_info=gateway)

    def _network(self, cloud: str, name: str, cidr: str, router: Any, hosts: tuple[str, ...]) -> None:
        api = self.api(cloud)
        network = api.create_network(name=name, project_id=TENANT)
        self.networks[name] = network.id
        subnet = api.create_subnet(network_id=network.id, project_id=TENANT, ip_version=4, cidr=cidr, name=name)
        api.add_interface_to_router(router, subnet_id=subnet.id)
        base = cidr.removesuffix("0/24")
        wishes = [
            vm.Wish(cloud, f"{name}{n}", host, network.id, TENANT, (f"{base}{9 + n}",), port_security=n > 2)
            for n, host in enumerate(hosts, 1)
        ]
        for made in vm.add(self.lab, wishes, connection=self.ground.admin(cloud)):
            self.vms[made.node] = made

    def reaches(self, source: str, target: str, address: str = "", options: tuple[str, ...] = ()) -> None:
        address = address or str(self.vms[target].address(4))
        command = within(source, ["ping", "-n", "-q", "-c", "1", "-W", "1", *options, address])

        def answered() -> None:
            assert subprocess.run(command, capture_output=True).returncode == 0, f"{source} -> {address}"

        eventually(answered, within=20)

    def heard_outside(self, source: str, address: str, for_s: float = 1.5) -> bool:
        """Whether what is sent to the address leaves the cloud by its gateway."""
        marker = f"{source} {address} {for_s}".encode()

        def send() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(5):
                    sender.sendto(marker, (address, 9))

        with probe.Ear(OUTSIDE, "br-ext", marker) as ear:
            probe.inside(source, send)
            return ear.heard(for_s)

    def led(self, source: str, network: str, for_s: float = 1.5) -> frozenset[str]:
        """Where what is sent to a /24 (its first octets) comes to: outside, the machine behind the extra route."""
        marker = f"led {source} {network} {for_s}".encode()

        def send() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for host in range(1, FLOWS + 1):
                    sender.sendto(marker, (f"{network}.{host}", 9))

        with probe.Ear(OUTSIDE, "br-ext", marker) as outside, probe.Ear(SINK, dhcp.NIC, marker) as sink:
            probe.inside(source, send)
            return frozenset(where for where, ear in ((OUTSIDE, outside), (SINK, sink)) if ear.heard(for_s))


@pytest.fixture(scope="module")
def scene(lab: Lab) -> Iterator[Scene]:
    made = Scene(lab)
    yield made
    for cloud in ("a", "b"):
        made.api(cloud).delete_bgpvpn(made.bgpvpns[cloud])
        vm.delete(lab, [v for v in made.vms.values() if v.cloud == cloud], connection=made.ground.admin(cloud))


# A virtual address


def take(scene: Scene, node: str) -> None:
    """As keepalived does: the address on the NIC, and everybody told (ARP)."""
    _ip(scene, node, "replace")
    frame = gratuitous_arp(Mac.parse(scene.vms[node].mac), IpAddress.parse(VIRTUAL))

    def announce() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((dhcp.NIC, 0))
            for _ in range(3):
                sender.send(frame)

    probe.inside(node, announce)


def leave(scene: Scene, node: str) -> None:
    _ip(scene, node, "del")


def _ip(scene: Scene, node: str, verb: str) -> None:
    words = ["ip", "-n", namespace_of(node), "addr", verb, f"{VIRTUAL}/24", "dev", dhcp.NIC]
    scene.lab.processes.run("test", words)


def test_a_virtual_address_is_served_and_fails_over_as_in_plain_ovn(scene: Scene) -> None:
    api = scene.api("a")
    for name in ("a-here1", "a-here2"):
        api.update_port(
            scene.vms[name].port_id,
            is_port_security_enabled=True,
            allowed_address_pairs=[{"ip_address": VIRTUAL}],
            security_group_ids=[_open_group(api)],
        )
    port = api.create_port(
        network_id=scene.networks["here"], project_id=TENANT, name="vip", fixed_ips=[{"ip_address": VIRTUAL}]
    )
    take(scene, "a-here1")
    scene.reaches("b-there1", "", VIRTUAL)
    scene.reaches("a-here1", "b-there1", options=("-I", VIRTUAL))
    virtual = Vm("a", "vip", "h1", port.id, "", (VIRTUAL,))
    lost = []
    for old, new in (("a-here1", "a-here2"), ("a-here2", "a-here1")):
        with stream("a-near1", virtual) as plain, stream("b-there1", virtual) as through:
            eventually(partial(scene.reaches, "b-there1", "", VIRTUAL))
            leave(scene, old)
            take(scene, new)
            scene.reaches("b-there1", "", VIRTUAL)
            scene.reaches(new, "b-there1", options=("-I", VIRTUAL))
        lost.append((plain, through))
    print(f"lost, of what was sent: {lost} (plain OVN, the VPN)")
    assert all(through[0] <= plain[0] + NO_MORE_LOST for plain, through in lost), lost


def _open_group(api: Any) -> str:
    for known in api.security_groups(project_id=TENANT, name="open"):
        return str(known.id)
    group = api.create_security_group(name="open", project_id=TENANT)
    for protocol in ("icmp", "udp", "tcp"):
        api.create_security_group_rule(
            security_group_id=group.id, direction="ingress", ether_type="IPv4", protocol=protocol, project_id=TENANT
        )
    return str(group.id)


# A machine that migrates


def test_a_machine_that_migrates_has_its_vpn_before_it_is_bound(scene: Scene) -> None:
    """From h1 to h2: the copy on h2 runs, and its port is bound to h1 still."""
    moving = scene.vms["a-here1"]
    source, target = scene.lab.site("a-h1").node, scene.lab.site("a-h2").node
    northbound = ["ovn-nbctl", f"--db=unix:{scene.lab.places.northbound('a')}", "set", "Logical_Switch_Port"]

    def request(*hosts: str) -> None:
        words = [*northbound, moving.port_id, f'options:requested-chassis="{",".join(hosts)}"']
        scene.lab.processes.run("test", words)

    copy = "a-copy"
    request(source, target)
    netns.apply(
        Network(nodes=(copy,), veths=(Veth(End(copy, dhcp.NIC, mac=moving.mac), End(target, "tapcopy")),)),
        scene.lab.processes,
    )
    ids = {"iface-id": moving.port_id, "attached-mac": moving.mac, "iface-status": "active", "vm-id": "copy"}
    words = ["ovs-vsctl", "add-port", "br-int", "tapcopy", "--", "set", "Interface", "tapcopy"]
    words += [f'external_ids:{key}="{value}"' for key, value in ids.items()]
    scene.lab.processes.run("test", words, env=ovs_env(scene.lab.places.of(target)))
    try:
        for line in (f"addr add {moving.address(4)}/24 dev {dhcp.NIC}", "route add default via 10.71.0.1"):
            scene.lab.processes.run("test", ["ip", "-n", namespace_of(copy), *line.split()])

        def arriving() -> None:
            found = {m["port"]: m for m in agents.status(scene.lab, target)["machines"]}
            assert "on its way here" in found[moving.port_id]["why_not"]

        eventually(arriving, within=20)
        announced = {p["port"]: p["announced_to"] for p in agents.status(scene.lab, target)["ports"]}
        assert announced[moving.port_id] == [], "its hypervisor is h1 still"
        scene.reaches(copy, "b-there1")
    finally:
        scene.lab.processes.run(
            "test", ["ovs-vsctl", "--if-exists", "del-port", "tapcopy"], env=ovs_env(scene.lab.places.of(target))
        )
        netns.delete([copy], scene.lab.processes)
        request(source)
    scene.reaches("b-there1", "a-here1")


# Nothing leaves


def test_what_the_vpn_knew_a_moment_ago_does_not_leave_and_what_is_private_never_does(scene: Scene) -> None:
    assert scene.heard_outside("a-here1", STRANGE), "what no VPN knows, and is public, leaves as it always did"
    assert not scene.heard_outside("a-here1", PRIVATE), "what is private does not"
    gone = scene.vms.pop("b-there2")
    scene.reaches("a-here1", "", GONE)
    vm.delete(scene.lab, [gone], connection=scene.ground.admin("b"))

    def withdrawn() -> None:
        routes = agents.status(scene.lab, "a-h1")["routes"]
        assert not any(r["prefix"] == f"{GONE}/32" for r in routes)

    eventually(withdrawn, within=20)
    assert not scene.heard_outside("a-here1", GONE)
    scene.api("a").update_bgpvpn(scene.bgpvpns["a"], fallback="all")

    def private_leaves() -> None:
        assert scene.heard_outside("a-here1", PRIVATE, 0.5)

    eventually(private_leaves, within=20)
    assert not scene.heard_outside("a-here1", GONE), "not even where everything may leave"


def test_beside_a_gateway_an_extra_default_route_has_what_is_private_and_the_fallback_says_what_goes_at_all(
    scene: Scene,
) -> None:
    """The router's gateway and a machine on one of its networks share what no VPN knows."""
    api, corp = scene.api("a"), scene.bgpvpns["a"]
    hop = scene.vms[SINK].address(4)
    api.update_bgpvpn(corp, fallback=None)
    api.update_router(scene.router.id, routes=[{"destination": "0.0.0.0/0", "nexthop": hop}])
    both, sink, nowhere = frozenset({OUTSIDE, SINK}), frozenset({SINK}), frozenset[str]()

    def goes(public: frozenset[str], private: frozenset[str]) -> None:
        def so() -> None:
            seen = scene.led("a-here1", STRANGERS, 0.5), scene.led("a-here1", PRIVATES, 0.5)
            assert seen == (public, private), f"{STRANGERS}, {PRIVATES}: {seen}"

        eventually(so, within=20)
        for network, wanted in ((STRANGERS, public), (PRIVATES, private)):
            assert scene.led("a-here1", network) == wanted, network
        scene.reaches("a-here1", "b-there1")
        scene.reaches("b-there1", "a-here1")

    try:
        goes(public=both, private=sink)
        api.update_bgpvpn(corp, fallback="none")
        goes(public=nowhere, private=nowhere)
        api.update_bgpvpn(corp, fallback="all")
        goes(public=both, private=both)
        api.update_bgpvpn(corp, fallback="public")
        goes(public=both, private=sink)
    finally:
        api.update_router(scene.router.id, routes=[])
        api.update_bgpvpn(corp, fallback=None)
    goes(public=frozenset({OUTSIDE}), private=nowhere)
