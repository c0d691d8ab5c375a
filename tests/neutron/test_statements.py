"""What requests cost in SQL: a number that does not depend on how much there is. MariaDB's own log counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.neutron.cloud import V4, Cloud, User
from tests.neutron.many import OURS, Filler

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
KINDS = ("network", "router", "port")
MAKE_SELECTS, ASSOCIATE_SELECTS = 2, 41
"""The first are the limits of the project and a free VNI: Neutron makes no reservation. Of the others nine are for the
BGPVPN's own row, which is settled and written with its first association, and one asks for ports that no hypervisor
serves."""
MANY = 1100
"""Neutron's models read some things by the 500."""


@pytest.fixture
def selects(cloud: Cloud) -> Callable[[Callable[[], Any]], int]:
    """How many SELECTs from tables a request makes: the fewest of three times, for both API processes load something at
    their first, and Neutron has heartbeats."""

    def count(request: Callable[[], Any]) -> int:
        return min(once(request) for _ in range(3))

    def once(request: Callable[[], Any]) -> int:
        cloud.sql("SET GLOBAL log_output = 'TABLE'")
        cloud.sql("TRUNCATE mysql.general_log")
        cloud.sql("SET GLOBAL general_log = 1")
        request()
        cloud.sql("SET GLOBAL general_log = 0")
        query = "SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE %s AND argument NOT LIKE %s"
        return int(cloud.sql(query, "SELECT%FROM%", "%ovn_hash_ring%")[0][0])

    return count


@pytest.fixture
def grow(admin: User, owner: User) -> Callable[[], dict[str, Any]]:
    """One more BGPVPN with lists, tags, an association of each kind, and routes of the port."""
    network, router = owner.network(V4), owner.make("routers", name="r")

    def make() -> dict[str, Any]:
        made = admin.make(
            BGPVPNS, project_id=owner.project, name="v", route_targets=["1:1", "1:2"], import_targets=["1:3"]
        )
        admin.put(f"bgpvpns/{made['id']}/tags", {"tags": ["a", "b"]})
        port = owner.make("ports", network_id=network["id"])
        one = f"{BGPVPNS}/{made['id']}"
        owner.make(f"{one}/network_associations", network_id=network["id"])
        owner.make(f"{one}/router_associations", router_id=router["id"])
        owner.make(
            f"{one}/port_associations", port_id=port["id"], routes=[{"type": "prefix", "prefix": "192.0.2.0/24"}]
        )
        return made

    return make


def test_a_list_of_bgpvpns_costs_the_same_however_long_it_is(
    selects: Callable[..., int], grow: Callable[..., Any], admin: User, owner: User
) -> None:
    asked: dict[str, Callable[[], Any]] = {
        "operator's": lambda: admin.get(BGPVPNS, project_id=owner.project),
        "owner's": lambda: owner.get(BGPVPNS),
        "sorted and filtered": lambda: owner.get(BGPVPNS, name="v", sort_key="name", sort_dir="desc"),
        "first page": lambda: owner.get(BGPVPNS, limit=2),
        "all associations": lambda: owner.get("bgpvpn/bgpvpn_associations"),
    }
    grow()
    with_one = {what: selects(request) for what, request in asked.items()}
    for _ in range(4):
        grow()
    assert {what: selects(request) for what, request in asked.items()} == with_one
    assert len(owner.get(BGPVPNS)) == 5


def test_a_list_of_very_many_costs_the_same(
    cloud: Cloud, selects: Callable[..., int], grow: Callable[..., Any], admin: User, owner: User
) -> None:
    asked: dict[str, Callable[[], Any]] = {
        "BGPVPNs": lambda: admin.get(BGPVPNS, project_id=owner.project),
        "associations": lambda: admin.get("bgpvpn/bgpvpn_associations", project_id=owner.project),
    }
    made = grow()
    asked["associations of one"] = lambda: owner.get(f"{BGPVPNS}/{made['id']}/network_associations")
    with_one = {what: selects(request) for what, request in asked.items()}
    filler = Filler(cloud, owner.project)
    filler.fill_things(MANY)
    filler.fill(OURS, MANY)
    filler.gather(made["id"], MANY)
    assert len(admin.get(BGPVPNS, project_id=owner.project)) == MANY + 1
    for what, request in asked.items():
        assert selects(request) <= with_one[what], what  # of so many, the status of each is looked at less closely
    filler.clear()
    assert len(admin.get(BGPVPNS, project_id=owner.project)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_associations_costs_the_same_however_long_it_is(
    kind: str, selects: Callable[..., int], admin: User, owner: User
) -> None:
    made = admin.make(BGPVPNS, project_id=owner.project)
    path = f"{BGPVPNS}/{made['id']}/{kind}_associations"
    network = owner.network(V4)

    def associate() -> None:
        target = {
            "network": lambda: owner.make("networks", name="n"),
            "router": lambda: owner.make("routers", name="r"),
            "port": lambda: owner.make("ports", network_id=network["id"]),
        }[kind]()
        owner.make(path, **{f"{kind}_id": target["id"]})

    associate()
    with_one = selects(lambda: owner.get(path))
    for _ in range(4):
        associate()
    assert selects(lambda: owner.get(path)) == with_one
    assert len(owner.get(path)) == 5


def test_an_association_costs_the_same_however_many_bgpvpns_there_are(
    selects: Callable[..., int], admin: User, owner: User
) -> None:
    """networking-bgpvpn reads every BGPVPN of the project before it says yes."""
    made = admin.make(BGPVPNS, project_id=owner.project)
    network, router = owner.network(V4), owner.make("routers", name="r")
    owner.plug(router["id"], network["subnet_ids"][0])
    path = f"{BGPVPNS}/{made['id']}/network_associations"

    def associate() -> None:
        bound = owner.make(path, network_id=network["id"])
        owner.delete(f"{path}/{bound['id']}")

    associate()
    alone = selects(associate)
    for _ in range(8):
        admin.make(BGPVPNS, project_id=owner.project)
    assert selects(associate) == alone


def test_a_post_reads_nothing_that_it_knows(selects: Callable[..., int], admin: User, owner: User) -> None:
    """What a request has made, or read already, it does not read again."""
    network = owner.network(V4)
    made = iter([admin.make(BGPVPNS, project_id=owner.project)["id"] for _ in range(3)])
    assert selects(lambda: admin.make(BGPVPNS, project_id=owner.project)) <= MAKE_SELECTS

    def associate() -> None:
        owner.make(f"{BGPVPNS}/{next(made)}/network_associations", network_id=network["id"])

    assert selects(associate) <= ASSOCIATE_SELECTS
