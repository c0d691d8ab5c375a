"""The three kinds of association: made, changed in place or replaced, found again and taken away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.heat.orchestra import Orchestra, Stacks, get, template
from tests.neutron.cloud import V4, User

pytestmark = [pytest.mark.neutron, pytest.mark.long]

NET, ROUTER, PORT = "BGPVPN-NET-ASSOCIATION", "BGPVPN-ROUTER-ASSOCIATION", "BGPVPN-PORT-ASSOCIATION"


def bgpvpn(user: User, name: str = "red") -> str:
    return str(user.make("bgpvpn/bgpvpns", name=name)["id"])


def below(user: User, bgpvpn_id: str, kind: str) -> list[dict[str, Any]]:
    found = user.get(f"bgpvpn/bgpvpns/{bgpvpn_id}/{kind}_associations")
    return [dict(association) for association in found]


def test_everything_of_one_stack_hangs_together(admin: User, stacks: Stacks) -> None:
    whole = template(
        vpn=("BGPVPN", {"route_targets": ["64512:1"]}),
        near=("Net", {}),
        far=("Net", {}),
        near_subnet=("Subnet", {"network": get("near"), "cidr": "10.1.0.0/24"}),
        far_subnet=("Subnet", {"network": get("far"), "cidr": "10.2.0.0/24"}),
        router=("Router", {}),
        interface=("RouterInterface", {"router": get("router"), "subnet": get("near_subnet")}),
        port=("Port", {"network": get("far"), "fixed_ips": [{"subnet": get("far_subnet")}]}),
        by_router=(ROUTER, {"bgpvpn_id": get("vpn"), "router_id": get("router")}),
        by_network=(NET, {"bgpvpn_id": get("vpn"), "network_id": get("far")}),
        by_port=(PORT, {"bgpvpn_id": get("vpn"), "port_id": get("port")}),
    )
    path = stacks.create(whole)
    ids = {name: stacks.resource(path, name)["physical_resource_id"] for name in whole["resources"]}
    vpn = admin.get(f"bgpvpn/bgpvpns/{ids['vpn']}")
    assert (vpn["networks"], vpn["routers"], vpn["ports"]) == ([ids["far"]], [ids["router"]], [ids["port"]])
    shown = stacks.outputs(path)
    assert shown["by_network"] == below(admin, ids["vpn"], "network")[0]
    assert shown["by_router"] == below(admin, ids["vpn"], "router")[0]
    assert shown["by_port"] == below(admin, ids["vpn"], "port")[0]
    assert shown["by_router"]["id"] == ids["by_router"]
    stacks.delete(path)
    assert admin.get("bgpvpn/bgpvpns", project_id=admin.project) == []
    assert admin.get("routers", project_id=admin.project) == []


def test_names_do_as_well_as_ids(admin: User, stacks: Stacks) -> None:
    red, network = bgpvpn(admin, f"red-{admin.project}"), admin.network()
    admin.put(f"networks/{network['id']}", {"network": {"name": f"n-{admin.project}"}})
    path = stacks.create(template(a=(NET, {"bgpvpn_id": f"red-{admin.project}", "network_id": f"n-{admin.project}"})))
    assert [a["network_id"] for a in below(admin, red, "network")] == [network["id"]]
    # Between create and delete the name comes to mean another one.
    admin.put(f"bgpvpn/bgpvpns/{red}", {"bgpvpn": {"name": "was-red"}})
    bgpvpn(admin, f"red-{admin.project}")
    assert stacks.outputs(path)["a"]["network_id"] == network["id"]
    stacks.delete(path)
    assert below(admin, red, "network") == []


def test_another_network_or_bgpvpn_makes_another_association(admin: User, stacks: Stacks) -> None:
    red, blue, n, m = bgpvpn(admin), bgpvpn(admin, "blue"), admin.network()["id"], admin.network()["id"]
    path = stacks.create(template(a=(NET, {"bgpvpn_id": red, "network_id": n})))
    stacks.update(path, template(a=(NET, {"bgpvpn_id": red, "network_id": m})))
    assert [a["network_id"] for a in below(admin, red, "network")] == [m]
    stacks.update(path, template(a=(NET, {"bgpvpn_id": blue, "network_id": m})))
    assert (below(admin, red, "network"), len(below(admin, blue, "network"))) == ([], 1)


def test_a_network_associations_description_changes_in_place(admin: User, stacks: Stacks) -> None:
    common = {"bgpvpn_id": bgpvpn(admin), "network_id": admin.network()["id"]}
    path = stacks.create(template(a=(NET, common | {"description": "one"})))
    [before] = below(admin, common["bgpvpn_id"], "network")
    assert before["description"] == "one"
    stacks.update(path, template(a=(NET, common)))
    [after] = below(admin, common["bgpvpn_id"], "network")
    assert (after["id"], after["description"]) == (before["id"], "")


def test_a_routers_extra_routes_are_said_both_ways_and_changed_in_place(admin: User, stacks: Stacks) -> None:
    common = {"bgpvpn_id": bgpvpn(admin), "router_id": admin.make("routers", name="r")["id"]}
    path = stacks.create(template(a=(ROUTER, common | {"advertise_extra_routes": False})))
    [first] = below(admin, common["bgpvpn_id"], "router")
    assert first["advertise_extra_routes"] is False
    stacks.update(path, template(a=(ROUTER, common)))
    [second] = below(admin, common["bgpvpn_id"], "router")
    assert second["id"] == first["id"]
    assert second["advertise_extra_routes"] is True, "not said means true, as in the API"


def test_a_ports_routes_change_in_place(admin: User, stacks: Stacks) -> None:
    red, blue = bgpvpn(admin), bgpvpn(admin, f"blue-{admin.project}")
    port = admin.make("ports", network_id=admin.network(V4)["id"])["id"]
    common = {"bgpvpn_id": red, "port_id": port}
    prefix = {"type": "prefix", "prefix": "192.0.2.0/24", "local_pref": 42}
    leak = {"type": "bgpvpn", "bgpvpn_id": f"blue-{admin.project}"}
    path = stacks.create(template(a=(PORT, common | {"advertise_fixed_ips": False, "routes": [prefix, leak]})))
    [first] = below(admin, red, "port")
    assert first["advertise_fixed_ips"] is False
    assert [_said(route) for route in first["routes"]] == [prefix, {"type": "bgpvpn", "bgpvpn_id": blue}]
    other = {"type": "prefix", "prefix": "2001:db8::/64"}
    stacks.update(path, template(a=(PORT, common | {"advertise_fixed_ips": False, "routes": [other]})))
    [second] = below(admin, red, "port")
    assert (second["id"], second["advertise_fixed_ips"]) == (first["id"], False)
    assert [_said(route) for route in second["routes"]] == [other]
    stacks.update(path, template(a=(PORT, common)))
    [third] = below(admin, red, "port")
    assert (third["id"], third["advertise_fixed_ips"], third["routes"]) == (first["id"], True, [])


def test_what_somebody_changed_by_hand_is_put_back_when_asked_to(admin: User, stacks: Stacks) -> None:
    red, port = bgpvpn(admin), admin.make("ports", network_id=admin.network(V4)["id"])["id"]
    prefix = {"type": "prefix", "prefix": "192.0.2.0/24"}
    said = template(a=(PORT, {"bgpvpn_id": red, "port_id": port, "routes": [prefix]}))
    path = stacks.create(said)
    [made] = below(admin, red, "port")
    one = f"bgpvpn/bgpvpns/{red}/port_associations"
    admin.put(f"{one}/{made['id']}", {"port_association": {"routes": [], "advertise_fixed_ips": False}})
    stacks.update(path, said, converge=True)
    [after] = below(admin, red, "port")
    assert (after["id"], after["advertise_fixed_ips"]) == (made["id"], True)
    assert [_said(route) for route in after["routes"]] == [prefix]
    admin.delete(f"{one}/{made['id']}")
    stacks.update(path, said, converge=True)
    assert [a["port_id"] for a in below(admin, red, "port")] == [port]


def _said(route: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in route.items() if value is not None}


def test_a_member_associates_what_is_theirs(cloud: Orchestra, admin: User, owner: User) -> None:
    theirs = admin.make("bgpvpn/bgpvpns", name="theirs", project_id=owner.project)["id"]
    path = cloud.stacks(owner).create(template(n=("Net", {}), a=(NET, {"bgpvpn_id": theirs, "network_id": get("n")})))
    assert len(below(owner, theirs, "network")) == 1
    cloud.stacks(owner).delete(path)
    assert owner.get(f"bgpvpn/bgpvpns/{theirs}")["networks"] == []


def test_an_administrator_associates_for_another_project(stacks: Stacks, owner: User) -> None:
    network = owner.network()["id"]
    vpn = ("BGPVPN", {"tenant_id": owner.project})
    common = {"bgpvpn_id": get("vpn"), "network_id": network}
    stacks.create(template(vpn=vpn, a=(NET, common | {"tenant_id": owner.project})))
    [theirs] = owner.get("bgpvpn/bgpvpns")
    assert theirs["networks"] == [network]


def test_deleting_what_is_gone_already_succeeds(admin: User, stacks: Stacks) -> None:
    red, n, m = bgpvpn(admin), admin.network()["id"], admin.network()["id"]
    common = {"bgpvpn_id": red}
    path = stacks.create(template(a=(NET, common | {"network_id": n}), b=(NET, common | {"network_id": m})))
    admin.delete(f"networks/{n}")
    stacks.delete(path)
    assert below(admin, red, "network") == []
    path = stacks.create(template(b=(NET, common | {"network_id": m})))
    admin.delete(f"bgpvpn/bgpvpns/{red}")
    stacks.delete(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bgpvpn_id": "no such bgpvpn"}, "no such bgpvpn"),
        ({"port_id": "no such port"}, "no such port"),
        ({"routes": [{"type": "prefix", "prefix": "192.0.2.0/33"}]}, "192.0.2.0/33"),
        ({"routes": [{"type": "other", "prefix": "192.0.2.0/24"}]}, '"other" is not an allowed value'),
        ({"routes": [{"prefix": "192.0.2.0/24"}]}, "Property type not assigned"),
        ({"routes": [{"type": "bgpvpn", "bgpvpn_id": "no such source"}]}, "no such source"),
        ({"routes": [{"type": "prefix", "prefix": "192.0.2.0/24", "local_pref": 2**32}]}, "out of range"),
    ],
    ids=["bgpvpn", "port", "mask", "type", "no type", "source", "local_pref"],
)
def test_a_wrong_property_is_refused_before_anything_is_made(
    admin: User, stacks: Stacks, change: dict[str, Any], sentence: str
) -> None:
    red, port = bgpvpn(admin), admin.make("ports", network_id=admin.network(V4)["id"])["id"]
    answer = stacks.ask(template(a=(PORT, {"bgpvpn_id": red, "port_id": port} | change)))
    assert answer.status == 400
    assert sentence in answer.message
    assert below(admin, red, "port") == []


def test_a_conflict_is_said_in_the_apis_words(admin: User, stacks: Stacks) -> None:
    red, network, router = bgpvpn(admin), admin.network(V4), admin.make("routers", name="r")["id"]
    admin.plug(router, network["subnet_ids"][0])
    admin.make(f"bgpvpn/bgpvpns/{red}/router_associations", router_id=router)
    both = template(a=(NET, {"bgpvpn_id": red, "network_id": network["id"]}))
    path = stacks.create(both, expect="CREATE_FAILED")
    assert router in stacks.resource(path, "a")["resource_status_reason"]


def test_a_stack_of_the_former_plugin_is_found_by_its_template(cloud: Orchestra, admin: User, stacks: Stacks) -> None:
    """networking-bgpvpn's plugin keeps nothing with the stack but the association's id."""
    red = bgpvpn(admin)
    common = {"bgpvpn_id": red, "router_id": admin.make("routers", name="r")["id"]}
    path = stacks.create(template(a=(ROUTER, common)))
    cloud.sql("DELETE FROM resource_data", database="heat")
    stacks.update(path, template(a=(ROUTER, common | {"advertise_extra_routes": False})))
    assert [a["advertise_extra_routes"] for a in below(admin, red, "router")] == [False]
    stacks.delete(path)
    assert below(admin, red, "router") == []
