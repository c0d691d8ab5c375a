"""What is not served says so: ports that OVN answers for elsewhere, routers that are none of OVN's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from isthmus.model.reason import NotAnnounced
from isthmus.neutron.attachments.desired import Unserved
from isthmus.neutron.ovn.reconciler import Reconciler
from isthmus.neutron.state.left_out import BALANCED
from tests.neutron.cloud import V4, Cloud, User
from tests.neutron.hypervisors import Hypervisor, Southbound
from tests.neutron.test_status_api import Vpn

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"


@pytest.fixture
def vpn(cloud: Cloud, admin: User, owner: User) -> Iterator[Vpn]:
    """All is well with the machine that it has."""
    host, made = Hypervisor(Southbound(cloud), f"host-{uuid.uuid4().hex[:8]}"), Vpn.of_network(admin, owner)
    made.port(host)
    host.reports(made.active(cloud))
    made.stands("ACTIVE", "")
    yield made
    host.gone()


def test_addresses_of_ovns_load_balancers_are_named(vpn: Vpn) -> None:
    """Octavia's OVN provider makes such a port, and nothing ever binds it."""
    made = [
        vpn.owner.make("ports", network_id=vpn.network["id"], name=f"ovn-lb-vip-{uuid.uuid4()}")["fixed_ips"][0]
        for _ in range(4)
    ]
    named = sorted(ip["ip_address"] for ip in made)[:3]
    vpn.stands("ACTIVE", f"not announced: {', '.join(named)} and 1 more: {BALANCED}")


def test_what_a_gateway_chassis_serves_is_named(cloud: Cloud, admin: User, vpn: Vpn) -> None:
    port = admin.make("ports", network_id=vpn.network["id"], **{"binding:vnic_type": "direct"})
    address = port["fixed_ips"][0]["ip_address"]
    vpn.stands("ACTIVE", f"not announced: {address}: {NotAnnounced.EXTERNAL.value}")
    switched = admin.make("ports", network_id=vpn.network["id"], **{"binding:vnic_type": "direct"})["id"]
    profile = '{"capabilities": ["switchdev"]}'  # Nova's to write, by its own role
    cloud.sql("UPDATE ml2_port_bindings SET profile = %s WHERE port_id = %s", profile, switched)
    vpn.stands("ACTIVE", f"not announced: {address}: {NotAnnounced.EXTERNAL.value}")


@pytest.fixture
def flavour(cloud: Cloud) -> Iterator[str]:
    """For another driver than OVN's; who sets one up is asked elsewhere."""
    made = str(uuid.uuid4())
    cloud.sql("INSERT INTO flavors (id, name, enabled, service_type) VALUES (%s, 'f', 1, 'L3_ROUTER_NAT')", made)
    yield made
    cloud.sql("UPDATE routers SET flavor_id = NULL WHERE flavor_id = %s", made)
    cloud.sql("DELETE FROM flavors WHERE id = %s", made)


def test_a_router_of_a_flavour_is_refused_and_so_is_a_network_behind_it(
    cloud: Cloud, admin: User, owner: User, flavour: str
) -> None:
    vpn = f"{BGPVPNS}/{admin.make(BGPVPNS, project_id=owner.project)['id']}"
    router, network = owner.make("routers", name="r")["id"], owner.network(V4)
    assert owner.plug(router, network["subnet_ids"][0]).status == 200
    cloud.sql("UPDATE routers SET flavor_id = %s WHERE id = %s", flavour, router)
    for kind, target in (("router", router), ("network", network["id"])):
        body = {f"{kind}_association": {f"{kind}_id": target}}
        answer = owner.call("POST", f"{vpn}/{kind}_associations", body)
        assert (answer.status, answer.kind) == (400, "BGPVPNRouterNotSupported"), answer
        assert router in answer.message and Unserved.FLAVOUR.value in answer.message


def test_one_that_was_associated_before_has_its_reason_and_no_line_at_every_pass(
    cloud: Cloud, admin: User, owner: User, flavour: str, reconciler: Reconciler, caplog: pytest.LogCaptureFixture
) -> None:
    vpn = f"{BGPVPNS}/{admin.make(BGPVPNS, project_id=owner.project)['id']}"
    router, network = owner.make("routers", name="r")["id"], owner.network(V4)
    assert owner.plug(router, network["subnet_ids"][0]).status == 200
    made = owner.make(f"{vpn}/router_associations", router_id=router)["id"]
    cloud.sql("UPDATE routers SET flavor_id = %s WHERE id = %s", flavour, router)
    cloud.northbound.run("lr-del", f"neutron-{router}")  # there never was one
    one = f"{vpn}/router_associations/{made}"
    reconciler.full_pass()
    caplog.clear()
    for _ in range(3):
        reconciler.full_pass()
    assert router not in caplog.text
    for shown in (owner.get(one), owner.get(vpn), *owner.get(BGPVPNS, id=vpn.rsplit("/", 1)[1])):
        assert (shown["status"], shown["status_reason"]) == ("DOWN", Unserved.FLAVOUR.value)
    admin.delete(vpn)
