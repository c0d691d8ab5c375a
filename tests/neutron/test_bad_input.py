"""What the API refuses, and that it never answers 500 and never keeps half of something."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.neutron.cloud import V4, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
LISTS = ("route_targets", "import_targets", "export_targets", "route_distinguishers")
BAD_TARGETS = [
    "0",
    "test",
    " ",
    "",
    "64512:1 ",
    "64512:01",
    "064512:1",
    "65536:65536",
    "65535:4294967296",
    "4294967296:1",
    "10.0.0.1:65536",
    "10.0.0.256:1",
    "10.0.0:1",
    "-1:1",
    "1:-1",
    "1:1:1",
    "target:1:1",
    "1.5:1",
    "*:1",
    "1:\u0661",  # ARABIC-INDIC DIGIT ONE
    1,
    1.5,
    True,
    None,
    {},
    ["1:1"],
]


@pytest.mark.parametrize("attribute", LISTS)
def test_a_malformed_target_is_refused_with_attribute_and_rule(admin: User, owner: User, attribute: str) -> None:
    kept = admin.make(BGPVPNS, project_id=owner.project, **{attribute: ["1:1"]})
    for bad in BAD_TARGETS:
        body = {"bgpvpn": {attribute: ["64512:1", bad], "name": "never"}}
        for method, path in (("POST", BGPVPNS), ("PUT", f"{BGPVPNS}/{kept['id']}")):
            answer = admin.call(method, path, body)
            assert answer.status == 400, (method, bad, answer)
            assert attribute in answer.message
            if isinstance(bad, str):
                assert "it must be <2-byte AS>:<32-bit number>" in answer.message
    for repeated in (["1:1", "1:1"],):
        answer = admin.call("POST", BGPVPNS, {"bgpvpn": {attribute: repeated, "name": "never"}})
        assert answer.status == 400
        assert f"Invalid input for {attribute}. Reason: 1:1 is given twice." in answer.message
    assert admin.get(BGPVPNS, name="never") == []
    assert admin.get(f"{BGPVPNS}/{kept['id']}") == kept
    admin.delete(f"{BGPVPNS}/{kept['id']}")  # others name the same route distinguisher


@pytest.mark.parametrize("attribute", LISTS[:3])
def test_the_target_of_the_hypervisors_beacons_is_no_bgpvpns(admin: User, owner: User, attribute: str) -> None:
    kept = admin.make(BGPVPNS, project_id=owner.project)
    for method, path in (("POST", BGPVPNS), ("PUT", f"{BGPVPNS}/{kept['id']}")):
        answer = admin.call(method, path, {"bgpvpn": {attribute: ["64512:1", "65535:4789"], "name": "never"}})
        assert answer.status == 400, (method, answer)
        assert attribute in answer.message and "hypervisors' own beacons" in answer.message
    assert admin.get(BGPVPNS, name="never") == []
    admin.delete(f"{BGPVPNS}/{kept['id']}")


def test_a_malformed_vni_is_refused_with_the_rule(cloud: Cloud, admin: User) -> None:
    before = cloud.sql("SELECT COUNT(*) FROM isthmus_vnis")
    for bad in (0, -1, 2**24, 2**64, 10**400, "0", "16777216", "x", "", "1.5", 1.5, 1e300, True, [1], {}, "\u0661"):
        answer = admin.call("POST", BGPVPNS, {"bgpvpn": {"vni": bad, "name": "never"}})
        assert answer.status == 400, bad
        assert "vni" in answer.message
        assert "1 to 16777215" in answer.message
    assert admin.get(BGPVPNS, name="never") == []
    assert cloud.sql("SELECT COUNT(*) FROM isthmus_vnis") == before


def test_a_vni_of_another_bgpvpn_is_refused(cloud: Cloud, admin: User) -> None:
    taken = admin.make(BGPVPNS, vni=4900)
    answer = admin.call("POST", BGPVPNS, {"bgpvpn": {"vni": "4900", "name": "never"}})
    assert (answer.status, answer.kind) == (409, "BGPVPNVniInUse")
    assert answer.message == "VNI 4900 is used by another BGPVPN of this cloud"
    given_out = admin.make(BGPVPNS)
    [(vni,)] = cloud.sql("SELECT vni FROM isthmus_vnis WHERE bgpvpn_id = %s", given_out["id"])
    assert given_out["vni"] is None
    assert admin.call("POST", BGPVPNS, {"bgpvpn": {"vni": vni, "name": "never"}}).status == 409
    assert admin.get(BGPVPNS, name="never") == []
    admin.delete(f"{BGPVPNS}/{taken['id']}")
    assert admin.make(BGPVPNS, vni=4900)["vni"] == 4900


def test_what_cannot_be_changed_is_refused(admin: User, owner: User) -> None:
    made = admin.make(BGPVPNS, project_id=owner.project, vni=4901)
    for attribute, value in [
        ("id", str(uuid.uuid4())),
        ("type", "l2"),
        ("vni", 4902),
        ("project_id", "other"),
        ("networks", []),
        ("routers", []),
        ("nonsense", 1),
        ("local_pref", -1),
        ("fallback", "private"),
        ("fallback", ""),
        ("fallback", ["all"]),
        ("families", []),
        ("families", "ipv4"),
        ("families", ["evpn", "evpn"]),
        ("families", [["evpn"]]),
        ("families", {"evpn": 1}),
        ("ports", []),
        ("name", None),
        ("name", 5),
        ("name", "x" * 256),
        ("name", "\U0001f600"),
        ("name", "\ud800"),
        ("description", "\U0001f600"),
        ("description", "\ud800"),
    ]:
        assert admin.call("PUT", f"{BGPVPNS}/{made['id']}", {"bgpvpn": {attribute: value}}).status == 400, attribute
    assert admin.get(f"{BGPVPNS}/{made['id']}") == made


@pytest.mark.usefixtures("form_1")
def test_more_than_a_node_can_read_is_refused(admin: User, owner: User) -> None:
    network = owner.network(V4)
    many = [f"4294967295:{n}" for n in range(64)]
    answers = []
    for number in range(16):
        lists = {"import_targets": many, "export_targets": many}
        made = admin.make(BGPVPNS, project_id=owner.project, name=f"big{number}", **lists)
        body = {"network_association": {"network_id": network["id"]}}
        answers.append(owner.call("POST", f"{BGPVPNS}/{made['id']}/network_associations", body))
        if answers[-1].status != 201:
            break
    assert answers[0].status == 201
    assert (answers[-1].status, answers[-1].kind) == (400, "BGPVPNTooManyAssociations")
    assert "at most 16384 fit" in answers[-1].message
    assert len(owner.get(BGPVPNS, networks=network["id"])) == len(answers) - 1


@pytest.mark.usefixtures("form_1")
def test_an_interface_that_would_be_more_than_a_node_can_read_is_refused(
    cloud: Cloud, admin: User, owner: User
) -> None:
    """What OVN has of the router stays: nothing of it would be left if it did not fit."""
    router = owner.make("routers", name="r")["id"]
    assert owner.plug(router, owner.network(V4)["subnet_ids"][0]).status == 200
    count = 64
    while count:
        targets = [f"4294967295:{n}" for n in range(count)]
        made = admin.make(BGPVPNS, project_id=owner.project, import_targets=targets, export_targets=targets)
        body = {"router_association": {"router_id": router}}
        if owner.call("POST", f"{BGPVPNS}/{made['id']}/router_associations", body).status != 201:
            count //= 2
    for number in range(2, 12):  # there is room for a few, but not for another association
        rows = [row for row in cloud.northbound.ours() if router in row]
        answer = owner.plug(router, owner.network({**V4, "cidr": f"10.{number}.0.0/24"})["subnet_ids"][0])
        if answer.status != 200:
            break
    assert (answer.status, answer.kind) == (409, "RouterInterfaceAttachmentConflict")
    assert "at most 16384 fit" in answer.message
    assert len(owner.get("ports", device_id=router)) == number - 1
    assert [row for row in cloud.northbound.ours() if router in row] == rows != []


def test_a_body_that_is_none(admin: User) -> None:
    for body in (
        b"",
        b"null",
        b"[]",
        b"5",
        b'"x"',
        b"{",
        b"{}",
        b'{"bgpvpn": 5}',
        b'{"bgpvpns": 5}',
        b"\xff\xfe",
        b"\x00",
    ):
        assert admin.call("POST", BGPVPNS, body).status == 400, body


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1:1", "l2", "64512:1", "auto"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ATTRIBUTES = (
    *LISTS,
    *(
        "name",
        "type",
        "vni",
        "local_pref",
        "fallback",
        "families",
        "id",
        "networks",
        "routers",
        "ports",
        "description",
        "project_id",
        "tenant_id",
    ),
    *("tags", "tags-any", "not-tags", "revision_number", "created_at", "x"),
)
RELAXED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def sendable(value: Any) -> bytes:
    return json.dumps(value).encode()


GOOD = {
    **{
        kind: st.lists(st.sampled_from(["1:1", "64512:2", "10.0.0.1:3", "4200000000:4"]), unique=True) for kind in LISTS
    },
    "name": st.text(alphabet=st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=255),
    "type": st.sampled_from(["l2", "l3"]),
    "vni": st.none() | st.integers(1, 2**24 - 1) | st.just("auto"),
    "local_pref": st.none() | st.integers(0, 2**32 - 1),
    "fallback": st.sampled_from([None, "all", "public", "none"]),
    "families": st.none() | st.lists(st.sampled_from(["evpn", "vpnv4", "vpnv6"]), unique=True, min_size=1),
    "description": st.text(max_size=5),
    "project_id": st.text(alphabet="0123456789abcdef", min_size=1),
}
BODIES = st.builds(
    lambda good, wild: good | wild,
    st.fixed_dictionaries({}, optional=GOOD),
    st.dictionaries(st.sampled_from(ATTRIBUTES), JSON, max_size=1),
)


@RELAXED
@given(body=BODIES)
def test_no_body_makes_the_server_fail(admin: User, body: dict[str, Any]) -> None:
    answer = admin.call("POST", BGPVPNS, sendable({"bgpvpn": body}))
    assert answer.status in (201, 400, 409), (body, answer)
    if answer.status == 201:
        one = f"{BGPVPNS}/{answer.body['bgpvpn']['id']}"
        assert admin.get(one) == answer.body["bgpvpn"], "what is answered is what is stored"
        change = admin.call("PUT", one, sendable({"bgpvpn": body}))
        assert change.status in (200, 400), (body, change)
        admin.delete(one)


WILD = st.dictionaries(
    st.sampled_from(
        ("network_id", "router_id", "port_id", "routes", "advertise_fixed_ips", "advertise_extra_routes", "description")
    ),
    JSON,
    max_size=3,
)
ROUTES = st.lists(
    st.dictionaries(
        st.sampled_from(["type", "prefix", "bgpvpn_id", "local_pref", "x"]),
        JSON | st.sampled_from(["prefix", "bgpvpn", "10.0.0.0/8", "::/0", "10.0.0.0/08", str(uuid.UUID(int=1))]),
        max_size=4,
    ),
    max_size=3,
)


@RELAXED
@given(kind=st.sampled_from(["network", "router", "port"]), body=WILD, routes=st.none() | ROUTES, whole=JSON)
def test_no_association_makes_the_server_fail(
    admin: User, owner: User, kind: str, body: dict[str, Any], routes: Any, whole: Any
) -> None:
    unknown = f"{BGPVPNS}/{uuid.UUID(int=1)}/{kind}_associations"
    for sent in ({f"{kind}_association": body}, {f"{kind}_associations": whole}, whole):
        assert admin.call("POST", unknown, sendable(sent)).status in (400, 404), sent
    if routes is not None:
        body = body | {"routes": routes}
    answer = admin.call("PUT", f"{unknown}/{uuid.UUID(int=2)}", sendable({f"{kind}_association": body}))
    assert answer.status in (400, 404), body


@pytest.fixture(scope="module")
def standing(cloud: Cloud) -> tuple[User, str, str]:
    """An owner, a port of theirs and a port association with a route: what is tried does not outlive an example."""
    admin, owner = cloud.admin, cloud.user(uuid.uuid4().hex)
    vpn = admin.make(BGPVPNS, project_id=owner.project)
    port = owner.make("ports", network_id=owner.network(V4)["id"])
    path = f"{BGPVPNS}/{vpn['id']}/port_associations"
    made = owner.make(path, port_id=port["id"], routes=[{"type": "prefix", "prefix": "10.0.0.0/8"}])
    return owner, path, made["id"]


@RELAXED
@given(body=WILD, routes=st.none() | ROUTES)
def test_no_change_of_a_port_association_makes_the_server_fail(
    standing: tuple[User, str, str], body: dict[str, Any], routes: Any
) -> None:
    owner, path, association = standing
    before = owner.get(f"{path}/{association}")
    sent = body if routes is None else body | {"routes": routes}
    answer = owner.call("PUT", f"{path}/{association}", sendable({"port_association": sent}))
    assert answer.status in (200, 400), (sent, answer)
    after = owner.get(f"{path}/{association}")
    if answer.status == 200:
        assert after == answer.body["port_association"]
        back = {"routes": after["routes"], "advertise_fixed_ips": after["advertise_fixed_ips"]}
        assert (
            owner.put(f"{path}/{association}", {"port_association": back})["port_association"]["routes"]
            == after["routes"]
        )
    else:
        assert after == before, "nothing of what was refused is stored"


QUERY_KEYS = (
    *ATTRIBUTES,
    "limit",
    "marker",
    "sort_key",
    "sort_dir",
    "page_reverse",
    "fields",
    "created_at",
    "updated_at",
)
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = TEXT | st.sampled_from(["1", "asc", "name", "l3", "vni", "\U0001f600", "0", "true"])


@RELAXED
@given(query=st.dictionaries(st.sampled_from(QUERY_KEYS), VALUES, max_size=4))
def test_no_query_makes_the_server_fail(admin: User, query: dict[str, str]) -> None:
    for path in (BGPVPNS, f"{BGPVPNS}/{uuid.UUID(int=1)}/network_associations"):
        assert admin.call("GET", path, **query).status in (200, 400, 404), query


def test_without_a_pool_of_route_targets_auto_is_refused_with_a_sentence(admin: User) -> None:
    answer = admin.call("POST", BGPVPNS, {"bgpvpn": {"route_targets": "auto"}})
    assert (answer.status, answer.kind) == (400, "BGPVPNNoRouteTargetPool")
    assert "[isthmus] route_target_pool" in answer.message
