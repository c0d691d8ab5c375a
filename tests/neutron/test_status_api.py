"""Operational state through the API: what hypervisors report is what a user reads, and nobody reads too much."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from isthmus.model.report import DOWN, AttachmentReport
from isthmus.neutron.state.status import NO_PORT, NOTHING_ASSOCIATED
from tests.eventually import eventually
from tests.neutron.cloud import V4, Cloud, User
from tests.neutron.hypervisors import AGENT, PEER, Hypervisor, Southbound

pytestmark = pytest.mark.neutron

Two = tuple[Hypervisor, Hypervisor]


@pytest.fixture
def southbound(cloud: Cloud) -> Southbound:
    return Southbound(cloud)


@pytest.fixture
def hosts(southbound: Southbound) -> Iterator[Two]:
    one, other = (Hypervisor(southbound, f"host-{uuid.uuid4().hex[:8]}") for _ in range(2))
    made = (one, other)
    for hypervisor in made:
        hypervisor.reports()
    yield made
    for hypervisor in made:
        hypervisor.gone()


@dataclass
class Vpn:
    """A BGPVPN with one network or router in it."""

    admin: User
    owner: User
    bgpvpn: str
    network: dict[str, Any]
    path: str
    attachment: str

    @classmethod
    def of_network(cls, admin: User, owner: User, subnet: dict[str, Any] = V4) -> Vpn:
        bgpvpn = admin.make("bgpvpn/bgpvpns", project_id=owner.project, route_targets=["64512:1"])["id"]
        network = owner.network(subnet)
        made = owner.make(f"bgpvpn/bgpvpns/{bgpvpn}/network_associations", network_id=network["id"])
        path = f"bgpvpn/bgpvpns/{bgpvpn}/network_associations/{made['id']}"
        return cls(admin, owner, bgpvpn, network, path, f"network:{network['id']}")

    def port(self, on: Hypervisor) -> None:
        on.plug(self.admin, self.owner.make("ports", network_id=self.network["id"]))

    def revision(self, cloud: Cloud) -> int:
        """Of all the rows that a node reads of it."""
        return cloud.northbound.intent(self.attachment.partition(":")[2]).revision

    def active(self, cloud: Cloud) -> AttachmentReport:
        """What a hypervisor reports that has it all."""
        return AttachmentReport(self.attachment, self.revision(cloud), "ACTIVE", 1)

    def stands(self, status: str, reason: str) -> None:
        """Association and BGPVPN, read by the owner, from every process."""

        def right() -> None:
            for path in (self.path, f"bgpvpn/bgpvpns/{self.bgpvpn}"):
                shown = self.owner.get(path)
                assert (shown["status"], shown["status_reason"]) == (status, reason), path

        for _ in range(6):
            eventually(right)


@pytest.fixture
def vpn(admin: User, owner: User) -> Vpn:
    return Vpn.of_network(admin, owner)


def test_from_nothing_to_active(cloud: Cloud, vpn: Vpn, hosts: Two) -> None:
    one, other = hosts
    vpn.stands("DOWN", NO_PORT)
    vpn.port(one)
    vpn.stands("BUILD", "1 of 1 hypervisor: it has not reported yet")
    one.reports(vpn.active(cloud))
    vpn.stands("ACTIVE", "")
    vpn.port(other)
    vpn.stands("BUILD", "1 of 2 hypervisors: it has not reported yet")
    other.reports(vpn.active(cloud))
    vpn.stands("ACTIVE", "")


def test_a_change_is_build_until_it_is_applied(cloud: Cloud, admin: User, vpn: Vpn, hosts: Two) -> None:
    one, _ = hosts
    vpn.port(one)
    one.reports(vpn.active(cloud))
    vpn.stands("ACTIVE", "")
    before = vpn.revision(cloud)
    admin.put(f"bgpvpn/bgpvpns/{vpn.bgpvpn}", {"bgpvpn": {"route_targets": ["64512:2"]}})
    assert vpn.revision(cloud) > before
    vpn.stands("BUILD", "1 of 1 hypervisor: it has not applied the last change yet")
    one.reports(vpn.active(cloud))
    vpn.stands("ACTIVE", "")


def test_trouble_is_told_without_names(cloud: Cloud, admin: User, vpn: Vpn, hosts: Two) -> None:
    one, other = hosts
    for host in hosts:
        vpn.port(host)
        host.reports(vpn.active(cloud))
    lost = replace(AGENT, peers=(replace(PEER, state=DOWN, reason="the hold timer ran out"),))
    other.reports(vpn.active(cloud), agent=lost)
    vpn.stands("DEGRADED", "1 of 2 hypervisors: it has no BGP session")
    one.reports(vpn.active(cloud), agent=lost)
    vpn.stands("ERROR", "2 of 2 hypervisors: it has no BGP session")
    words = f"it has no BGP session ({PEER.address}: the hold timer ran out)"
    for path in (vpn.path, f"bgpvpn/bgpvpns/{vpn.bgpvpn}"):
        assert admin.get(path)["status_details"] == [
            {"host": host, "state": "wrong", "reason": words} for host in sorted((one.name, other.name))
        ]
        assert "status_details" not in vpn.owner.get(path)


def test_nobody_but_an_administrator_reads_details(admin: User, vpn: Vpn) -> None:
    assert admin.get(vpn.path, fields="status_details") == {"status_details": []}
    for path in (vpn.path, f"bgpvpn/bgpvpns/{vpn.bgpvpn}", f"bgpvpn/bgpvpn_associations/{vpn.path.split('/')[-1]}"):
        assert "status_details" in admin.get(path)
        assert "status_details" not in vpn.owner.get(path)
    for collection in ("bgpvpn/bgpvpns", vpn.path.rsplit("/", 1)[0], "bgpvpn/bgpvpn_associations"):
        found = vpn.owner.get(collection)
        assert found and all("status" in line and "status_details" not in line for line in found), collection


def test_an_exception_of_one_bgpvpn_is_told_there(cloud: Cloud, vpn: Vpn, hosts: Two) -> None:
    one, _ = hosts
    vpn.port(one)
    one.reports(replace(vpn.active(cloud), bgpvpns={vpn.bgpvpn: "1 address is not announced: it clashes"}))
    vpn.stands("ERROR", "1 of 1 hypervisor: 1 address is not announced: it clashes")
    one.reports(replace(vpn.active(cloud), bgpvpns={"another": "1 address is not announced: it clashes"}))
    vpn.stands("ACTIVE", "")


def test_a_chassis_without_agent_and_one_that_went(cloud: Cloud, southbound: Southbound, vpn: Vpn, hosts: Two) -> None:
    one, _ = hosts
    vpn.port(one)
    one.reports(vpn.active(cloud))
    bare = Hypervisor(southbound, f"bare-{uuid.uuid4().hex[:8]}")
    try:
        vpn.port(bare)
        vpn.stands("DEGRADED", "1 of 2 hypervisors: no Isthmus agent runs there")
        one.gone()  # and its port is not up any more
        vpn.stands("ERROR", "1 of 1 hypervisor: no Isthmus agent runs there")
    finally:
        bare.gone()


def test_what_is_left_out_is_told(cloud: Cloud, admin: User, owner: User, hosts: Two) -> None:
    one, _ = hosts
    vpn = Vpn.of_network(admin, owner)
    subnet = {"ip_version": 4, "cidr": "10.7.0.0/24", "gateway_ip": None}
    owner.make("subnets", network_id=vpn.network["id"], **subnet)
    vpn.port(one)
    one.reports(vpn.active(cloud))
    vpn.stands("DEGRADED", "10.7.0.0/24: the subnet has no gateway_ip")
    without = Vpn.of_network(admin, owner, subnet)
    without.stands("DOWN", "10.7.0.0/24: the subnet has no gateway_ip; the network has no subnet that could be served")


def test_what_nothing_forwards_is_down_and_says_so(admin: User, owner: User) -> None:
    l2 = admin.make("bgpvpn/bgpvpns", project_id=owner.project, type="l2")["id"]
    assert owner.get(f"bgpvpn/bgpvpns/{l2}")["status_reason"] == NOTHING_ASSOCIATED
    network = owner.network(V4)
    made = owner.make(f"bgpvpn/bgpvpns/{l2}/network_associations", network_id=network["id"])
    assert made["status"] == "DOWN" and "l2" in made["status_reason"], made
    assert owner.get(f"bgpvpn/bgpvpns/{l2}")["status"] == "DOWN"
    l3 = admin.make("bgpvpn/bgpvpns", project_id=owner.project, route_distinguishers=["64512:7"])["id"]
    port = owner.make("ports", network_id=network["id"])
    made = owner.make(f"bgpvpn/bgpvpns/{l3}/port_associations", port_id=port["id"])
    assert made["status"] == "DOWN" and "port association" in made["status_reason"], made


def test_static_routes_that_should_be_announced_are_told(admin: User, owner: User) -> None:
    network, router = owner.network(V4), owner.make("routers", name="r")["id"]
    assert owner.plug(router, network["subnet_ids"][0]).status == 200
    path = f"bgpvpn/bgpvpns/{admin.make('bgpvpn/bgpvpns', project_id=owner.project)['id']}/router_associations"
    one = f"{path}/{owner.make(path, router_id=router)['id']}"
    assert owner.get(one)["status_reason"] == NO_PORT
    routes = [{"destination": "10.99.0.0/16", "nexthop": "10.1.0.50"}]
    owner.put(f"routers/{router}", {"router": {"routes": routes}})
    kept = "advertise_extra_routes is kept, but nothing forwards accordingly yet"
    assert owner.get(one)["status_reason"] == f"{NO_PORT}; {kept}"
    assert [a["status_reason"] for a in owner.get(path)] == [f"{NO_PORT}; {kept}"]
    owner.put(one, {"router_association": {"advertise_extra_routes": False}})
    assert owner.get(one)["status_reason"] == NO_PORT


def test_a_guest_reads_how_its_own_associations_stand(cloud: Cloud, admin: User, owner: User) -> None:
    theirs = Vpn.of_network(admin, owner, {"ip_version": 4, "cidr": "10.7.0.0/24", "gateway_ip": None})
    guest = cloud.user(uuid.uuid4().hex)
    shared = {"object_type": "bgpvpn", "object_id": theirs.bgpvpn, "action": "access_as_shared"}
    answer = admin.call("POST", "rbac-policies", {"rbac_policy": shared | {"target_tenant": guest.project}})
    assert answer.status == 201, answer.message
    path = f"bgpvpn/bgpvpns/{theirs.bgpvpn}"
    assert guest.get(path)["status_reason"] == NOTHING_ASSOCIATED
    guest.make(f"{path}/network_associations", network_id=guest.network(V4 | {"cidr": "10.8.0.0/24"})["id"])
    assert guest.get(path)["status_reason"] == NO_PORT
    assert "10.7.0.0/24" in owner.get(path)["status_reason"]


def test_a_router_stands_by_its_networks(cloud: Cloud, admin: User, owner: User, hosts: Two) -> None:
    one, _ = hosts
    bgpvpn = admin.make("bgpvpn/bgpvpns", project_id=owner.project, route_targets=["64512:1"])["id"]
    router = owner.make("routers", name="r")["id"]
    made = owner.make(f"bgpvpn/bgpvpns/{bgpvpn}/router_associations", router_id=router)
    assert (made["status"], made["status_reason"]) == ("DOWN", "the router has no interface on any network")
    network = owner.network(V4)
    assert owner.plug(router, network["subnet_ids"][0]).status == 200
    path = f"bgpvpn/bgpvpns/{bgpvpn}/router_associations/{made['id']}"
    vpn = Vpn(admin, owner, bgpvpn, network, path, f"router:{router}")
    vpn.stands("DOWN", NO_PORT)
    vpn.port(one)
    one.reports(vpn.active(cloud))
    vpn.stands("ACTIVE", "")


def test_a_change_that_was_not_settled_is_build(cloud: Cloud, vpn: Vpn, hosts: Two) -> None:
    """As a process leaves it that dies between its commit and the write."""
    one, _ = hosts
    vpn.port(one)
    one.reports(vpn.active(cloud))
    vpn.stands("ACTIVE", "")
    cloud.sql("UPDATE isthmus_bgpvpn_targets SET value = '64512:77' WHERE bgpvpn_id = %s", vpn.bgpvpn)
    vpn.stands("BUILD", "the last change is not in OVN yet")


def test_lists_are_filtered_by_status(cloud: Cloud, admin: User, owner: User, hosts: Two) -> None:
    vpns = {vpn.bgpvpn: vpn for vpn in (Vpn.of_network(admin, owner) for _ in range(4))}
    ids = sorted(vpns)
    up = [ids[0], ids[3]]
    for vpn in (vpns[i] for i in up):
        vpn.port(hosts[0])
    hosts[0].reports(*(vpns[i].active(cloud) for i in up))
    for i in up:
        vpns[i].stands("ACTIVE", "")

    def found(collection: str, key: str = "id", **query: Any) -> list[str]:
        return [one[key] for one in owner.get(f"bgpvpn/{collection}", **query)]

    assert found("bgpvpns", status="ACTIVE") == up
    assert found("bgpvpns", status="DOWN") == ids[1:3]
    assert found("bgpvpns", status=["ACTIVE", "DOWN"], id=ids[2:]) == ids[2:]
    assert found("bgpvpns", status="nonsense") == []
    assert owner.get("bgpvpn/bgpvpns", status="ACTIVE", fields="id") == [{"id": i} for i in up]
    assert found("bgpvpns", status="ACTIVE", limit=1) == up[:1]
    assert found("bgpvpns", status="ACTIVE", limit=1, marker=up[0]) == up[1:]
    assert found("bgpvpns", status="ACTIVE", limit=1, marker=up[1], page_reverse=True) == up[:1]
    assert found("bgpvpns", status="DOWN", limit=1, marker=up[1], page_reverse=True) == ids[2:3]
    assert sorted(found("bgpvpn_associations", "bgpvpn_id", status="ACTIVE")) == up
    for i in ids:
        members = f"bgpvpns/{i}/network_associations"
        assert len(found(members, status="ACTIVE")) == (i in up)
        assert len(found(members, status="DOWN")) == (i not in up)


def test_status_is_read_only_and_no_sort_key(vpn: Vpn) -> None:
    path = f"bgpvpn/bgpvpns/{vpn.bgpvpn}"
    assert vpn.admin.call("PUT", path, {"bgpvpn": {"status": "ACTIVE"}}).status == 400
    assert vpn.admin.call("GET", "bgpvpn/bgpvpns", sort_key="status").status == 400
    assert vpn.owner.get(path, fields="name") == {"name": ""}
    assert set(vpn.owner.get(path, fields="status")) == {"status"}
    extensions = {e["alias"] for e in vpn.owner.get("extensions")}
    assert "bgpvpn-status" in extensions
