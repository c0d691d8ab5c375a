"""Description, times, revisions with If-Match, tags; associations of every kind in one collection."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import requests

from tests.neutron.cloud import V4, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
LINES = "bgpvpn/bgpvpn_associations"
CHOSEN = {"local_pref": 7, "fallback": "all", "families": ["vpnv6", "evpn"]}
"""What an administrator decides."""


def bgpvpn(admin: User, owner: User, **attributes: Any) -> dict[str, Any]:
    return admin.make(BGPVPNS, project_id=owner.project, **attributes)


def if_match(user: User, method: str, path: str, revision: int, body: Any = None) -> int:
    done = requests.request(
        method,
        f"{user.endpoint}/v2.0/{path}",
        headers=user.headers | {"If-Match": f"revision_number={revision}", "Content-Type": "application/json"},
        data=json.dumps(body).encode() if body else None,
        timeout=60,
    )
    return done.status_code


def test_a_change_may_demand_the_revision_it_was_made_for(admin: User, owner: User) -> None:
    network = owner.network(V4)
    vpn = bgpvpn(admin, owner)
    one = f"{BGPVPNS}/{vpn['id']}"
    bound = owner.make(f"{one}/network_associations", network_id=network["id"])
    for user, path, body in [
        (admin, one, {"bgpvpn": {"route_targets": ["1:1"]}}),
        (admin, one, {"bgpvpn": {"name": "new"}}),
        (owner, f"{one}/network_associations/{bound['id']}", {"network_association": {"description": "new"}}),
    ]:
        revision = user.get(path)["revision_number"]
        assert if_match(user, "PUT", path, revision + 7, body) == 412
        assert user.get(path)["revision_number"] == revision
        assert if_match(user, "PUT", path, revision, body) == 200
        assert user.get(path)["revision_number"] > revision
        assert if_match(user, "DELETE", path, revision) == 412
    assert if_match(owner, "DELETE", path, owner.get(path)["revision_number"]) == 204
    assert if_match(admin, "DELETE", one, admin.get(one)["revision_number"]) == 204


def test_description_and_times_of_associations(admin: User, owner: User) -> None:
    vpn, network = bgpvpn(admin, owner), owner.network(V4)
    kinds = {
        "network": owner.network(V4)["id"],
        "router": owner.make("routers", name="r")["id"],
        "port": owner.make("ports", network_id=network["id"])["id"],
    }
    for kind, target in kinds.items():
        path = f"{BGPVPNS}/{vpn['id']}/{kind}_associations"
        made = owner.make(path, **{f"{kind}_id": target, "description": "first"})
        assert made["description"] == "first"
        assert made["created_at"] == made["updated_at"] != ""
        changed = owner.put(f"{path}/{made['id']}", {f"{kind}_association": {"description": "second"}})
        assert changed[f"{kind}_association"] == owner.get(f"{path}/{made['id']}")
        assert owner.get(path, description="second") == [changed[f"{kind}_association"]]
        assert owner.get(path, description="first") == []
        assert owner.get(path, sort_key="revision_number", sort_dir="desc") == [changed[f"{kind}_association"]]


def test_tags(cloud: Cloud, admin: User, owner: User) -> None:
    red, blue = bgpvpn(admin, owner, name="red"), bgpvpn(admin, owner, name="blue")
    tags = f"bgpvpns/{red['id']}/tags"
    assert owner.put(tags, {"tags": ["gold", "prod"]}) == {"tags": ["gold", "prod"]}
    assert owner.call("PUT", f"bgpvpns/{blue['id']}/tags/prod").status == 201
    assert owner.get(f"{BGPVPNS}/{red['id']}")["tags"] == ["gold", "prod"]
    for query, expected in [
        ({"tags": "prod"}, ["blue", "red"]),
        ({"tags": "prod,gold"}, ["red"]),
        ({"tags-any": "gold,none"}, ["red"]),
        ({"not-tags": "gold"}, ["blue"]),
        ({"not-tags-any": "gold,prod"}, []),
    ]:
        found = owner.get(BGPVPNS, sort_key="name", sort_dir="asc", **query)
        assert [f["name"] for f in found] == expected, query
    reader, stranger = cloud.user(owner.project, "reader"), cloud.user(uuid.uuid4().hex)
    assert reader.get(tags) == ["gold", "prod"]
    assert reader.call("PUT", tags, {"tags": []}).status == 403
    for method in ("GET", "PUT", "DELETE"):
        assert stranger.call(method, tags, {"tags": []} if method == "PUT" else None).status in (403, 404)
    owner.delete(f"{tags}/gold")
    assert owner.get(tags) == ["prod"]
    assert owner.call("GET", f"bgpvpns/{uuid.uuid4()}/tags").status == 404


def test_changed_since(admin: User, owner: User) -> None:
    vpn = bgpvpn(admin, owner)
    assert [b["id"] for b in owner.get(BGPVPNS, changed_since="2020-01-01T00:00:00Z")] == [vpn["id"]]
    assert owner.get(BGPVPNS, changed_since="2999-01-01T00:00:00Z") == []
    assert owner.call("GET", BGPVPNS, changed_since="yesterday").status == 400


def test_every_attribute_filters_and_sorts(admin: User, owner: User) -> None:
    vpn = bgpvpn(admin, owner, name="n", route_targets=["1:1"], vni=None, description="d", **CHOSEN)
    shown = admin.get(f"{BGPVPNS}/{vpn['id']}")
    derived = {"status", "status_reason", "status_details"}  # they follow from what agents report
    for attribute, value in shown.items():
        if attribute in derived:
            continue
        query = value[0] if isinstance(value, list) and value else value
        if query not in ([], None):
            assert vpn["id"] in [b["id"] for b in admin.get(BGPVPNS, **{attribute: query})], attribute
        if attribute != "tags":
            admin.get(BGPVPNS, sort_key=attribute, sort_dir="desc", limit=2)


def test_families_are_searched_by_any_of_them(admin: User, owner: User) -> None:
    for name, families in (("all", None), ("labels", ["vpnv6", "vpnv4"]), ("four", ["vpnv4"]), ("vxlan", "evpn")):
        made = bgpvpn(admin, owner, name=name, families=families)
        assert made["families"] == {"labels": ["vpnv4", "vpnv6"], "vxlan": ["evpn"]}.get(name, families)
    for asked, names in (("vpnv4", ["four", "labels"]), ("vpnv6", ["labels"]), ("evpn", ["vxlan"]), ("vpnv", [])):
        found = admin.get(BGPVPNS, project_id=owner.project, families=asked)
        assert sorted(one["name"] for one in found) == names, asked


def test_pages_by_every_attribute_lose_nothing(cloud: Cloud, admin: User, owner: User) -> None:
    """Behind a marker whatever its value: true, false, none, a time that is not known."""
    one = f"{BGPVPNS}/{bgpvpn(admin, owner)['id']}"
    made = []
    for number, flag in enumerate((True, False, True)):
        port = owner.make("ports", network_id=owner.network(V4)["id"])["id"]
        router = owner.make("routers", name="r")["id"]
        made += [
            owner.make(f"{one}/port_associations", port_id=port, advertise_fixed_ips=flag),
            owner.make(f"{one}/router_associations", router_id=router, advertise_extra_routes=flag),
            bgpvpn(admin, owner, name=f"n{number}", vni=None, **({} if flag else CHOSEN)),
        ]
    cloud.sql(
        "UPDATE standardattributes SET created_at = NULL, updated_at = NULL WHERE id IN (SELECT standard_attr_id FROM"
        " isthmus_port_associations WHERE id = %s)",
        made[0]["id"],
    )
    derived = {"status", "status_reason", "status_details", "tags", "routes"}
    for path in (f"{one}/port_associations", f"{one}/router_associations", BGPVPNS, LINES):
        mine = {} if path.startswith(one) else {"project_id": owner.project}
        everything = sorted(x["id"] for x in admin.get(path, **mine))
        for attribute in admin.get(path, **mine)[0].keys() - derived:
            for direction in ("asc", "desc"):
                asked = {"sort_key": attribute, "sort_dir": direction, "limit": 1, **mine}
                seen: list[str] = []
                while page := admin.get(path, **asked, **({"marker": seen[-1]} if seen else {})):
                    seen.append(page[0]["id"])
                assert sorted(seen) == everything, (path, attribute, direction)


def test_a_list_sorts_by_its_smallest_member(admin: User, owner: User) -> None:
    for name, targets in (("b", ["9:9", "2:2"]), ("a", ["1:1"]), ("c", ["3:3"]), ("none", [])):
        bgpvpn(admin, owner, name=name, route_targets=targets)
    for direction, expected in (("asc", ["none", "a", "b", "c"]), ("desc", ["c", "b", "a", "none"])):
        found = admin.get(BGPVPNS, project_id=owner.project, sort_key="route_targets", sort_dir=direction)
        assert [f["name"] for f in found] == expected


def test_one_collection_of_associations(cloud: Cloud, admin: User, owner: User) -> None:
    red, blue = bgpvpn(admin, owner), bgpvpn(admin, owner)
    network = owner.network(V4)
    port = owner.make("ports", network_id=network["id"])
    router = owner.make("routers", name="r")
    made = {
        owner.make(f"{BGPVPNS}/{vpn['id']}/{kind}_associations", **{f"{kind}_id": target})["id"]: (
            vpn["id"],
            kind,
            target,
        )
        for vpn, kind, target in [
            (red, "network", network["id"]),
            (red, "port", port["id"]),
            (blue, "port", port["id"]),
            (blue, "router", router["id"]),
        ]
    }

    def lines(**query: Any) -> dict[str, tuple[str, str, str]]:
        return {a["id"]: (a["bgpvpn_id"], a["type"], a["resource_id"]) for a in owner.get(LINES, **query)}

    assert lines() == made
    assert {v for v, _k, _t in lines(resource_id=port["id"]).values()} == {red["id"], blue["id"]}
    assert set(lines(bgpvpn_id=red["id"])) == {i for i, (vpn, _k, _t) in made.items() if vpn == red["id"]}
    assert set(lines(type=["router", "network"])) == {i for i, (_v, kind, _t) in made.items() if kind != "port"}
    for association in made:
        [line] = owner.get(LINES, id=association)
        assert owner.get(f"{LINES}/{association}") == line
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 1, "sort_key": "type", "sort_dir": "desc"}
    while page := owner.get(LINES, **query):
        seen += [a["type"] for a in page]
        query["marker"] = page[0]["id"]
    assert seen == ["router", "port", "port", "network"]
    assert cloud.user(uuid.uuid4().hex).get(LINES) == []
    assert owner.call("GET", f"{LINES}/{uuid.uuid4()}").status == 404
    assert owner.call("GET", LINES, marker=str(uuid.uuid4()), limit=1).status == 404
    for method in ("POST", "PUT", "DELETE"):
        path = LINES if method == "POST" else f"{LINES}/{association}"
        assert owner.call(method, path, {"bgpvpn_association": {}} if method != "DELETE" else None).status >= 400


def test_nothing_is_left_of_associations_whose_thing_is_gone(cloud: Cloud, admin: User, owner: User) -> None:
    count = "SELECT COUNT(*) FROM standardattributes WHERE resource_type LIKE 'isthmus%%'"
    before = cloud.sql(count)
    vpn = bgpvpn(admin, owner)
    network, router = owner.network(V4), owner.make("routers", name="r")
    port = owner.make("ports", network_id=network["id"])
    other = owner.network(V4)
    for kind, target in (("port", port), ("network", network), ("router", router), ("network", other)):
        owner.make(f"{BGPVPNS}/{vpn['id']}/{kind}_associations", **{f"{kind}_id": target["id"]})
    for path in (f"ports/{port['id']}", f"networks/{network['id']}", f"routers/{router['id']}"):
        owner.delete(path)
    assert [a["type"] for a in owner.get(LINES)] == ["network"]
    admin.delete(f"{BGPVPNS}/{vpn['id']}")
    assert cloud.sql(count) == before
