"""BGPVPNs shared with other projects by Neutron's RBAC policies: who sees and does what."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.neutron.cloud import V4, Answer, Cloud, User
from tests.neutron.numbered import ALPHA, BETA

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
LINES = "bgpvpn/bgpvpn_associations"
POLICIES = "rbac-policies"
EVERYBODY = "*"
KINDS = ("network", "router", "port")


@pytest.fixture
def guest(cloud: Cloud) -> User:
    """A member of the project with which the owner shares."""
    return cloud.user(uuid.uuid4().hex)


def make(admin: User, owner: User, **attributes: Any) -> str:
    """The path of a BGPVPN of the owner's project."""
    return f"{BGPVPNS}/{admin.make(BGPVPNS, project_id=owner.project, **attributes)['id']}"


def uuid_of(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def try_to_share(by: User, bgpvpn: str, target: str, action: str = "access_as_shared") -> Answer:
    policy = {"object_type": "bgpvpn", "object_id": uuid_of(bgpvpn), "action": action, "target_tenant": target}
    return by.call("POST", POLICIES, {"rbac_policy": policy})


def share(by: User, bgpvpn: str, target: str) -> str:
    """The path of the policy."""
    answer = try_to_share(by, bgpvpn, target)
    assert answer.status == 201, answer.message
    return f"{POLICIES}/{answer.body['rbac_policy']['id']}"


def resources(user: User) -> dict[str, str]:
    """A network, a router and a port (of another network) of the user's own."""
    return {
        "network": str(user.network(V4)["id"]),
        "router": str(user.make("routers", name="r")["id"]),
        "port": str(user.make("ports", network_id=user.network({**V4, "cidr": "10.2.0.0/24"})["id"])["id"]),
    }


def associate(user: User, bgpvpn: str, kind: str, target: str) -> Answer:
    return user.call("POST", f"{bgpvpn}/{kind}_associations", {f"{kind}_association": {f"{kind}_id": target}})


def bind(user: User, bgpvpn: str, kind: str, target: str) -> str:
    """The path of the association."""
    made = user.make(f"{bgpvpn}/{kind}_associations", **{f"{kind}_id": target})
    return f"{bgpvpn}/{kind}_associations/{made['id']}"


def test_the_extension_is_advertised(owner: User) -> None:
    assert "rbac-bgpvpn" in {e["alias"] for e in owner.get("extensions")}


def test_a_bgpvpn_is_seen_by_the_project_it_is_shared_with_and_by_no_other(
    cloud: Cloud, admin: User, owner: User, guest: User
) -> None:
    one = make(admin, owner, name="blue", route_targets=["1:1"], vni=5001)
    stranger = cloud.user(uuid.uuid4().hex)
    assert guest.call("GET", one).status == 404
    policy = share(owner, one, guest.project)
    seen = guest.get(one)
    assert (seen["name"], seen["shared"]) == ("blue", True)
    assert not {"route_targets", "import_targets", "route_distinguishers", "vni", "project_id"} & set(seen)
    assert guest.get(BGPVPNS) == [seen]
    assert guest.get(BGPVPNS, fields="name") == [{"name": "blue"}]
    assert cloud.user(guest.project, "reader").get(one)["name"] == "blue"
    assert stranger.call("GET", one).status == 404
    assert stranger.get(BGPVPNS) == []
    assert owner.get(one)["shared"] is False, "as Neutron's networks: whether it is shared with the one who asks"
    owner.delete(policy)
    assert guest.call("GET", one).status == 404


def test_only_an_administrator_shares_with_everybody(cloud: Cloud, admin: User, owner: User, guest: User) -> None:
    one = make(admin, owner, name="all")
    assert try_to_share(owner, one, EVERYBODY).status == 403
    policy = share(admin, one, EVERYBODY)
    assert [b["name"] for b in guest.get(BGPVPNS, id=uuid_of(one))] == ["all"]
    assert owner.get(one)["shared"] is True
    admin.delete(policy)
    assert guest.get(BGPVPNS, id=uuid_of(one)) == []


def test_only_what_one_owns_can_be_shared(admin: User, owner: User, guest: User) -> None:
    one = make(admin, owner)
    third = str(uuid.uuid4())
    assert try_to_share(guest, one, guest.project).status == 400
    share(owner, one, guest.project)
    answer = try_to_share(guest, one, third)
    assert answer.status == 400
    assert "owner" in answer.message
    assert try_to_share(owner, one, guest.project).status == 409, "twice"
    assert try_to_share(owner, one, third, action="access_as_external").status == 400
    assert try_to_share(admin, f"{BGPVPNS}/{third}", third).status == 400, "what does not exist"
    [listed] = owner.get(POLICIES, object_type="bgpvpn")
    assert (listed["object_id"], listed["target_tenant"]) == (uuid_of(one), guest.project)


def test_guest_and_owner_associate_what_is_theirs(admin: User, owner: User, guest: User) -> None:
    one = make(admin, owner)
    share(owner, one, guest.project)
    ours, theirs = resources(owner), resources(guest)
    for kind in KINDS:
        own, other = bind(owner, one, kind, ours[kind]), bind(guest, one, kind, theirs[kind])
        assert owner.get(one)[f"{kind}s"] == admin.get(one)[f"{kind}s"] == sorted([ours[kind], theirs[kind]])
        assert guest.get(one)[f"{kind}s"] == [theirs[kind]]
        assert [a["id"] for a in guest.get(f"{one}/{kind}_associations")] == [uuid_of(other)]
        assert {a["id"] for a in owner.get(f"{one}/{kind}_associations")} == {uuid_of(own), uuid_of(other)}
        assert {a["id"] for a in owner.get(LINES, type=kind)} == {uuid_of(own), uuid_of(other)}
        assert [a["id"] for a in guest.get(LINES, type=kind)] == [uuid_of(other)]
        assert guest.call("GET", f"{LINES}/{uuid_of(own)}").status == 404
        assert "bgpvpn_project_id" not in owner.get(other) | guest.get(f"{LINES}/{uuid_of(other)}")
        for method, body in (("GET", None), ("PUT", {f"{kind}_association": {}}), ("DELETE", None)):
            assert guest.call(method, own, body).status == 404, (kind, method)
        assert guest.put(other, {f"{kind}_association": {"description": "mine"}})
        assert owner.call("PUT", other, {f"{kind}_association": {"description": "no"}}).status == 403
        guest.delete(other)
        again = bind(guest, one, kind, theirs[kind])
        owner.delete(again)
        assert guest.get(one)[f"{kind}s"] == []


def test_what_a_guest_associates_is_forwarded(cloud: Cloud, admin: User, owner: User, guest: User) -> None:
    one, network = make(admin, owner, route_targets=["64512:77"]), guest.network(V4)["id"]
    share(owner, one, guest.project)
    bound = bind(guest, one, "network", network)
    [told] = cloud.northbound.intent(network).associations
    assert [str(target) for target in told.imports] == ["64512:77"]
    owner.delete(bound)
    assert network not in str(cloud.northbound.ours())


def test_a_guest_does_not_draw_the_others_traffic_to_itself(admin: User, owner: User, guest: User) -> None:
    one, own = make(admin, owner), make(admin, guest)
    share(owner, one, guest.project)
    port, ports = resources(guest)["port"], f"{one}/port_associations"
    plain = {"type": "prefix", "prefix": "10.9.0.0/16"}
    bound = guest.make(ports, port_id=port, routes=[plain])
    for route in (plain | {"local_pref": 4294967295}, {"type": "bgpvpn", "bgpvpn_id": uuid_of(own)}):
        body = {"port_association": {"port_id": resources(guest)["port"], "routes": [route]}}
        refused = guest.call("POST", ports, body)
        assert (refused.status, refused.kind) == (403, "BGPVPNPortAssocRouteNotForGuests")
        body = {"port_association": {"routes": [route]}}
        assert guest.call("PUT", f"{ports}/{bound['id']}", body).status == 403
    assert [a["routes"] for a in guest.get(ports)] == [[plain | {"local_pref": None}]]


def test_a_guest_changes_nothing_of_the_bgpvpn(admin: User, owner: User, guest: User) -> None:
    one = make(admin, owner, name="blue")
    share(owner, one, guest.project)
    assert guest.call("PUT", one, {"bgpvpn": {"name": "red"}}).status == 403
    assert guest.call("DELETE", one).status == 403
    assert guest.call("PUT", f"bgpvpns/{uuid_of(one)}/tags/red").status in (403, 404)
    assert owner.get(one)["name"] == "blue"
    assert owner.get(one)["tags"] == []


def test_a_guest_associates_nothing_of_others(admin: User, owner: User, guest: User) -> None:
    one = make(admin, owner)
    share(owner, one, guest.project)
    ours = resources(owner)
    for kind, target in ours.items():
        assert associate(guest, one, kind, target).status == 404, kind
    for kind, target in resources(guest).items():
        assert associate(owner, one, kind, target).status == 404, kind
    assert owner.get(one)["networks"] == []
    path = f"{one}/network_associations"
    alien = {"network_association": {"network_id": ours["network"], "project_id": guest.project}}
    answer = admin.call("POST", path, alien)
    assert (answer.status, "give project_id" in answer.message) == (403, True)


def test_a_policy_stays_while_associations_rely_on_it(admin: User, owner: User, guest: User) -> None:
    one = make(admin, owner)
    policy, third = share(owner, one, guest.project), str(uuid.uuid4())
    for kind, target in resources(guest).items():
        bound = bind(guest, one, kind, target)
        assert owner.call("DELETE", policy).status == 409, kind
        answer = owner.call("PUT", policy, {"rbac_policy": {"target_tenant": third}})
        assert (answer.status, answer.kind) == (409, "RbacPolicyInUse"), kind
        assert guest.get(one)["shared"] is True
        guest.delete(bound)
    bind(owner, one, "network", owner.network(V4)["id"])
    owner.put(policy, {"rbac_policy": {"target_tenant": third}})
    owner.delete(policy)


def test_one_policy_of_two_is_enough(admin: User, owner: User, guest: User) -> None:
    one = make(admin, owner)
    by_name, for_all = share(owner, one, guest.project), share(admin, one, EVERYBODY)
    bound = bind(guest, one, "network", guest.network(V4)["id"])
    admin.delete(for_all)
    assert owner.call("DELETE", by_name).status == 409
    for_all = share(admin, one, EVERYBODY)
    owner.delete(by_name)
    assert admin.call("DELETE", for_all).status == 409
    guest.delete(bound)
    admin.delete(for_all)


def test_a_deleted_bgpvpn_takes_its_policies_along(cloud: Cloud, admin: User, owner: User, guest: User) -> None:
    one = make(admin, owner)
    policy = share(owner, one, guest.project)
    bind(guest, one, "network", guest.network(V4)["id"])
    admin.delete(one)
    assert owner.call("GET", policy).status == 404
    assert cloud.sql("SELECT * FROM isthmus_bgpvpn_rbacs WHERE object_id = %s", uuid_of(one)) == []


def test_filters_and_order(admin: User, owner: User, guest: User) -> None:
    own, lent = make(admin, guest, name="a"), make(admin, owner, name="b")
    share(owner, lent, guest.project)
    ours, theirs = owner.network(V4)["id"], guest.network(V4)["id"]
    bind(owner, lent, "network", ours)
    bind(guest, lent, "network", theirs)

    def names(**query: Any) -> list[str]:
        return [b["name"] for b in guest.get(BGPVPNS, **query)]

    assert names(shared="true") == ["b"]
    assert names(shared="false") == ["a"]
    assert names(sort_key="shared", sort_dir="asc") == ["a", "b"]
    assert names(sort_key="shared", sort_dir="desc") == ["b", "a"]
    assert names(sort_key="name", sort_dir="asc", limit=1, marker=uuid_of(own)) == ["b"]
    assert names(networks=theirs) == ["b"]
    assert names(networks=ours) == [], "what others have in there cannot be guessed"
    assert names(networks=[ours, theirs]) == ["b"]
    assert [b["name"] for b in owner.get(BGPVPNS, networks=theirs)] == ["b"]
    for key in ("project_id", "tenant_id"):
        assert names(**{key: owner.project}) == [], "whose a shared one is cannot be guessed"
        assert names(**{key: [owner.project, guest.project]}) == ["a"]
        assert [b["name"] for b in admin.get(BGPVPNS, **{key: owner.project})] == ["b"]


def test_where_owners_see_their_numbers_guests_do_not(numbered: Cloud) -> None:
    """Neutron hides attributes of a whole list as the first of it demands: here own and shared ones are mixed."""
    alpha, beta = numbered.user(ALPHA), numbered.user(BETA)
    lent = alpha.make(BGPVPNS, name="lent", route_targets="auto", vni="auto")
    own = beta.make(BGPVPNS, name="own", route_targets="auto", vni="auto")
    policy = share(numbered.admin, f"{BGPVPNS}/{lent['id']}", EVERYBODY)
    assert "route_targets" in own
    for order in ("asc", "desc"):
        seen = {b["name"]: b for b in beta.get(BGPVPNS, sort_key="name", sort_dir=order)}
        assert seen["own"]["route_targets"] == own["route_targets"]
        assert not {"route_targets", "vni", "project_id"} & set(seen["lent"])
    assert "route_targets" not in beta.get(f"{BGPVPNS}/{lent['id']}")
    for guess in ({"route_targets": lent["route_targets"][0]}, {"vni": lent["vni"]}):
        assert beta.get(BGPVPNS, **guess) == []
    found = beta.get(BGPVPNS, route_targets=[lent["route_targets"][0], own["route_targets"][0]])
    assert [b["name"] for b in found] == ["own"]
    assert [b["name"] for b in beta.get(BGPVPNS, sort_key="vni", sort_dir="asc")] == ["own"]
    numbered.admin.delete(policy)
    for user, made in ((alpha, lent), (beta, own)):
        user.delete(f"{BGPVPNS}/{made['id']}")


def test_who_associates_a_shared_network_and_a_port_on_it(admin: User, owner: User, guest: User) -> None:
    """A network shared by RBAC is its owner's to associate; a port on it is the port's owner's."""
    one = make(admin, guest)
    network = owner.network(V4)
    policy = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    answer = owner.call("POST", POLICIES, {"rbac_policy": policy | {"target_tenant": guest.project}})
    assert answer.status == 201
    refused = associate(guest, one, "network", network["id"])
    assert refused.status == 403
    assert f"network {network['id']} belongs to another project" in refused.message
    port = guest.make("ports", network_id=network["id"])["id"]
    assert associate(owner, make(admin, owner), "port", port).status == 403
    bind(guest, one, "port", port)
    assert guest.get(one)["ports"] == [port]


def test_a_shared_bgpvpn_cannot_be_leaked_into_ones_own(admin: User, owner: User, guest: User) -> None:
    lent, own = make(admin, owner), make(admin, guest)
    share(owner, lent, guest.project)
    port = resources(guest)["port"]
    route = {"type": "bgpvpn", "bgpvpn_id": uuid_of(lent)}
    body = {"port_association": {"port_id": port, "routes": [route]}}
    answer = guest.call("POST", f"{own}/port_associations", body)
    assert (answer.status, answer.kind) == (400, "BGPVPNPortAssocRouteWrongBGPVPNProject")


def test_association_and_end_of_sharing_at_once(admin: User, owner: User, guest: User) -> None:
    """Whichever comes first, no association is left that no policy allows, and nobody gets a 500."""
    with ThreadPoolExecutor(2) as pool:
        for number in range(6):
            one = make(admin, owner)
            policy, network = share(owner, one, guest.project), guest.network(V4)["id"]
            bound = pool.submit(associate, guest, one, "network", network)
            ended = pool.submit(owner.call, "DELETE", policy)
            outcome = (bound.result().status, ended.result().status)
            assert outcome in {(201, 409), (404, 204), (403, 204)}, number
            assert len(admin.get(f"{one}/network_associations")) == (1 if outcome[0] == 201 else 0)
