"""Many clients at once on two API processes: MariaDB's deadlocks and lost races are not the clients' concern."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections import Counter
from collections.abc import Callable

import pymysql
import pytest

from tests.neutron.cloud import V4, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
CLIENTS, TURNS = 8, 6


def at_once(cloud: Cloud, project: str, work: Callable[[User, int], list[int]]) -> Counter[int]:
    """The statuses that all clients got, each at work at the same time."""
    users = [cloud.user(project, "admin") for _ in range(CLIENTS)]
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        return Counter(status for seen in pool.map(work, users, range(CLIENTS)) for status in seen)


def test_clients_at_once_are_all_served(cloud: Cloud, owner: User) -> None:
    """Each makes BGPVPNs and associates them with what the others associate too, then takes some out again."""
    networks = [owner.network(V4)["id"], owner.make("networks", name="bare")["id"]]
    router = owner.make("routers", name="r")["id"]

    def work(user: User, number: int) -> list[int]:
        seen = []
        for turn in range(TURNS):
            body = {"project_id": owner.project, "name": f"{number}-{turn}", "route_targets": ["64512:1"]}
            made = user.call("POST", BGPVPNS, {"bgpvpn": body})
            seen.append(made.status)
            one = f"{BGPVPNS}/{made.body['bgpvpn']['id']}"
            network, project = networks[turn % 2], {"project_id": owner.project}
            bound = user.call(
                "POST", f"{one}/network_associations", {"network_association": {"network_id": network} | project}
            )
            seen.append(bound.status)
            routed = user.call(
                "POST", f"{one}/router_associations", {"router_association": {"router_id": router} | project}
            )
            seen.append(routed.status)
            if turn % 3 == 0:
                association = bound.body["network_association"]["id"]
                seen.append(user.call("DELETE", f"{one}/network_associations/{association}").status)
        return seen

    deleted = CLIENTS * len(range(0, TURNS, 3))
    assert at_once(cloud, owner.project, work) == {201: CLIENTS * TURNS * 3, 204: deleted}
    listed = owner.get(BGPVPNS)
    assert len(listed) == CLIENTS * TURNS
    assert all(made["routers"] == [router] for made in listed)
    assert sum(len(made["networks"]) for made in listed) == CLIENTS * TURNS - deleted


def test_of_many_that_want_one_number_one_gets_it(cloud: Cloud, owner: User, admin: User) -> None:
    def work(user: User, _number: int) -> list[int]:
        wanted = {"project_id": owner.project, "vni": 7777}
        return [user.call("POST", BGPVPNS, {"bgpvpn": wanted}).status]

    assert at_once(cloud, owner.project, work) == {201: 1, 409: CLIENTS - 1}
    assert len(admin.get(BGPVPNS, vni=7777)) == 1


def test_of_many_that_associate_the_same_one_does(cloud: Cloud, owner: User, admin: User) -> None:
    made = admin.make(BGPVPNS, project_id=owner.project)
    network = owner.network(V4)["id"]

    def work(user: User, _number: int) -> list[int]:
        body = {"network_association": {"network_id": network, "project_id": owner.project}}
        return [user.call("POST", f"{BGPVPNS}/{made['id']}/network_associations", body).status]

    assert at_once(cloud, owner.project, work) == {201: 1, 400: CLIENTS - 1}
    assert owner.get(f"{BGPVPNS}/{made['id']}")["networks"] == [network]


@pytest.mark.parametrize("goes", ["networks", "isthmus_bgpvpns"])
def test_what_goes_while_it_is_associated_is_not_found(cloud: Cloud, owner: User, admin: User, goes: str) -> None:
    """The request has looked it up, then waits for whoever deletes it."""
    vpn, network = admin.make(BGPVPNS, project_id=owner.project)["id"], owner.network()["id"]
    its_attributes = f"SELECT standard_attr_id FROM {goes} WHERE id = %s"
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        contextlib.closing(pymysql.connect(unix_socket=str(cloud.sockets["mysql"]), user="root")) as going,
    ):
        going.select_db("neutron")
        row = network if goes == "networks" else vpn
        going.cursor().execute(f"DELETE FROM standardattributes WHERE id = ({its_attributes})", row)
        body = {"network_association": {"network_id": network}}
        asked = pool.submit(owner.call, "POST", f"{BGPVPNS}/{vpn}/network_associations", body)
        cloud.until_one_waits()
        going.commit()
        assert asked.result().status == 404
    cloud.northbound.run("--if-exists", "ls-del", f"neutron-{network}")
