"""The BGPVPN API over HTTP, as its clients use it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.neutron.cloud import V4, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"


def make(admin: User, owner: User, **attributes: Any) -> dict[str, Any]:
    return admin.make(BGPVPNS, project_id=owner.project, **attributes)


def names(found: list[dict[str, Any]]) -> list[str]:
    return [f["name"] for f in found]


def test_the_extensions_are_advertised(owner: User) -> None:
    aliases = {e["alias"] for e in owner.get("extensions")}
    ours = {"associations", "status", "fallback", "families"}
    assert {"bgpvpn", "bgpvpn-vni", "bgpvpn-routes-control"} | {f"bgpvpn-{one}" for one in ours} <= aliases


def test_create_show_list_update_delete(admin: User, owner: User) -> None:
    given = {
        "name": "blue",
        "type": "l3",
        "route_targets": ["64512:1", "4294967295:65535"],
        "import_targets": ["10.0.0.1:7"],
        "export_targets": ["65535:4294967295"],
        "route_distinguishers": ["64512:9"],
        "vni": 4711,
    }
    made = make(admin, owner, **given)
    assert {key: made[key] for key in given} == given
    assert (made["networks"], made["routers"], made["project_id"]) == ([], [], owner.project)
    one = f"{BGPVPNS}/{made['id']}"
    assert admin.get(one) == made
    assert admin.get(BGPVPNS, id=made["id"]) == [made]
    changed = admin.put(one, {"bgpvpn": {"name": "red", "import_targets": [], "export_targets": ["1:1", "0:0"]}})
    assert changed["bgpvpn"] == admin.get(one)
    for key, value in {"name": "red", "import_targets": [], "export_targets": ["1:1", "0:0"], "vni": 4711}.items():
        assert changed["bgpvpn"][key] == value
    assert changed["bgpvpn"]["route_targets"] == given["route_targets"], "what a PUT does not name stays"
    assert changed["bgpvpn"]["revision_number"] > made["revision_number"]
    admin.delete(one)
    assert admin.call("GET", one).status == 404


def test_a_change_of_targets_alone_raises_the_revision(admin: User, owner: User) -> None:
    made = make(admin, owner)
    changed = admin.put(f"{BGPVPNS}/{made['id']}", {"bgpvpn": {"route_targets": ["1:1"]}})["bgpvpn"]
    assert changed["revision_number"] > made["revision_number"]


def test_a_bare_value_is_a_list_and_null_an_empty_one(admin: User, owner: User) -> None:
    made = make(admin, owner, route_targets="64512:1", import_targets=None, export_targets={})
    assert made["route_targets"] == ["64512:1"]
    assert (made["import_targets"], made["export_targets"], made["route_distinguishers"]) == ([], [], [])


def test_what_the_owner_sees_and_does(cloud: Cloud, admin: User, owner: User) -> None:
    made = make(admin, owner, name="mine", route_targets=["1:1"], vni=4712)
    one = f"{BGPVPNS}/{made['id']}"
    seen = owner.get(one)
    assert seen["name"] == "mine"
    hidden = {"route_targets", "import_targets", "export_targets", "route_distinguishers", "vni", "project_id"}
    assert not hidden & set(seen)
    assert owner.get(BGPVPNS) == [seen]
    assert owner.put(one, {"bgpvpn": {"name": "renamed"}})["bgpvpn"]["name"] == "renamed"
    for attribute in ("route_targets", "import_targets", "export_targets", "route_distinguishers"):
        assert owner.call("PUT", one, {"bgpvpn": {attribute: ["2:2"]}}).status == 403
    assert owner.call("POST", BGPVPNS, {"bgpvpn": {}}).status == 403
    assert owner.call("DELETE", one).status == 403
    assert admin.get(one)["route_targets"] == ["1:1"]
    reader = cloud.user(owner.project, "reader")
    assert reader.get(one)["name"] == "renamed"
    assert reader.call("PUT", one, {"bgpvpn": {"name": "no"}}).status == 403


def test_the_owner_cannot_guess_what_is_hidden_by_filter_or_order(admin: User, owner: User) -> None:
    make(admin, owner, vni=4713, route_targets=["1:1"])
    for query in ({"vni": "4713"}, {"route_targets": "1:1"}, {"sort_key": "vni", "sort_dir": "asc"}):
        assert owner.call("GET", BGPVPNS, **query).status == 403


def test_a_stranger_sees_nothing(cloud: Cloud, admin: User, owner: User) -> None:
    made = make(admin, owner)
    network = owner.network(V4)
    one = f"{BGPVPNS}/{made['id']}"
    bound = owner.make(f"{one}/network_associations", network_id=network["id"])
    stranger = cloud.user(uuid.uuid4().hex)
    assert stranger.get(BGPVPNS) == []
    assert stranger.get(f"{one}/network_associations") == []
    for path in (one, f"{one}/network_associations/{bound['id']}"):
        assert stranger.call("GET", path).status == 404
        assert stranger.call("DELETE", path).status == 404
    assert stranger.call("PUT", one, {"bgpvpn": {"name": "x"}}).status == 404
    own = stranger.network(V4)
    answer = stranger.call("POST", f"{one}/network_associations", {"network_association": {"network_id": own["id"]}})
    assert (answer.status, answer.kind) == (404, "BGPVPNNotFound")


def test_filters(admin: User, owner: User) -> None:
    network, router = owner.network(V4), owner.make("routers", name="r")
    blue = make(admin, owner, name="blue", route_targets=["1:1", "1:2"], vni=4714)
    red = make(admin, owner, name="red", type="l2", import_targets=["1:1"])
    owner.make(f"{BGPVPNS}/{red['id']}/network_associations", network_id=network["id"])
    owner.make(f"{BGPVPNS}/{blue['id']}/router_associations", router_id=router["id"])
    for query, expected in [
        ({"name": "blue"}, ["blue"]),
        ({"name": ["blue", "red"]}, ["blue", "red"]),
        ({"name": "none"}, []),
        ({"id": red["id"]}, ["red"]),
        ({"type": "l2"}, ["red"]),
        ({"vni": "4714"}, ["blue"]),
        ({"route_targets": "1:2"}, ["blue"]),
        ({"route_targets": "1:3"}, []),
        ({"import_targets": "1:1"}, ["red"]),
        ({"networks": network["id"]}, ["red"]),
        ({"routers": router["id"]}, ["blue"]),
        ({"routers": network["id"]}, []),
        ({"name": "blue", "type": "l2"}, []),
    ]:
        found = admin.get(BGPVPNS, project_id=owner.project, sort_key="name", sort_dir="asc", **query)
        assert names(found) == expected, query
    assert len(admin.get(BGPVPNS, tenant_id=owner.project)) == 2
    assert admin.call("GET", BGPVPNS, nonsense="x").status == 400


def test_order_pages_and_fields(admin: User, owner: User) -> None:
    for number, name in enumerate("cabde"):
        make(admin, owner, name=name, vni=4720 + number if name in "bd" else None)
    mine = {"project_id": owner.project}
    assert names(admin.get(BGPVPNS, sort_key="name", sort_dir="desc", **mine)) == list("edcba")
    by_vni = names(admin.get(BGPVPNS, sort_key=["vni", "name"], sort_dir=["asc", "asc"], **mine))
    assert by_vni == list("acebd")
    for order, expected in [("name", "abcde"), ("vni", None)]:
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 2, "sort_key": order, "sort_dir": "asc", **mine}
        while True:
            answer = admin.call("GET", BGPVPNS, **query)
            assert len(answer.body["bgpvpns"]) <= 2
            seen += names(answer.body["bgpvpns"])
            links = [link for link in answer.body.get("bgpvpns_links", []) if link["rel"] == "next"]
            if not links or not answer.body["bgpvpns"]:
                break
            query["marker"] = answer.body["bgpvpns"][-1]["id"]
        assert sorted(seen) == list("abcde")
        assert expected is None or seen == list(expected)
    last = admin.get(BGPVPNS, name="d", **mine)[0]
    before = admin.get(BGPVPNS, limit=2, marker=last["id"], page_reverse=True, sort_key="name", sort_dir="asc", **mine)
    assert names(before) == ["b", "c"]
    assert admin.get(BGPVPNS, fields="name", name="a", **mine) == [{"name": "a"}]
    assert admin.call("GET", BGPVPNS, limit=2, marker=str(uuid.uuid4())).status == 404


def test_a_list_costs_the_same_number_of_statements_whatever_its_length(cloud: Cloud, admin: User, owner: User) -> None:
    network = owner.network(V4)

    def statements() -> int:
        cloud.sql("SET GLOBAL log_output = 'TABLE'")
        cloud.sql("TRUNCATE mysql.general_log")
        cloud.sql("SET GLOBAL general_log = 1")
        admin.get(BGPVPNS, project_id=owner.project)
        cloud.sql("SET GLOBAL general_log = 0")
        query = "SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE %s"
        return int(cloud.sql(query, "SELECT%isthmus_%")[0][0])

    def grow(count: int) -> None:
        for _ in range(count):
            made = make(admin, owner, route_targets=["1:1"])
            owner.make(f"{BGPVPNS}/{made['id']}/network_associations", network_id=network["id"])

    grow(1)
    with_one = statements()
    grow(5)
    assert with_one == statements() <= 16


def test_associations(admin: User, owner: User) -> None:
    network, router = owner.network(V4), owner.make("routers", name="r")
    made = make(admin, owner)
    one = f"{BGPVPNS}/{made['id']}"
    for kind, target in (("network", network["id"]), ("router", router["id"])):
        collection = f"{one}/{kind}_associations"
        bound = owner.make(collection, **{f"{kind}_id": target})
        assert bound[f"{kind}_id"] == target
        assert "bgpvpn_id" not in bound
        shown = owner.get(f"{collection}/{bound['id']}")
        assert (shown["id"], shown[f"{kind}_id"]) == (bound["id"], target)
        assert owner.get(collection) == [shown]
        assert owner.get(collection, **{f"{kind}_id": target}) == [shown]
        assert owner.get(collection, **{f"{kind}_id": str(uuid.uuid4())}) == []
        assert owner.get(one)[f"{kind}s"] == [target]
        twice = owner.call("POST", collection, {f"{kind}_association": {f"{kind}_id": target}})
        assert twice.status == 400
        assert (
            twice.kind == {"network": "BGPVPNNetAssocAlreadyExists", "router": "BGPVPNRouterAssocAlreadyExists"}[kind]
        )
        assert owner.put(f"{collection}/{bound['id']}", {f"{kind}_association": {}})
        fixed = owner.call("PUT", f"{collection}/{bound['id']}", {f"{kind}_association": {f"{kind}_id": target}})
        assert fixed.status == 400
        owner.delete(f"{collection}/{bound['id']}")
        assert owner.get(one)[f"{kind}s"] == []
        assert owner.call("DELETE", f"{collection}/{bound['id']}").status == 404


def test_associations_with_what_does_not_exist(admin: User, owner: User) -> None:
    made, other = make(admin, owner), make(admin, owner)
    network = owner.network(V4)
    nobody = str(uuid.uuid4())
    bound = owner.make(f"{BGPVPNS}/{made['id']}/network_associations", network_id=network["id"])
    for path, body, status, kind in [
        (f"{made['id']}/network_associations", {"network_association": {"network_id": nobody}}, 404, "NetworkNotFound"),
        (f"{made['id']}/router_associations", {"router_association": {"router_id": nobody}}, 404, "RouterNotFound"),
        (
            f"{nobody}/network_associations",
            {"network_association": {"network_id": network["id"]}},
            404,
            "BGPVPNNotFound",
        ),
        (f"{made['id']}/network_associations", {"network_association": {}}, 400, ""),
        (f"{made['id']}/network_associations", {"network_association": {"network_id": "x"}}, 400, ""),
    ]:
        answer = owner.call("POST", f"{BGPVPNS}/{path}", body)
        assert answer.status == status, path
        assert not kind or answer.kind == kind
    wrong = owner.call("GET", f"{BGPVPNS}/{other['id']}/network_associations/{bound['id']}")
    assert (wrong.status, wrong.kind) == (404, "BGPVPNNetAssocNotFound")


def test_everything_must_belong_to_one_project(cloud: Cloud, admin: User, owner: User) -> None:
    made, network = make(admin, owner), owner.network(V4)
    path = f"{BGPVPNS}/{made['id']}/network_associations"
    answer = admin.call("POST", path, {"network_association": {"network_id": network["id"]}})
    assert answer.status == 403
    assert "give project_id" in answer.message
    admin.make(path, network_id=network["id"], project_id=owner.project)
    foreign = cloud.user(uuid.uuid4().hex).network(V4)
    answer = admin.call(
        "POST", path, {"network_association": {"network_id": foreign["id"], "project_id": owner.project}}
    )
    assert answer.status == 403


def test_a_router_cannot_be_in_an_l2_bgpvpn(admin: User, owner: User) -> None:
    made, router = make(admin, owner, type="l2"), owner.make("routers", name="r")
    path = f"{BGPVPNS}/{made['id']}/router_associations"
    answer = owner.call("POST", path, {"router_association": {"router_id": router["id"]}})
    assert answer.status == 400
    assert "type l2" in answer.message


def test_deleting_takes_associations_along(cloud: Cloud, admin: User, owner: User) -> None:
    made = make(admin, owner)
    one = f"{BGPVPNS}/{made['id']}"
    network, router = owner.network(V4), owner.make("routers", name="r")
    owner.make(f"{one}/network_associations", network_id=network["id"])
    owner.make(f"{one}/router_associations", router_id=router["id"])
    owner.delete(f"networks/{network['id']}")
    owner.delete(f"routers/{router['id']}")
    shown = owner.get(one)
    assert (shown["networks"], shown["routers"]) == ([], [])
    owner.make(f"{one}/network_associations", network_id=owner.network(V4)["id"])
    admin.delete(one)
    for table in ("bgpvpn_targets", "vnis", "network_associations", "router_associations", "numbers"):
        assert cloud.sql(f"SELECT * FROM isthmus_{table} WHERE bgpvpn_id = %s", made["id"]) == []


@pytest.mark.parametrize("second_interface", [False, True])
def test_a_network_is_in_a_vpn_by_itself_or_by_its_router(admin: User, owner: User, second_interface: bool) -> None:
    made, other = make(admin, owner), make(admin, owner, type="l2")
    one = f"{BGPVPNS}/{made['id']}"
    router, network = owner.make("routers", name="r"), owner.network(V4)
    if second_interface:  # the network in question is not the router's first
        assert owner.plug(router["id"], owner.network({**V4, "cidr": "10.9.0.0/24"})["subnet_ids"][0]).status == 200
    subnet = network["subnet_ids"][0]
    assert owner.plug(router["id"], subnet).status == 200
    by_router, by_network = {"router_association": {"router_id": router["id"]}}, {"network_id": network["id"]}
    bound = owner.make(f"{one}/router_associations", router_id=router["id"])
    for bgpvpn in (made, other):
        path = f"{BGPVPNS}/{bgpvpn['id']}/network_associations"
        answer = owner.call("POST", path, {"network_association": by_network})
        assert answer.status == 400
        assert router["id"] in answer.message
    owner.delete(f"{one}/router_associations/{bound['id']}")
    bound = owner.make(f"{one}/network_associations", **by_network)
    answer = owner.call("POST", f"{one}/router_associations", by_router)
    assert answer.status == 400
    assert network["id"] in answer.message
    assert owner.unplug(router["id"], subnet).status == 200
    owner.make(f"{one}/router_associations", router_id=router["id"])
    answer = owner.plug(router["id"], subnet)
    assert (answer.status, answer.kind) == (409, "RouterInterfaceAttachmentConflict")
    assert network["id"] in answer.message


def test_networks_that_ovn_serves_from_one_chassis_are_refused_with_the_reason(admin: User) -> None:
    made = admin.make(BGPVPNS)
    one = f"{BGPVPNS}/{made['id']}"
    vlan = {"provider:network_type": "vlan", "provider:physical_network": "public"}
    flat = {"provider:network_type": "flat", "provider:physical_network": "other"}
    external = {"router:external": True}
    for attributes, reason in ((vlan, "vlan"), (flat, "flat"), (external, "external")):
        network = admin.network({**V4, "cidr": "10.7.0.0/24"}, **attributes)
        body = {"network_association": {"network_id": network["id"]}}
        answer = admin.call("POST", f"{one}/network_associations", body)
        assert (answer.status, answer.kind) == (400, "BGPVPNNetworkNotSupported")
        assert network["id"] in answer.message
        assert reason in answer.message
        if attributes is not vlan:
            admin.delete(f"networks/{network['id']}")
            continue
        router = admin.make("routers", name="r")
        bound = admin.make(f"{one}/router_associations", router_id=router["id"])
        answer = admin.plug(router["id"], network["subnet_ids"][0])
        assert (answer.status, answer.kind) == (409, "RouterInterfaceAttachmentConflict")
        assert "vlan" in answer.message
        admin.delete(f"{one}/router_associations/{bound['id']}")
        assert admin.plug(router["id"], network["subnet_ids"][0]).status == 200
        answer = admin.call("POST", f"{one}/router_associations", {"router_association": {"router_id": router["id"]}})
        assert (answer.status, answer.kind) == (400, "BGPVPNNetworkNotSupported")


def test_many_at_once_are_all_made_or_none(admin: User, owner: User) -> None:
    networks = [owner.network({**V4, "cidr": f"10.{n}.0.0/24"})["id"] for n in range(3)]
    answer = admin.call("POST", BGPVPNS, {"bgpvpns": [{"bgpvpn": {"project_id": owner.project}}] * 2})
    assert answer.status == 201
    assert len(owner.get(BGPVPNS)) == 2
    path = f"{BGPVPNS}/{owner.get(BGPVPNS)[0]['id']}/network_associations"
    nobody = str(uuid.uuid4())
    for targets, status, count in (([*networks, nobody], 404, 0), (networks, 201, 3), ([networks[0]], 400, 3)):
        body = {"network_associations": [{"network_association": {"network_id": n}} for n in targets]}
        assert owner.call("POST", path, body).status == status
        assert len(owner.get(path)) == count


def test_methods_and_paths_that_do_not_exist(admin: User, owner: User) -> None:
    made = make(admin, owner)
    for method, path, status in [
        ("PATCH", BGPVPNS, 405),
        ("GET", "bgpvpn", 404),
        ("GET", f"{BGPVPNS}/{made['id']}/subnet_associations", 404),
        ("GET", f"{BGPVPNS}/no-uuid", 404),
        ("DELETE", f"{BGPVPNS}/no-uuid/network_associations/none", 404),
    ]:
        assert admin.call(method, path).status == status, (method, path)
