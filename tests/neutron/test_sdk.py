"""The stock openstacksdk, by name and by id."""

from __future__ import annotations

import pytest
from keystoneauth1 import noauth, session
from openstack import connection

from tests.neutron.cloud import V4, Cloud, User

pytestmark = pytest.mark.neutron


@pytest.fixture
def sdk(cloud: Cloud) -> connection.Connection:
    auth = noauth.NoAuth(endpoint=cloud.endpoint)
    headers = cloud.admin.headers
    made = session.Session(auth=auth, additional_headers=headers)
    return connection.Connection(session=made)


def test_a_bgpvpns_life_by_sdk(sdk: connection.Connection, owner: User) -> None:
    network = sdk.network
    made = network.create_bgpvpn(
        name="sdk", project_id=owner.project, route_targets=["64512:1"], import_targets=["64512:2"], vni=4800
    )
    assert network.find_bgpvpn("sdk", ignore_missing=False).id == made.id
    assert network.find_bgpvpn(made.id, ignore_missing=False).vni == 4800
    assert [b.id for b in network.bgpvpns(name="sdk", project_id=owner.project)] == [made.id]
    assert [b.id for b in network.bgpvpns(vni=4800)] == [made.id]
    changed = network.update_bgpvpn(made, route_targets=["64512:3"])
    assert changed.route_targets == ["64512:3"]
    tenant_network, router = owner.network(V4), owner.make("routers", name="r")
    by_network = network.create_bgpvpn_network_association(
        made, network_id=tenant_network["id"], project_id=owner.project
    )
    by_router = network.create_bgpvpn_router_association(made, router_id=router["id"], project_id=owner.project)
    assert [a.network_id for a in network.bgpvpn_network_associations(made)] == [tenant_network["id"]]
    assert [a.router_id for a in network.bgpvpn_router_associations(made)] == [router["id"]]
    assert [b.id for b in network.bgpvpns(networks=tenant_network["id"])] == [made.id]
    assert network.get_bgpvpn_network_association(made, by_network).network_id == tenant_network["id"]
    network.delete_bgpvpn_network_association(made, by_network)
    network.delete_bgpvpn_router_association(made, by_router)
    network.delete_bgpvpn(made)
    assert network.find_bgpvpn("sdk") is None
