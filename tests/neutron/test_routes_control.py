"""Port associations with their routes, local preferences, the flags: stored as given, changed only where named."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.neutron.cloud import V4, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"


def bgpvpn(admin: User, owner: User, **attributes: Any) -> dict[str, Any]:
    return admin.make(BGPVPNS, project_id=owner.project, **attributes)


def port(owner: User, **attributes: Any) -> dict[str, Any]:
    return owner.make("ports", network_id=owner.network(V4)["id"], **attributes)


def ports_of(vpn: dict[str, Any]) -> str:
    return f"{BGPVPNS}/{vpn['id']}/port_associations"


def test_a_port_association_lives_as_a_client_expects(admin: User, owner: User) -> None:
    vpn, leaked, member = bgpvpn(admin, owner), bgpvpn(admin, owner), port(owner)
    routes = [
        {"type": "prefix", "prefix": "20.1.0.1/16", "local_pref": 70},
        {"type": "prefix", "prefix": "0.0.0.0/0"},
        {"type": "prefix", "prefix": "2001:DB8::/32", "local_pref": "0"},
        {"type": "bgpvpn", "bgpvpn_id": leaked["id"]},
    ]
    made = owner.make(ports_of(vpn), port_id=member["id"], routes=routes, advertise_fixed_ips=False)
    assert made["routes"] == [
        {"type": "prefix", "prefix": "20.1.0.1/16", "local_pref": 70},
        {"type": "prefix", "prefix": "0.0.0.0/0", "local_pref": None},
        {"type": "prefix", "prefix": "2001:DB8::/32", "local_pref": 0},
        {"type": "bgpvpn", "bgpvpn_id": leaked["id"], "local_pref": None},
    ]
    assert (made["port_id"], made["advertise_fixed_ips"]) == (member["id"], False)
    assert "bgpvpn_id" not in made
    one = f"{ports_of(vpn)}/{made['id']}"
    assert owner.get(one) == made
    assert owner.get(ports_of(vpn)) == [made]
    assert owner.get(f"{BGPVPNS}/{vpn['id']}")["ports"] == [member["id"]]
    assert [b["id"] for b in owner.get(BGPVPNS, ports=member["id"])] == [vpn["id"]]
    owner.delete(one)
    assert owner.get(ports_of(vpn)) == []


def test_a_put_changes_what_it_names_and_nothing_else(admin: User, owner: User) -> None:
    vpn = bgpvpn(admin, owner)
    routes = [{"type": "prefix", "prefix": "10.9.0.0/16", "local_pref": None}]
    made = owner.make(ports_of(vpn), port_id=port(owner)["id"], routes=routes)
    one = f"{ports_of(vpn)}/{made['id']}"
    for body in ({}, {"advertise_fixed_ips": False}, {"description": "edge"}):
        changed = owner.put(one, {"port_association": body})["port_association"]
        assert changed["routes"] == routes, body
    assert (changed["advertise_fixed_ips"], changed["description"]) == (False, "edge")
    back = {key: changed[key] for key in ("routes", "advertise_fixed_ips", "description")}
    again = owner.put(one, {"port_association": back})["port_association"]
    assert {**again, "revision_number": 0, "updated_at": ""} == {**changed, "revision_number": 0, "updated_at": ""}
    for empty in (None, [], {}):
        assert owner.put(one, {"port_association": {"routes": empty}})["port_association"]["routes"] == []
        owner.put(one, {"port_association": {"routes": routes}})


BAD_ROUTES: list[Any] = [
    5,
    "10.0.0.0/8",
    [5],
    [{}],
    [{"type": "prefix"}],
    [{"type": "prefix", "prefix": "10.0.0.0"}],
    [{"type": "prefix", "prefix": "10.0.0.0/33"}],
    [{"type": "prefix", "prefix": "10.0.0.0/255.0.0.0"}],
    [{"type": "prefix", "prefix": None}],
    [{"type": "prefix", "prefix": ["10.0.0.0/8"]}],
    [{"type": "prefix", "prefix": "10.0.0.0/8", "bgpvpn_id": str(uuid.uuid4())}],
    [{"type": "prefix", "prefix": "10.0.0.0/8", "nonsense": 1}],
    [{"type": "prefix", "prefix": "10.0.0.0/8", "local_pref": -1}],
    [{"type": "prefix", "prefix": "10.0.0.0/8", "local_pref": 2**32}],
    [{"type": "prefix", "prefix": "10.0.0.0/8", "local_pref": True}],
    [{"type": "prefix", "prefix": "10.0.0.0/8", "local_pref": "x"}],
    [{"type": "prefix", "prefix": "10.0.0.0/8"}, {"type": "prefix", "prefix": "10.1.0.0/8", "local_pref": 5}],
    [{"type": "bgpvpn", "bgpvpn_id": "no-uuid"}],
    [{"type": "bgpvpn"}],
    [{"type": {"prefix": 1}}],
    [{"type": "prefix", "prefix": f"10.0.{n}.0/24"} for n in range(129)],
]


def test_a_bad_route_is_refused_by_name_and_leaves_nothing(admin: User, owner: User) -> None:
    vpn, member = bgpvpn(admin, owner), port(owner)
    kept = owner.make(ports_of(vpn), port_id=port(owner)["id"], routes=[{"type": "prefix", "prefix": "10.9.0.0/16"}])
    for bad in BAD_ROUTES:
        body = {"port_association": {"port_id": member["id"], "routes": bad}}
        refused = owner.call("POST", ports_of(vpn), body)
        assert refused.status == 400, (bad, refused)
        body = {"port_association": {"routes": bad, "description": "never"}}
        refused = owner.call("PUT", f"{ports_of(vpn)}/{kept['id']}", body)
        assert refused.status == 400, (bad, refused)
    assert owner.get(ports_of(vpn)) == [kept]


def test_which_bgpvpns_may_be_leaked(cloud: Cloud, admin: User, owner: User) -> None:
    stranger = cloud.user(uuid.uuid4().hex)
    vpn, flat, foreign = bgpvpn(admin, owner), bgpvpn(admin, owner, type="l2"), bgpvpn(admin, stranger)
    for leaked, kind in [
        (str(uuid.uuid4()), "BGPVPNPortAssocRouteNoSuchBGPVPN"),
        (foreign["id"], "BGPVPNPortAssocRouteNoSuchBGPVPN"),
        (flat["id"], "BGPVPNPortAssocRouteBGPVPNTypeDiffer"),
        (vpn["id"], "BGPVPNPortAssocRouteToItself"),
    ]:
        route = {"type": "bgpvpn", "bgpvpn_id": leaked}
        body = {"port_association": {"port_id": port(owner)["id"], "routes": [route]}}
        refused = owner.call("POST", ports_of(vpn), body)
        assert (refused.status, refused.kind) == (400, kind)
    body = {
        "port_association": {
            "port_id": port(owner)["id"],
            "project_id": owner.project,
            "routes": [{"type": "bgpvpn", "bgpvpn_id": foreign["id"]}],
        }
    }
    refused = admin.call("POST", ports_of(vpn), body)
    assert (refused.status, refused.kind) == (400, "BGPVPNPortAssocRouteWrongBGPVPNProject")
    assert owner.get(ports_of(vpn)) == []


def test_a_bgpvpn_is_leaked_once_however_it_is_written(admin: User, owner: User) -> None:
    vpn, leaked = bgpvpn(admin, owner), bgpvpn(admin, owner)
    routes = [{"type": "bgpvpn", "bgpvpn_id": i} for i in (leaked["id"], leaked["id"].upper())]
    twice = owner.call("POST", ports_of(vpn), {"port_association": {"port_id": port(owner)["id"], "routes": routes}})
    assert twice.status == 400 and "twice" in twice.message
    made = owner.make(ports_of(vpn), port_id=port(owner)["id"], routes=routes[1:])
    assert made["routes"][0]["bgpvpn_id"] == leaked["id"]


def test_a_route_goes_with_the_bgpvpn_that_it_leaks(admin: User, owner: User) -> None:
    vpn, leaked = bgpvpn(admin, owner), bgpvpn(admin, owner)
    routes = [{"type": "bgpvpn", "bgpvpn_id": leaked["id"]}, {"type": "prefix", "prefix": "10.0.0.0/8"}]
    made = owner.make(ports_of(vpn), port_id=port(owner)["id"], routes=routes)
    admin.delete(f"{BGPVPNS}/{leaked['id']}")
    assert [r["type"] for r in owner.get(f"{ports_of(vpn)}/{made['id']}")["routes"]] == ["prefix"]


def test_codes_of_port_associations(cloud: Cloud, admin: User, owner: User) -> None:
    vpn, member = bgpvpn(admin, owner), port(owner)
    body = {"port_association": {"port_id": member["id"]}}
    assert owner.call("POST", ports_of(vpn), body).status == 201
    again = owner.call("POST", ports_of(vpn), body)
    assert (again.status, again.kind) == (400, "BGPVPNPortAssocAlreadyExists")
    unknown = owner.call("POST", ports_of(vpn), {"port_association": {"port_id": str(uuid.uuid4())}})
    assert (unknown.status, unknown.kind) == (404, "PortNotFound")
    missing = owner.call("GET", f"{ports_of(vpn)}/{uuid.uuid4()}")
    assert (missing.status, missing.kind) == (404, "BGPVPNPortAssocNotFound")
    stranger = cloud.user(uuid.uuid4().hex)
    assert stranger.get(ports_of(vpn)) == []
    flat = bgpvpn(admin, owner, type="l2")
    assert owner.call("POST", ports_of(flat), body).status == 201, "a port may be in VPNs of both types"


def test_local_pref_is_a_number_and_an_administrators(admin: User, owner: User) -> None:
    vpn = bgpvpn(admin, owner, local_pref="100")
    one = f"{BGPVPNS}/{vpn['id']}"
    assert vpn["local_pref"] == 100
    assert owner.get(one)["local_pref"] == 100
    assert owner.call("PUT", one, {"bgpvpn": {"local_pref": 1}}).status == 403
    for value in (0, 2**32 - 1, None):
        assert admin.put(one, {"bgpvpn": {"local_pref": value}})["bgpvpn"]["local_pref"] == value
    for bad in (-1, 2**32, "x", True, [], {}, 1.5):
        assert admin.call("PUT", one, {"bgpvpn": {"local_pref": bad}}).status == 400, bad


def test_local_pref_reaches_every_hypervisor(cloud: Cloud, admin: User, owner: User) -> None:
    vpn, network = bgpvpn(admin, owner, route_targets=["1:1"]), owner.network(V4)
    made = owner.make(f"{BGPVPNS}/{vpn['id']}/network_associations", network_id=network["id"])

    def said() -> int | None:
        [told] = cloud.northbound.intent(network["id"]).associations
        assert told.association == made["id"]
        return told.local_pref

    assert said() is None
    admin.put(f"{BGPVPNS}/{vpn['id']}", {"bgpvpn": {"local_pref": 250}})
    assert said() == 250


def test_advertise_extra_routes_is_kept_as_it_was_sent(admin: User, owner: User) -> None:
    vpn = bgpvpn(admin, owner)
    routers = f"{BGPVPNS}/{vpn['id']}/router_associations"
    for sent, kept in ((None, True), (False, False), ("true", True)):
        body = {} if sent is None else {"advertise_extra_routes": sent}
        made = owner.make(routers, router_id=owner.make("routers", name="r")["id"], **body)
        assert made["advertise_extra_routes"] is kept, sent
        assert owner.get(f"{routers}/{made['id']}")["advertise_extra_routes"] is kept


def test_a_uuid_in_capitals_is_the_same_uuid(cloud: Cloud, admin: User, owner: User) -> None:
    vpn, network = bgpvpn(admin, owner, route_targets=["1:1"]), owner.network(V4)
    made = owner.make(f"{BGPVPNS}/{vpn['id'].upper()}/network_associations", network_id=network["id"].upper())
    assert made["network_id"] == network["id"]
    assert any(network["id"] in line for line in cloud.northbound.ours())
