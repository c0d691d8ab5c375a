"""What must not be in BGPVPNs together: by table, in any order of calls, by two at once; subnets that overlap."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from isthmus.neutron.attachments.desired import Unserved
from tests.neutron.cloud import V4, V6, Answer, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
OTHER_V4 = {**V4, "cidr": "10.9.0.0/24"}
BEHIND_DVR, BEHIND_HA = "network:router_interface_distributed", "network:ha_router_replicated_interface"


class Site(NamedTuple):
    """A router with an interface on a network, and who owns which."""

    router: str
    of_router: User
    network: str
    subnet: str
    of_network: User


def make(admin: User, owner: User, **attributes: Any) -> str:
    """The path of a BGPVPN of the owner's project."""
    return f"{BGPVPNS}/{admin.make(BGPVPNS, project_id=owner.project, **attributes)['id']}"


def associate(user: User, bgpvpn: str, kind: str, target: str) -> Answer:
    return user.call("POST", f"{bgpvpn}/{kind}_associations", {f"{kind}_association": {f"{kind}_id": target}})


def bind(user: User, bgpvpn: str, kind: str, target: str) -> str:
    """The path of the association."""
    made = user.make(f"{bgpvpn}/{kind}_associations", **{f"{kind}_id": target})
    return f"{bgpvpn}/{kind}_associations/{made['id']}"


def plain(cloud: Cloud, owner: User) -> Site:
    network, router = owner.network(V4), owner.make("routers", name="r")["id"]
    assert owner.plug(router, network["subnet_ids"][0]).status == 200
    return Site(router, owner, network["id"], network["subnet_ids"][0], owner)


def on_the_second_interface(cloud: Cloud, owner: User) -> Site:
    """The network in question is not the router's first."""
    router = owner.make("routers", name="r")["id"]
    assert owner.plug(router, owner.network(OTHER_V4)["subnet_ids"][0]).status == 200
    network = owner.network(V4)
    assert owner.plug(router, network["subnet_ids"][0]).status == 200
    return Site(router, owner, network["id"], network["subnet_ids"][0], owner)


def by_the_second_router(cloud: Cloud, owner: User) -> Site:
    """The router in question is not the network's first."""
    first, second = (owner.make("routers", name=name)["id"] for name in ("r1", "r2"))
    network = owner.network(V4, OTHER_V4)
    for router, subnet in zip((first, second), network["subnet_ids"], strict=True):
        assert owner.plug(router, subnet).status == 200
    return Site(second, owner, network["id"], network["subnet_ids"][1], owner)


def over_ipv6(cloud: Cloud, owner: User) -> Site:
    network, router = owner.network(V6), owner.make("routers", name="r")["id"]
    assert owner.plug(router, network["subnet_ids"][0]).status == 200
    return Site(router, owner, network["id"], network["subnet_ids"][0], owner)


def _of_owner_kind(cloud: Cloud, owner: User, device_owner: str) -> Site:
    """ML2/OVN makes no such routers; their rows are those that Neutron keeps of them."""
    site = plain(cloud, owner)
    cloud.sql("UPDATE routerports SET port_type = %s WHERE router_id = %s", device_owner, site.router)
    cloud.sql("UPDATE ports SET device_owner = %s WHERE device_id = %s", device_owner, site.router)
    return site


def by_a_distributed_router(cloud: Cloud, owner: User) -> Site:
    return _of_owner_kind(cloud, owner, BEHIND_DVR)


def by_a_highly_available_router(cloud: Cloud, owner: User) -> Site:
    return _of_owner_kind(cloud, owner, BEHIND_HA)


def by_a_router_of_another_project(cloud: Cloud, owner: User) -> Site:
    """The network is shared with the router's project by RBAC."""
    guest, network = cloud.user(uuid.uuid4().hex), owner.network(V4)
    policy = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    shared = owner.call("POST", "rbac-policies", {"rbac_policy": policy | {"target_tenant": guest.project}})
    assert shared.status == 201
    router = guest.make("routers", name="r")["id"]
    assert guest.plug(router, network["subnet_ids"][0]).status == 200
    return Site(router, guest, network["id"], network["subnet_ids"][0], owner)


SITES = (
    plain,
    on_the_second_interface,
    by_the_second_router,
    over_ipv6,
    by_a_distributed_router,
    by_a_highly_available_router,
    by_a_router_of_another_project,
)


@pytest.mark.parametrize("site_of", SITES, ids=lambda f: f.__name__)
def test_a_network_is_in_a_vpn_by_itself_or_by_its_router(
    cloud: Cloud, admin: User, owner: User, site_of: Callable[[Cloud, User], Site]
) -> None:
    site = site_of(cloud, owner)
    behind, beside = make(admin, site.of_router), make(admin, site.of_network, type="l2")
    alone = behind if site.of_router is site.of_network else make(admin, site.of_network)
    bound = bind(site.of_router, behind, "router", site.router)
    for bgpvpn in (alone, beside):  # the same one where it can be, an l2 one
        refused = associate(site.of_network, bgpvpn, "network", site.network)
        assert (refused.status, refused.kind) == (400, "BGPVPNNetworkRouterConflict")
        assert site.router in refused.message
    site.of_router.delete(bound)
    for bgpvpn in (alone, beside):
        bound = bind(site.of_network, bgpvpn, "network", site.network)
        refused = associate(site.of_router, behind, "router", site.router)
        assert (refused.status, refused.kind) == (400, "BGPVPNNetworkRouterConflict")
        assert site.network in refused.message
        site.of_network.delete(bound)


@pytest.mark.parametrize("kind", ["l3", "l2"])
@pytest.mark.parametrize("by_port", [False, True])
@pytest.mark.parametrize("router_first", [False, True])
def test_an_interface_between_two_that_are_in_vpns_already(
    admin: User, owner: User, kind: str, by_port: bool, router_first: bool
) -> None:
    network, router = owner.network(V4), owner.make("routers", name="r")["id"]
    bindings = [(make(admin, owner), "router", router), (make(admin, owner, type=kind), "network", network["id"])]
    for binding in bindings if router_first else reversed(bindings):
        bind(owner, *binding)
    how = {"subnet_id": network["subnet_ids"][0]}
    if by_port:
        how = {"port_id": owner.make("ports", network_id=network["id"])["id"]}
    refused = owner.call("PUT", f"routers/{router}/add_router_interface", how)
    assert (refused.status, refused.kind) == (409, "RouterInterfaceAttachmentConflict")
    assert network["id"] in refused.message
    assert router in refused.message
    left = owner.get("ports", network_id=network["id"], device_id=router)
    assert left == [], "the interface is taken back"


def test_an_interface_between_two_of_different_projects(cloud: Cloud, admin: User, owner: User) -> None:
    site = by_a_router_of_another_project(cloud, owner)
    assert site.of_router.unplug(site.router, site.subnet).status == 200
    bind(site.of_router, make(admin, site.of_router), "router", site.router)
    bind(site.of_network, make(admin, site.of_network), "network", site.network)
    assert site.of_router.plug(site.router, site.subnet).status == 409


def test_a_port_may_be_in_other_vpns_than_its_network_and_its_router(cloud: Cloud, admin: User, owner: User) -> None:
    site = plain(cloud, owner)
    port = owner.make("ports", network_id=site.network)["id"]
    one, other = make(admin, owner), make(admin, owner)
    bind(owner, one, "router", site.router)
    for bgpvpn in (one, other):
        bind(owner, bgpvpn, "port", port)


def test_a_port_of_a_network_that_cannot_be_served(admin: User) -> None:
    one = make(admin, admin)
    network = admin.network(
        {**V4, "cidr": "10.8.0.0/24"},
        **{"provider:network_type": "vlan", "provider:physical_network": "public"},
    )
    port = admin.make("ports", network_id=network["id"])["id"]
    refused = associate(admin, one, "port", port)
    assert (refused.status, refused.kind) == (400, "BGPVPNNetworkNotSupported")
    assert "vlan" in refused.message


# ------------------------------------------------------------------------------------ two requests at once


def test_interface_and_association_at_once(admin: User, owner: User) -> None:
    """The router is in a VPN; its interface on a network and the network's association come at the same moment."""
    one = make(admin, owner)
    with ThreadPoolExecutor(2) as pool:
        for number in range(6):
            network, router = owner.network(V4), owner.make("routers", name="r")["id"]
            bind(owner, one, "router", router)
            plugged = pool.submit(owner.plug, router, network["subnet_ids"][0])
            bound = pool.submit(associate, owner, one, "network", network["id"])
            outcome = (plugged.result().status, bound.result().status)
            assert outcome in {(200, 400), (409, 201)}, number


def test_association_of_a_router_and_of_its_network_at_once(cloud: Cloud, admin: User, owner: User) -> None:
    one = make(admin, owner)
    with ThreadPoolExecutor(2) as pool:
        for number in range(6):
            site = plain(cloud, owner)
            by_router = pool.submit(associate, owner, one, "router", site.router)
            by_network = pool.submit(associate, owner, one, "network", site.network)
            outcome = sorted((by_router.result().status, by_network.result().status))
            assert outcome == [201, 400], number


# ------------------------------------------------------------------------------------ overlapping subnets


class Second(Cloud):
    """Another API server on the same databases, with options of its own."""

    @property
    def _config(self) -> str:
        return str(self.home / "etc/strict.conf")


@pytest.fixture(scope="module")
def strict(cloud: Cloud) -> Iterator[Cloud]:
    """It refuses overlapping subnets."""
    made = Second(cloud.home, processes=1)
    made.write_configuration({"overlapping_subnets": "refuse", "reconcile_interval_s": 3600}, "strict.conf")
    try:
        made.start_api()
        yield made
    finally:
        made.stop()


def overlapping(owner: User) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two networks whose subnets overlap: a /24 and a /25 inside it."""
    return owner.network(V4), owner.network({**V4, "cidr": "10.1.0.128/25"})


def test_overlapping_subnets_are_logged_by_default(cloud: Cloud, admin: User, owner: User) -> None:
    one, (wide, narrow) = make(admin, owner), overlapping(owner)
    bind(owner, one, "network", wide["id"])
    bind(owner, one, "network", narrow["id"])
    [line] = [line for line in cloud.logged(one.rsplit("/", 1)[-1]) if "overlap" in line]
    for network, prefix in ((wide, "10.1.0.0/24"), (narrow, "10.1.0.128/25")):
        assert f"{prefix} of subnet {network['subnet_ids'][0]} of network {network['id']}" in line


def test_overlapping_subnets_are_told_by_the_status(admin: User, owner: User) -> None:
    one, (wide, narrow) = make(admin, owner), overlapping(owner)
    apart = bind(owner, one, "network", owner.network(OTHER_V4)["id"])
    bound = [bind(owner, one, "network", n["id"]) for n in (wide, narrow)]
    for association in bound:
        said = owner.get(association)["status_reason"]
        assert f"10.1.0.0/24 of subnet {wide['subnet_ids'][0]} of network {wide['id']}" in said
        assert f"10.1.0.128/25 of subnet {narrow['subnet_ids'][0]} of network {narrow['id']} overlap" in said
    assert "overlap" not in owner.get(apart)["status_reason"]
    owner.delete(bound[0])
    assert "overlap" not in owner.get(bound[1])["status_reason"]


def test_overlapping_subnets_are_refused_where_the_cloud_says_so(strict: Cloud, admin: User) -> None:
    owner = strict.user(uuid.uuid4().hex)
    one, (wide, narrow) = make(admin, owner), overlapping(owner)
    bind(owner, one, "network", wide["id"])
    refused = associate(owner, one, "network", narrow["id"])
    assert (refused.status, refused.kind) == (409, "BGPVPNOverlappingSubnets")
    for network, prefix in ((wide, "10.1.0.0/24"), (narrow, "10.1.0.128/25")):
        assert f"{prefix} of subnet {network['subnet_ids'][0]} of network {network['id']}" in refused.message
    assert owner.get(one)["networks"] == [wide["id"]]
    router = owner.make("routers", name="r")["id"]
    assert owner.plug(router, narrow["subnet_ids"][0]).status == 200
    assert associate(owner, one, "router", router).kind == "BGPVPNOverlappingSubnets"
    bind(owner, make(admin, owner), "router", router)
    stretched = make(admin, owner, type="l2")
    for network in (wide["id"], owner.network({**V4, "cidr": "10.1.0.0/25"})["id"]):
        bind(owner, stretched, "network", network)


def test_a_subnet_or_an_interface_that_would_overlap_is_refused_too(strict: Cloud, admin: User) -> None:
    owner = strict.user(uuid.uuid4().hex)
    one, (wide, narrow) = make(admin, owner), overlapping(owner)
    router, late = owner.make("routers", name="r")["id"], owner.network()
    bind(owner, one, "network", wide["id"])
    bind(owner, one, "network", late["id"])
    bind(owner, one, "router", router)
    refused = owner.plug(router, narrow["subnet_ids"][0])
    assert (refused.status, refused.kind) == (409, "RouterInterfaceAttachmentConflict")
    assert wide["id"] in refused.message
    assert owner.get("ports", device_id=router) == []
    subnet = {"network_id": late["id"], **V4}
    refused = owner.call("POST", "subnets", {"subnet": subnet})
    assert (refused.status, refused.kind) == (409, "BGPVPNOverlappingSubnets")
    assert owner.get("subnets", network_id=late["id"]) == []
    owner.make("subnets", **{**subnet, "cidr": "10.3.0.0/24"})
    assert owner.plug(router, owner.network(OTHER_V4)["subnet_ids"][0]).status == 200


def test_a_guest_who_came_first_holds_no_owner_up_and_is_left_out(strict: Cloud, admin: User) -> None:
    """Whatever the owner adds: an association, an interface, a subnet. What he has made a guest does not overlap."""
    owner, guest = (strict.user(uuid.uuid4().hex) for _ in range(2))
    one, router = make(admin, owner), owner.make("routers", name="r")["id"]
    late = owner.network()
    policy = {"object_type": "bgpvpn", "object_id": one.rsplit("/", 1)[-1], "action": "access_as_shared"}
    answer = owner.call("POST", "rbac-policies", {"rbac_policy": {**policy, "target_tenant": guest.project}})
    assert answer.status == 201, answer.message
    bind(owner, one, "router", router)
    bind(owner, one, "network", late["id"])
    guests = [bind(guest, one, "network", guest.network({**V4, "cidr": f"10.{n}.0.0/24"})["id"]) for n in (1, 2, 3, 4)]
    reasons = [guest.get(association)["status_reason"] for association in guests]
    assert not any("owner" in reason for reason in reasons)
    wide = owner.network({**V4, "cidr": "10.1.0.0/16"})
    bound = bind(owner, one, "network", wide["id"])
    assert owner.plug(router, owner.network({**V4, "cidr": "10.2.0.128/25"})["subnet_ids"][0]).status == 200
    owner.make("subnets", network_id=late["id"], **{**V4, "cidr": "10.3.0.0/25"})
    for association in guests[:3]:
        shown = guest.get(association)
        assert (shown["status"], shown["status_reason"]) == ("DOWN", Unserved.OVERLAPS.value)
        assert wide["id"] not in str(shown)
    assert "owner" not in guest.get(guests[3])["status_reason"]
    refused = associate(guest, one, "network", guest.network({**V4, "cidr": "10.1.9.0/24"})["id"])
    assert (refused.status, refused.kind) == (409, "BGPVPNOverlappingSubnets")
    owner.delete(bound)
    assert "owner" not in guest.get(guests[0])["status_reason"], "there is nothing left to yield to"


def test_the_address_of_a_port_overlaps_with_the_subnets_of_other_networks_only(strict: Cloud, admin: User) -> None:
    owner = strict.user(uuid.uuid4().hex)
    one, (wide, narrow) = make(admin, owner), overlapping(owner)
    bind(owner, one, "network", wide["id"])
    at_home, elsewhere = (owner.make("ports", network_id=n["id"])["id"] for n in (wide, narrow))
    bind(owner, one, "port", at_home)
    assert associate(owner, one, "port", elsewhere).kind == "BGPVPNOverlappingSubnets"
    body = {"port_id": elsewhere, "advertise_fixed_ips": False}
    silent = f"{one}/port_associations/{owner.make(f'{one}/port_associations', **body)['id']}"
    refused = owner.call("PUT", silent, {"port_association": {"advertise_fixed_ips": True}})
    assert (refused.status, refused.kind) == (409, "BGPVPNOverlappingSubnets")
    assert owner.get(silent)["advertise_fixed_ips"] is False


def test_an_address_that_would_overlap_is_refused_too(strict: Cloud, admin: User) -> None:
    owner = strict.user(uuid.uuid4().hex)
    one, wide = make(admin, owner), owner.network(V4)
    late = owner.network(OTHER_V4, {**V4, "cidr": "10.1.0.128/25"})
    apart, covered = late["subnet_ids"]
    bind(owner, one, "network", wide["id"])
    router = owner.make("routers", name="r")["id"]
    assert owner.plug(router, apart).status == 200
    bind(owner, one, "router", router)
    port = owner.make("ports", network_id=late["id"], fixed_ips=[{"subnet_id": apart}])["id"]
    bind(owner, one, "port", port)
    [interface] = [p["id"] for p in owner.get("ports", device_id=router)]
    for moving in (port, interface):
        before = owner.get(f"ports/{moving}")["fixed_ips"]
        body = {"port": {"fixed_ips": [{"subnet_id": apart}, {"subnet_id": covered}]}}
        refused = owner.call("PUT", f"ports/{moving}", body)
        assert (refused.status, refused.kind) == (409, "BGPVPNOverlappingSubnets")
        assert wide["id"] in refused.message
        assert owner.get(f"ports/{moving}")["fixed_ips"] == before


def test_what_others_have_in_a_shared_vpn_is_not_named(strict: Cloud, admin: User) -> None:
    owner, guest = strict.user(uuid.uuid4().hex), strict.user(uuid.uuid4().hex)
    one, ours, theirs = make(admin, owner), owner.network(V4), guest.network(V4)
    policy = {"object_type": "bgpvpn", "object_id": one.rsplit("/", 1)[-1], "action": "access_as_shared"}
    shared = owner.call("POST", "rbac-policies", {"rbac_policy": policy | {"target_tenant": guest.project}})
    assert shared.status == 201
    bind(owner, one, "network", ours["id"])
    refused = associate(guest, one, "network", theirs["id"])
    assert refused.status == 409
    assert "10.1.0.0/24 of another project" in refused.message
    assert theirs["id"] in refused.message
    assert ours["id"] not in refused.message
    assert ours["subnet_ids"][0] not in refused.message


def test_an_association_and_an_interface_that_overlap_at_once(strict: Cloud, admin: User) -> None:
    """They lock nothing in common but the BGPVPN."""
    owner = strict.user(uuid.uuid4().hex)
    with ThreadPoolExecutor(2) as pool:
        for number in range(4):
            one, (wide, narrow) = make(admin, owner), overlapping(owner)
            here, there = (owner.make("routers", name="r")["id"] for _ in range(2))
            bind(owner, one, "router", here)
            assert owner.plug(there, wide["subnet_ids"][0]).status == 200
            plugged = pool.submit(owner.plug, here, narrow["subnet_ids"][0])
            bound = pool.submit(associate, owner, one, "router", there)
            assert (plugged.result().status, bound.result().status) in {(200, 409), (409, 201)}, number


def test_what_overlapped_before_holds_nothing_else_up(cloud: Cloud, strict: Cloud, admin: User) -> None:
    """A cloud that was not strict when it was associated: another subnet of the network is welcome."""
    owner, later = cloud.user(uuid.uuid4().hex), strict
    one, (wide, narrow) = make(admin, owner), overlapping(owner)
    for network in (wide, narrow):
        bind(owner, one, "network", network["id"])
    again = later.user(owner.project)
    again.make("subnets", network_id=narrow["id"], **OTHER_V4)
    port = again.make("ports", network_id=narrow["id"])["id"]
    assert again.call("DELETE", f"ports/{port}").status == 204
    body = {"subnet": {"network_id": narrow["id"], **V4, "cidr": "10.1.0.0/25"}}
    assert again.call("POST", "subnets", body).kind == "BGPVPNOverlappingSubnets"


def test_an_address_answers_for_itself_only(cloud: Cloud, strict: Cloud, admin: User) -> None:
    """Another port of its subnet overlaps with something, since a day when the cloud was not strict."""
    owner = cloud.user(uuid.uuid4().hex)
    one, narrow, wide = make(admin, owner), owner.network(V4), owner.network({**V4, "cidr": "10.1.0.0/16"})
    subnet = wide["subnet_ids"][0]
    first, second = (
        owner.make("ports", network_id=wide["id"], fixed_ips=[{"subnet_id": subnet, "ip_address": address}])["id"]
        for address in ("10.1.0.77", "10.1.9.9")
    )
    for kind, target in (("network", narrow["id"]), ("port", first), ("port", second)):
        bind(owner, one, kind, target)
    again = strict.user(owner.project)

    def move(address: str) -> Answer:
        fixed = [{"subnet_id": subnet, "ip_address": address}]
        return again.call("PUT", f"ports/{second}", {"port": {"fixed_ips": fixed}})

    assert move("10.1.9.10").status == 200
    assert move("10.1.0.78").kind == "BGPVPNOverlappingSubnets"


def test_a_subnet_whose_addresses_neutron_makes_is_made_whole(strict: Cloud, admin: User) -> None:
    owner = strict.user(uuid.uuid4().hex)
    one, taken, late = make(admin, owner), owner.network(V6), owner.network(OTHER_V4)
    bound = bind(owner, one, "network", taken["id"])
    port = owner.make("ports", network_id=late["id"])["id"]
    bind(owner, one, "port", port)
    subnet = owner.make("subnets", network_id=late["id"], **V6)["id"]
    assert subnet in {fixed["subnet_id"] for fixed in owner.get(f"ports/{port}")["fixed_ips"]}
    assert "overlap" in owner.get(bound)["status_reason"], "it is told, at least"


def test_two_associations_that_overlap_at_once(strict: Cloud, admin: User) -> None:
    owner = strict.user(uuid.uuid4().hex)
    with ThreadPoolExecutor(2) as pool:
        for number in range(4):
            one, both = make(admin, owner), overlapping(owner)
            answers = [pool.submit(associate, owner, one, "network", n["id"]) for n in both]
            assert sorted(a.result().status for a in answers) == [201, 409], number
