"""Numbers and VNIs are unique in the cloud, whoever asks at the same time."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from isthmus.model.intent import NUMBER_MAX, NUMBER_MIN
from tests.neutron.cloud import V4, Answer, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"


def at_once(jobs: list[Any]) -> list[Any]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        return [future.result() for future in [pool.submit(*job) for job in jobs]]


def create(cloud: Cloud, project: str, body: dict[str, Any]) -> Answer:
    return cloud.admin.call("POST", BGPVPNS, {"bgpvpn": {"project_id": project, **body}})


def associate(cloud: Cloud, project: str, bgpvpn: str, kind: str, target: str) -> Answer:
    path = f"{BGPVPNS}/{bgpvpn}/{kind}_associations"
    return cloud.user(project).call("POST", path, {f"{kind}_association": {f"{kind}_id": target}})


def test_concurrent_creates_get_vnis_of_the_range_that_differ(cloud: Cloud, owner: User) -> None:
    answers = at_once([(create, cloud, owner.project, {}) for _ in range(40)])
    assert Counter(a.status for a in answers) == {201: 40}
    vnis = [v for (v,) in cloud.sql("SELECT vni FROM isthmus_vnis WHERE NOT explicit")]
    assert len(set(vnis)) == len(vnis) >= 40
    assert all(2**23 <= v < 2**24 for v in vnis)


def test_of_many_who_want_one_vni_one_gets_it(cloud: Cloud, owner: User) -> None:
    answers = at_once([(create, cloud, owner.project, {"vni": 5000}) for _ in range(12)])
    assert Counter(a.status for a in answers) == {201: 1, 409: 11}
    assert {a.kind for a in answers if a.status == 409} == {"BGPVPNVniInUse"}
    assert len(cloud.admin.get(BGPVPNS, vni="5000")) == 1
    assert len(owner.get(BGPVPNS)) == 1


def test_concurrent_associations_get_numbers_that_differ(cloud: Cloud, owner: User) -> None:
    bgpvpns = [create(cloud, owner.project, {}).body["bgpvpn"]["id"] for _ in range(6)]
    networks = [owner.network({**V4, "cidr": f"10.{n}.0.0/24"})["id"] for n in range(4)]
    jobs = [(associate, cloud, owner.project, b, "network", n) for b in bgpvpns for n in networks]
    answers = at_once(jobs)
    assert Counter(a.status for a in answers) == {201: len(jobs)}, [a for a in answers if a.status != 201]
    rows = cloud.sql("SELECT number, attachment_id, bgpvpn_id FROM isthmus_numbers WHERE bgpvpn_id IN %s", bgpvpns)
    assert len(rows) == len({(a, b) for _n, a, b in rows}) == len(jobs)
    assert all(NUMBER_MIN <= n <= NUMBER_MAX for n, _a, _b in rows)
    everything = [n for (n,) in cloud.sql("SELECT number FROM isthmus_numbers")]
    assert len(everything) == len(set(everything))
    # What OVN tells the nodes is the same.
    for network in networks:
        told = cloud.northbound.switch(f"isthmus-ts-{network}")[f"isthmus-ac-{network}"]["external_ids"]
        numbers = {int(re.findall(r'"n":(\d+)', v)[0]) for k, v in told.items() if k.startswith("isthmus:a:")}
        assert numbers == {n for n, a, _b in rows if a == f"network:{network}"}


def test_the_same_association_many_times_at_once_is_made_once(cloud: Cloud, owner: User) -> None:
    bgpvpn, network = create(cloud, owner.project, {}).body["bgpvpn"]["id"], owner.network(V4)["id"]
    answers = at_once([(associate, cloud, owner.project, bgpvpn, "network", network)] * 8)
    assert Counter(a.status for a in answers) == {201: 1, 400: 7}


def test_two_networks_behind_one_router_share_its_number(cloud: Cloud, owner: User) -> None:
    bgpvpn = create(cloud, owner.project, {}).body["bgpvpn"]["id"]
    router = owner.make("routers", name="r")["id"]
    networks = [owner.network({**V4, "cidr": f"10.{n}.0.0/24"}) for n in range(2)]
    for network in networks:
        assert owner.plug(router, network["subnet_ids"][0]).status == 200
    answers = at_once([(associate, cloud, owner.project, bgpvpn, "network", n["id"]) for n in networks])
    assert Counter(a.status for a in answers) == {201: 2}
    query = "SELECT attachment_id FROM isthmus_numbers WHERE bgpvpn_id = %s"
    assert cloud.sql(query, bgpvpn) == [(f"router:{router}",)]
    path = f"{BGPVPNS}/{bgpvpn}/network_associations"
    for association in owner.get(path)[:-1]:
        owner.delete(f"{path}/{association['id']}")
        assert cloud.sql(query, bgpvpn) == [(f"router:{router}",)], "still needed by the others"
    owner.delete(f"{path}/{owner.get(path)[0]['id']}")
    assert cloud.sql(query, bgpvpn) == []


def test_a_router_and_its_network_at_once_cannot_both_be_associated(cloud: Cloud, owner: User) -> None:
    for _round in range(2):
        bgpvpn, network = create(cloud, owner.project, {}).body["bgpvpn"]["id"], owner.network(V4)
        router = owner.make("routers", name="r")["id"]
        assert owner.plug(router, network["subnet_ids"][0]).status == 200
        answers = at_once(
            [
                (associate, cloud, owner.project, bgpvpn, "network", network["id"]),
                (associate, cloud, owner.project, bgpvpn, "router", router),
            ]
        )
        assert sorted(a.status for a in answers) == [201, 400]
        assert next(a for a in answers if a.status == 400).kind == "BGPVPNNetworkRouterConflict"


def test_creates_and_deletes_at_once_leave_no_number(cloud: Cloud, owner: User) -> None:
    bgpvpns = [create(cloud, owner.project, {}).body["bgpvpn"]["id"] for _ in range(8)]
    router = owner.make("routers", name="r")["id"]
    assert owner.plug(router, owner.network(V4)["subnet_ids"][0]).status == 200

    def come_and_go(bgpvpn: str) -> list[int]:
        made = associate(cloud, owner.project, bgpvpn, "router", router)
        path = f"{BGPVPNS}/{bgpvpn}/router_associations/{made.body['router_association']['id']}"
        return [made.status, owner.call("DELETE", path).status]

    assert at_once([(come_and_go, b) for b in bgpvpns]) == [[201, 204]] * 8
    assert cloud.sql("SELECT * FROM isthmus_numbers WHERE bgpvpn_id IN %s", bgpvpns) == []
    assert [row for row in cloud.northbound.ours() if router in row] == []
