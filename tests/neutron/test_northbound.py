"""What an association makes in OVN, and what it becomes when Neutron's own objects change."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from isthmus.model.intent import AttachmentIntent, Fallback, FamilyName, Lane
from tests.eventually import eventually
from tests.neutron.cloud import V4, V6, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"


class Vpn:
    """One BGPVPN of the owner."""

    def __init__(self, cloud: Cloud, owner: User) -> None:
        self.cloud, self.owner = cloud, owner
        self.id = cloud.admin.make(BGPVPNS, project_id=owner.project, route_targets=["64512:1"])["id"]
        self.path = f"{BGPVPNS}/{self.id}"

    def bind(self, kind: str, target: str) -> str:
        return str(self.owner.make(f"{self.path}/{kind}_associations", **{f"{kind}_id": target})["id"])

    def told(self, place: str) -> AttachmentIntent:
        """What the nodes read of an attachment."""
        circuit = self.cloud.northbound.switch(f"isthmus-ts-{place}")[f"isthmus-ac-{place}"]
        assert circuit["type"] == "localport"
        assert "02:00:5e:00:00:02 169.254.128.2 fd00:56:50:4e::2" in circuit["addresses"]
        return self.cloud.northbound.intent(place)

    def ours(self, *places: str) -> list[str]:
        return [row for row in self.cloud.northbound.ours() if any(place in row for place in places)]


@pytest.fixture
def vpn(cloud: Cloud, owner: User) -> Vpn:
    return Vpn(cloud, owner)


def routed(owner: User, *subnets: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    router, network = owner.make("routers", name="r")["id"], owner.network(*subnets)
    for subnet in network["subnet_ids"]:
        assert owner.plug(router, subnet).status == 200
    return router, network


def ports_of(owner: User, router: str) -> set[str]:
    return {f"lrp-{port['id']}" for port in owner.get("ports", device_id=router)}


def policies(cloud: Cloud, router: str) -> list[tuple[int, str, str]]:
    rows = cloud.northbound.router(f"neutron-{router}")["policies"]
    return sorted((p["priority"], p["match"], p["action"]) for p in rows)


def default_routes(cloud: Cloud, router: str) -> list[tuple[str, str]]:
    rows = cloud.northbound.router(f"neutron-{router}")["static_routes"]
    return sorted((r["ip_prefix"], r["nexthop"]) for r in rows)


OURS = [("0.0.0.0/0", "169.254.128.3"), ("::/0", "fd00:56:50:4e::3")]
"""By nobody's lane: what is in a BGPVPN is led by policies."""
WITHOUT_LANES = [("0.0.0.0/0", "169.254.128.2"), ("::/0", "fd00:56:50:4e::2")]


def test_a_router_association(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    router, network = routed(owner, V4, V6)
    association = vpn.bind("router", router)
    told = vpn.told(router)
    assert (told.attachment, str(told.site), told.fallback) == (f"router:{router}", "64512:1", "public")
    assert told.networks == (f"neutron-{network['id']}",)
    assert [str(s) for s in told.subnets] == ["10.1.0.0/24", "2001:db8:1::/64"]
    [bound] = told.associations
    assert (bound.association, bound.bgpvpn, bound.kind) == (association, vpn.id, "router")
    assert [str(t) for t in bound.imports] == [str(t) for t in bound.exports] == ["64512:1"]
    assert cloud.sql("SELECT vni FROM isthmus_vnis WHERE bgpvpn_id = %s", vpn.id) == [(bound.vni,)]
    assert bound.number is None, "each hypervisor gives its own"
    port = f"isthmus-lrp-{router}"
    out = f'{{"{port}"}}'
    into = "{" + ", ".join(f'"{name}"' for name in sorted(ports_of(owner, router))) + "}"
    assert policies(cloud, router) == [
        (1000, f"inport == {into} && ip4 && outport == {out}", "reroute"),
        (1000, f"inport == {into} && ip6 && outport == {out}", "reroute"),
        (1080, f"inport == {out}", "allow"),
        (1090, f'inport == "{port}" && outport == "{port}"', "drop"),
        (1100, f'inport == "{port}" && outport == {out} && ip4.src == 169.254.128.1', "reroute"),
        (1100, f'inport == "{port}" && outport == {out} && ip6.src == fd00:56:50:4e::1', "reroute"),
    ]
    assert default_routes(cloud, router) == OURS
    [lrp] = [p for p in cloud.northbound.router(f"neutron-{router}")["ports"] if p["name"] == port]
    assert sorted(lrp["networks"]) == ["169.254.128.1/20", "fd00:56:50:4e::1/112"]
    [lane] = told.lanes
    addresses = cloud.northbound.switch(f"isthmus-ts-{router}")[f"isthmus-ac-{router}"]["addresses"]
    assert f"{Lane(lane).mac} {Lane(lane).ipv4} {Lane(lane).ipv6}" in addresses
    assert lrp["external_ids"]["neutron:network_name"] == f"neutron-{network['id']}"
    owner.delete(f"{vpn.path}/router_associations/{association}")
    assert vpn.ours(router) == []


def test_a_network_behind_a_router_is_steered_by_both_its_ports_and_the_others_are_not(
    cloud: Cloud, owner: User, vpn: Vpn
) -> None:
    router, network = routed(owner, V4, V6)
    inside = ports_of(owner, router)
    outside = owner.network({**V4, "cidr": "10.2.0.0/24"})
    assert owner.plug(router, outside["subnet_ids"][0]).status == 200
    vpn.bind("network", network["id"])
    told = vpn.told(router)
    assert set(told.networks) == {f"neutron-{network['id']}", f"neutron-{outside['id']}"}
    assert told.associations[0].networks == (f"neutron-{network['id']}",)
    steering = [match for priority, match, _action in policies(cloud, router) if priority == 1000]
    assert len(steering) == 2
    for match in steering:
        assert {port for port in inside if f'"{port}"' in match} == inside
        assert not any(f'"{port}"' in match for port in ports_of(owner, router) - inside)


def test_a_network_without_router_gets_a_gateway_and_advertisements(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    network = owner.network(V4, V6)
    place = network["id"]
    vpn.bind("network", place)
    assert vpn.told(place).attachment == f"network:{place}"
    router = cloud.northbound.router(f"isthmus-lr-{place}")
    [gateway] = [p for p in router["ports"] if p["name"] == f"isthmus-gw-{place}"]
    gateways = {owner.get(f"subnets/{s}")["gateway_ip"] for s in network["subnet_ids"]}
    assert {address.rsplit("/", 1)[0] for address in gateway["networks"]} == gateways
    mtu = str(owner.get(f"networks/{place}")["mtu"])
    assert gateway["ipv6_ra_configs"] == {"address_mode": "slaac", "send_periodic": "true", "mtu": mtu}
    plugged = cloud.northbound.switch(f"neutron-{place}")[f"isthmus-gws-{place}"]
    assert plugged["options"] == {"router-port": f"isthmus-gw-{place}"}
    assert sorted((r["ip_prefix"], r["nexthop"]) for r in router["static_routes"]) == WITHOUT_LANES
    assert sorted(p["priority"] for p in router["policies"]) == [1090, 1100, 1100]


def test_northd_accepts_every_row(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    """The southbound database shows what northd made of them."""
    router, network = routed(owner, V4)
    lone = owner.network(V4)
    vpn.bind("network", network["id"])
    vpn.bind("network", lone["id"])

    def bound() -> None:
        command = [
            "ovn-sbctl",
            f"--db=unix:{cloud.sockets['sb']}",
            "--bare",
            "--columns=logical_port",
            "list",
            "Port_Binding",
        ]
        ports = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        for place in (router, lone["id"]):
            assert {f"isthmus-ac-{place}", f"isthmus-lrp-{place}", f"isthmus-tsr-{place}"} <= set(ports)
        assert f"isthmus-gws-{lone['id']}" in ports

    eventually(bound)
    log = (cloud.home / "ovn-northd.log").read_text() if (cloud.home / "ovn-northd.log").exists() else ""
    assert "isthmus" not in log, log


def external(cloud: Cloud, *subnets: dict[str, Any]) -> dict[str, Any]:
    admin = cloud.admin
    for network in admin.get("networks", **{"router:external": True}):
        return dict(network)
    flat = {"provider:network_type": "flat", "provider:physical_network": "public"}
    return admin.network(*subnets, **{"router:external": True}, **flat)


def test_a_gateway_moves_our_default_routes_and_joins_the_sets(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    router, _network = routed(owner, V4)
    vpn.bind("router", router)
    outside = external(cloud, {"ip_version": 4, "cidr": "192.0.2.0/24"})
    gateway = {"external_gateway_info": {"network_id": outside["id"]}}
    owner.put(f"routers/{router}", {"router": gateway})
    [port] = cloud.admin.get("ports", device_id=router, device_owner="network:router_gateway")
    # The external network has IPv4 only: without our route IPv6 would have none and never reach the policies.
    assert default_routes(cloud, router) == [("0.0.0.0/0", "192.0.2.1"), OURS[1]]
    for priority, match, _action in policies(cloud, router):
        assert (f'"lrp-{port["id"]}"' in match) == (priority != 1090)
    owner.put(f"routers/{router}", {"router": {"external_gateway_info": None}})
    assert default_routes(cloud, router) == OURS
    assert not any(port["id"] in match for _priority, match, _action in policies(cloud, router))


def test_private_networks_beyond_the_gateway_are_not_cut_off(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    """The external subnet, and what the router has a route of its own to by a router there."""
    router, _network = routed(owner, V4)
    vpn.bind("router", router)
    flat = {"provider:network_type": "flat", "provider:physical_network": "other"}
    on_premises = {"ip_version": 4, "cidr": "172.24.4.0/24"}
    outside = cloud.admin.network(on_premises, **{"router:external": True}, **flat)["id"]

    def told() -> tuple[str, list[str]]:
        intent = vpn.told(router)
        return intent.fallback.value, [str(p) for p in intent.outside]

    assert told() == ("public", [])
    owner.put(f"routers/{router}", {"router": {"external_gateway_info": {"network_id": outside}}})
    assert told() == ("public", ["172.24.4.0/24"])
    routes = [
        {"destination": d, "nexthop": h} for d, h in (("10.20.0.0/16", "172.24.4.1"), ("10.30.0.0/16", "10.1.0.9"))
    ]
    owner.put(f"routers/{router}", {"router": {"routes": routes}})
    assert told() == ("public", ["10.20.0.0/16", "172.24.4.0/24"])
    cloud.admin.put(vpn.path, {"bgpvpn": {"fallback": "none"}})
    assert told() == ("none", [])
    owner.put(f"routers/{router}", {"router": {"routes": []}})
    owner.put(f"routers/{router}", {"router": {"external_gateway_info": None}})
    cloud.admin.put(vpn.path, {"bgpvpn": {"fallback": None}})
    assert told() == ("public", [])
    cloud.admin.delete(f"networks/{outside}")


def test_the_fallback_of_a_bgpvpn_reaches_its_attachments(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    """The strictest of those that a router or network is in."""
    lone = owner.network(V4)["id"]
    other = cloud.admin.make(BGPVPNS, project_id=owner.project, fallback="none")
    vpn.bind("network", lone)
    assert vpn.told(lone).fallback is Fallback.PUBLIC
    cloud.admin.put(vpn.path, {"bgpvpn": {"fallback": "all"}})
    assert vpn.told(lone).fallback is Fallback.ALL
    association = owner.make(f"{BGPVPNS}/{other['id']}/network_associations", network_id=lone)
    assert vpn.told(lone).fallback is Fallback.NONE
    cloud.admin.put(f"{BGPVPNS}/{other['id']}", {"bgpvpn": {"fallback": "public"}})
    assert vpn.told(lone).fallback is Fallback.PUBLIC
    owner.delete(f"{BGPVPNS}/{other['id']}/network_associations/{association['id']}")
    assert vpn.told(lone).fallback is Fallback.ALL


def test_the_families_of_a_bgpvpn_stand_in_its_row(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    lone = owner.network(V4)["id"]
    vpn.bind("network", lone)

    def told() -> list[tuple[FamilyName, ...] | None]:
        return [a.families for a in vpn.told(lone).associations]

    assert told() == [None]
    changed = cloud.admin.put(vpn.path, {"bgpvpn": {"families": ["vpnv6", "vpnv4"]}})["bgpvpn"]
    assert changed["families"] == ["vpnv4", "vpnv6"]
    assert told() == [(FamilyName.VPNV4, FamilyName.VPNV6)]
    cloud.admin.put(vpn.path, {"bgpvpn": {"families": None}})
    assert told() == [None]


def test_the_external_subnets_gateway_moves_our_default_route(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    router, _network = routed(owner, V4)
    vpn.bind("router", router)
    outside = external(cloud, {"ip_version": 4, "cidr": "192.0.2.0/24"})
    owner.put(f"routers/{router}", {"router": {"external_gateway_info": {"network_id": outside["id"]}}})
    [inside] = cloud.admin.get(f"networks/{outside['id']}")["subnets"]
    subnet = f"subnets/{inside}"
    try:
        cloud.admin.put(subnet, {"subnet": {"gateway_ip": None}})
        assert OURS[0] in default_routes(cloud, router)
        cloud.admin.put(subnet, {"subnet": {"gateway_ip": "192.0.2.1"}})
        assert OURS[0] not in default_routes(cloud, router)
        [port] = cloud.admin.get("ports", device_id=router, device_owner="network:router_gateway")
        there = {ip["ip_address"] for ip in port["fixed_ips"]}
        assert {str(a) for a in vpn.told(router).addresses} == {"10.1.0.1", *there}, "the router's own"
        owner.put(f"routers/{router}", {"router": {"routes": [{"destination": "0.0.0.0/0", "nexthop": "10.1.0.77"}]}})
        private = {
            (p["match"].rpartition(" == ")[2], p["nexthops"])
            for p in cloud.northbound.router(f"neutron-{router}")["policies"]
            if p["priority"] == 1096
        }
        assert private == {("{10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16}", "10.1.0.77")}
    finally:
        owner.put(f"routers/{router}", {"router": {"routes": []}})
        cloud.admin.put(subnet, {"subnet": {"gateway_ip": "192.0.2.1"}})
        owner.put(f"routers/{router}", {"router": {"external_gateway_info": None}})


def test_a_default_route_of_the_routers_own_is_asked_after_the_vpn(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    router, _network = routed(owner, V4)
    vpn.bind("router", router)
    owner.put(f"routers/{router}", {"router": {"routes": [{"destination": "0.0.0.0/0", "nexthop": "10.1.0.77"}]}})
    halves = [(half, "169.254.128.3") for half in ("0.0.0.0/1", "128.0.0.0/1")]
    assert default_routes(cloud, router) == [("0.0.0.0/0", "10.1.0.77"), *halves, OURS[1]]
    rows = cloud.northbound.router(f"neutron-{router}")["policies"]
    onward = {(p["priority"], p["nexthops"]) for p in rows if p["priority"] in (900, 1095)}
    assert onward == {(900, "10.1.0.77"), (1095, "10.1.0.77")}
    told = vpn.told(router)
    assert (told.fallback, [str(p) for p in told.outside]) == (Fallback.PUBLIC, ["0.0.0.0/0"]), "private ones follow it"
    owner.put(f"routers/{router}", {"router": {"routes": [{"destination": "10.50.0.0/16", "nexthop": "10.1.0.77"}]}})
    assert [str(p) for p in vpn.told(router).routes] == ["10.50.0.0/16"]
    owner.put(f"routers/{router}", {"router": {"routes": []}})
    assert default_routes(cloud, router) == OURS
    assert vpn.told(router).routes == ()


@pytest.mark.usefixtures("form_1")
def test_a_router_interface_on_an_associated_network_moves_the_attachment(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    network, router = owner.network(V4), owner.make("routers", name="r")["id"]
    place, subnet = network["id"], network["subnet_ids"][0]
    vpn.bind("network", place)
    numbers = "SELECT attachment_id FROM isthmus_numbers WHERE bgpvpn_id = %s"
    for _round in range(2):
        assert cloud.sql(numbers, vpn.id) == [(f"network:{place}",)]
        assert vpn.told(place).attachment == f"network:{place}"
        first = vpn.told(place).revision
        assert owner.plug(router, subnet).status == 200
        assert vpn.told(router).associations[0].networks == (f"neutron-{place}",)
        assert [row for row in vpn.ours(place) if f"network:{place}" in row] == []
        assert f"isthmus-gws-{place}" not in cloud.northbound.switch(f"neutron-{place}")
        assert cloud.sql(numbers, vpn.id) == [(f"router:{router}",)]
        assert owner.unplug(router, subnet).status == 200
        assert vpn.ours(router) == []
        assert vpn.told(place).revision > first, "a revision is never used twice"


def test_a_router_that_does_not_hold_the_gateway_address_leaves_the_network_its_own(
    cloud: Cloud, owner: User, vpn: Vpn
) -> None:
    network, router = owner.network(V4), owner.make("routers", name="r")["id"]
    place, subnet = network["id"], network["subnet_ids"][0]
    port = owner.make("ports", network_id=place, fixed_ips=[{"subnet_id": subnet, "ip_address": "10.1.0.200"}])
    assert owner.call("PUT", f"routers/{router}/add_router_interface", {"port_id": port["id"]}).status == 200
    vpn.bind("network", place)
    assert vpn.told(place).attachment == f"network:{place}"
    assert vpn.ours(router) == []
    moved = [{"subnet_id": subnet, "ip_address": "10.1.0.1"}]
    cloud.admin.put(f"ports/{port['id']}", {"port": {"fixed_ips": moved}})
    assert vpn.told(router).associations[0].networks == (f"neutron-{place}",)
    assert [row for row in vpn.ours(place) if f"network:{place}" in row] == []


def test_subnets_come_and_go(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    network = owner.network()
    place = network["id"]
    vpn.bind("network", place)
    assert vpn.ours(place) == [], "nothing to serve yet"
    four = owner.make("subnets", network_id=place, **V4)
    assert [str(s) for s in vpn.told(place).subnets] == ["10.1.0.0/24"]
    six = owner.make("subnets", network_id=place, **V6)
    assert [str(s) for s in vpn.told(place).subnets] == ["10.1.0.0/24", "2001:db8:1::/64"]
    owner.put(f"subnets/{four['id']}", {"subnet": {"gateway_ip": None}})
    assert [str(s) for s in vpn.told(place).subnets] == ["2001:db8:1::/64"]
    owner.delete(f"subnets/{six['id']}")
    assert vpn.ours(place) == []


def test_a_gateway_address_is_ours_only_while_no_port_has_it(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    network = owner.network(V4, V6)
    place = network["id"]
    vpn.bind("network", place)
    six, both = ["2001:db8:1::/64"], ["10.1.0.0/24", "2001:db8:1::/64"]
    assert [str(s) for s in vpn.told(place).subnets] == both
    held = [{"subnet_id": network["subnet_ids"][0], "ip_address": "10.1.0.1"}]
    port = owner.make("ports", network_id=place, fixed_ips=held)["id"]
    assert [str(s) for s in vpn.told(place).subnets] == six
    ports = cloud.northbound.router(f"isthmus-lr-{place}")["ports"]
    [gateway] = [p for p in ports if p["name"] == f"isthmus-gw-{place}"]
    assert "10.1.0.1/24" not in gateway["networks"]
    moved = [{"subnet_id": network["subnet_ids"][0], "ip_address": "10.1.0.50"}]
    owner.put(f"ports/{port}", {"port": {"fixed_ips": moved}})
    assert [str(s) for s in vpn.told(place).subnets] == both
    owner.put(f"ports/{port}", {"port": {"fixed_ips": held}})
    assert [str(s) for s in vpn.told(place).subnets] == six
    owner.delete(f"ports/{port}")
    assert [str(s) for s in vpn.told(place).subnets] == both


def test_a_network_that_becomes_external_is_no_longer_served(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    place = owner.network(V4)["id"]
    vpn.bind("network", place)
    cloud.admin.put(f"networks/{place}", {"network": {"router:external": True}})
    assert vpn.ours(place) == []
    cloud.admin.put(f"networks/{place}", {"network": {"router:external": False}})
    assert vpn.told(place).attachment == f"network:{place}"


def test_changed_targets_reach_every_attachment(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    router, _network = routed(owner, V4)
    lone = owner.network(V4)
    vpn.bind("router", router)
    vpn.bind("network", lone["id"])
    body = {"route_targets": ["64512:7"], "import_targets": ["64512:8"], "export_targets": ["10.0.0.1:9"]}
    cloud.admin.put(vpn.path, {"bgpvpn": body})
    for place in (router, lone["id"]):
        [bound] = vpn.told(place).associations
        assert {str(t) for t in bound.imports} == {"64512:7", "64512:8"}
        assert {str(t) for t in bound.exports} == {"64512:7", "10.0.0.1:9"}


def test_an_l2_bgpvpn_makes_nothing_yet(cloud: Cloud, owner: User) -> None:
    stretched = cloud.admin.make(BGPVPNS, project_id=owner.project, type="l2")
    network = owner.network(V4)
    owner.make(f"{BGPVPNS}/{stretched['id']}/network_associations", network_id=network["id"])
    assert [row for row in cloud.northbound.ours() if network["id"] in row] == []


@pytest.mark.usefixtures("form_1")
def test_several_bgpvpns_share_one_attachment(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    other, router = Vpn(cloud, owner), routed(owner, V4)[0]
    first, second = vpn.bind("router", router), other.bind("router", router)
    assert {a.association for a in vpn.told(router).associations} == {first, second}
    assert len({a.number for a in vpn.told(router).associations}) == 2
    cloud.admin.delete(other.path)
    assert [a.association for a in vpn.told(router).associations] == [first]


@pytest.mark.parametrize("order", ["bgpvpn first", "neutron first"])
def test_deleting_everything_leaves_nothing(cloud: Cloud, owner: User, vpn: Vpn, order: str) -> None:
    router, network = routed(owner, V4)
    lone = owner.network(V4)
    vpn.bind("network", network["id"])
    vpn.bind("network", lone["id"])
    assert vpn.ours(router)
    assert vpn.ours(lone["id"])
    if order == "bgpvpn first":
        cloud.admin.delete(vpn.path)
    for subnet in network["subnet_ids"]:
        assert owner.unplug(router, subnet).status == 200
    owner.delete(f"routers/{router}")
    owner.delete(f"networks/{network['id']}")
    owner.delete(f"networks/{lone['id']}")
    if order == "neutron first":
        assert vpn.ours(router, network["id"], lone["id"]) == []
        cloud.admin.delete(vpn.path)
    assert vpn.ours(router, network["id"], lone["id"]) == []
    for place in (f"router:{router}", f"network:{network['id']}", f"network:{lone['id']}"):
        assert cloud.sql("SELECT * FROM isthmus_attachments WHERE id = %s", place) == []
        assert cloud.sql("SELECT * FROM isthmus_numbers WHERE attachment_id = %s", place) == []


def test_deleting_an_associated_router_leaves_nothing(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    router, network = routed(owner, V4)
    vpn.bind("router", router)
    assert owner.unplug(router, network["subnet_ids"][0]).status == 200
    assert vpn.ours(router) == [], "a router without interface has nobody to serve"
    owner.delete(f"routers/{router}")
    assert owner.get(vpn.path)["routers"] == []
    assert cloud.sql("SELECT * FROM isthmus_numbers WHERE bgpvpn_id = %s", vpn.id) == []


def test_neutron_finds_no_fault_with_our_rows(cloud: Cloud, owner: User, vpn: Vpn) -> None:
    """It reads keys of every port of its routers: a KeyError there would be in the log."""
    router, _network = routed(owner, V4)
    vpn.bind("router", router)
    outside, before = external(cloud, {"ip_version": 4, "cidr": "192.0.2.0/24"}), cloud.log_size
    for gateway in ({"network_id": outside["id"]}, None):
        owner.put(f"routers/{router}", {"router": {"external_gateway_info": gateway}})
    assert cloud.logged("KeyError", "Unexpected exception in notify_loop", since=before) == []


def test_nothing_of_ours_is_in_a_traceback(cloud: Cloud) -> None:
    """Last in this file: the log of everything that was done until now."""
    assert cloud.logged("isthmus.neutron")
    assert [line for line in cloud.logged("/src/isthmus/") if line.lstrip().startswith("File ")] == []
