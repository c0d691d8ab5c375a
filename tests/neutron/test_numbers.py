"""Numbers and VNIs are unique in the cloud, whoever asks at the same time."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from isthmus.model.intent import NUMBER_MAX, NUMBER_MIN
from isthmus.neutron.ovn.reconciler import Reconciler
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


@pytest.mark.usefixtures("form_1")
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


@pytest.mark.usefixtures("form_1")
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


def numbers_of(cloud: Cloud, attachment: str) -> dict[str, int]:
    rows = cloud.sql("SELECT bgpvpn_id, number FROM isthmus_numbers WHERE attachment_id = %s", attachment)
    return dict(rows)


@pytest.mark.usefixtures("form_1")
def test_a_pair_gets_its_old_number_back(cloud: Cloud, owner: User) -> None:
    """A router comes and goes on a network in several BGPVPNs, as often as somebody likes: no number is burnt."""
    bgpvpns = [create(cloud, owner.project, {}).body["bgpvpn"]["id"] for _ in range(6)]
    network, router = owner.network(V4), owner.make("routers", name="r")["id"]
    for bgpvpn in bgpvpns:
        assert associate(cloud, owner.project, bgpvpn, "network", network["id"]).status == 201
    alone, behind = f"network:{network['id']}", f"router:{router}"
    first = numbers_of(cloud, alone)
    assert owner.plug(router, network["subnet_ids"][0]).status == 200
    second = numbers_of(cloud, behind)
    assert (numbers_of(cloud, alone), len(second)) == ({}, 6)
    for _round in range(2):
        assert owner.unplug(router, network["subnet_ids"][0]).status == 200
        assert (numbers_of(cloud, alone), numbers_of(cloud, behind)) == (first, {})
        assert owner.plug(router, network["subnet_ids"][0]).status == 200
        assert (numbers_of(cloud, alone), numbers_of(cloud, behind)) == ({}, second)
    rested = cloud.sql("SELECT COUNT(*) FROM isthmus_resting_numbers WHERE bgpvpn_id IN %s", bgpvpns)
    assert rested == [(12,)]


@pytest.mark.usefixtures("form_1")
def test_a_pair_whose_number_is_somebody_elses_by_now_gets_another(cloud: Cloud, owner: User) -> None:
    bgpvpn, network = create(cloud, owner.project, {}).body["bgpvpn"]["id"], owner.network(V4)["id"]
    path = f"{BGPVPNS}/{bgpvpn}/network_associations"
    made = owner.make(path, network_id=network)["id"]
    [number] = numbers_of(cloud, f"network:{network}").values()
    owner.delete(f"{path}/{made}")
    other = owner.network({**V4, "cidr": "10.2.0.0/24"})["id"]
    owner.make(path, network_id=other)
    cloud.sql("UPDATE isthmus_numbers SET number = %s WHERE attachment_id = %s", number, f"network:{other}")
    owner.make(path, network_id=network)
    assert numbers_of(cloud, f"network:{network}") != {bgpvpn: number}
    assert numbers_of(cloud, f"network:{other}") == {bgpvpn: number}


@pytest.mark.usefixtures("form_1")
def test_numbers_that_rest_keep_nobody_out(cloud: Cloud, owner: User) -> None:
    """Somebody has laid down every number there is: another project's association gets the one that rests longest."""
    cloud.sql(
        "REPLACE INTO isthmus_resting_numbers (kind, value, released_at) "
        f"SELECT 'number', seq, UTC_TIMESTAMP() FROM seq_{NUMBER_MIN}_to_{NUMBER_MAX}"
    )
    try:
        used = {n for (n,) in cloud.sql("SELECT number FROM isthmus_numbers")}
        longest = next(n for n in range(40000, NUMBER_MAX) if n not in used)
        cloud.sql(
            "UPDATE isthmus_resting_numbers SET released_at = released_at - INTERVAL 9 MINUTE WHERE value = %s", longest
        )
        bgpvpn, network = create(cloud, owner.project, {}).body["bgpvpn"]["id"], owner.network(V4)["id"]
        assert associate(cloud, owner.project, bgpvpn, "network", network).status == 201
        assert numbers_of(cloud, f"network:{network}") == {bgpvpn: longest}
    finally:
        cloud.sql("DELETE FROM isthmus_resting_numbers")


@pytest.mark.parametrize("form", [1, 2])
@pytest.mark.usefixtures("form_1")
def test_where_hypervisors_give_numbers_the_cloud_gives_no_new_ones_and_takes_none(
    cloud: Cloud, owner: User, reconciler: Reconciler, form: int
) -> None:
    kept, new, gone = (create(cloud, owner.project, {}).body["bgpvpn"]["id"] for _ in range(3))
    network = owner.network(V4)["id"]
    name = f"network:{network}"
    for bgpvpn in (kept, gone):
        assert associate(cloud, owner.project, bgpvpn, "network", network).status == 201
    before = numbers_of(cloud, name)
    assert set(before) == {kept, gone}
    cloud.write_in_form(form)
    reconciler.full_pass()
    assert numbers_of(cloud, name) == before, "its routes do not change"
    assert associate(cloud, owner.project, new, "network", network).status == 201
    path = f"{BGPVPNS}/{gone}/network_associations"
    owner.delete(f"{path}/{owner.get(path)[0]['id']}")
    after = numbers_of(cloud, name)
    assert after[kept] == before[kept]
    assert set(after) == ({kept, new} if form == 1 else {kept})
    told = {a.bgpvpn: a.number for a in cloud.northbound.intent(network).associations}
    assert told == {kept: before[kept], new: after.get(new)}
    assert reconciler.full_pass() == []
    cloud.write_in_form(1)
    reconciler.full_pass()
    assert set(numbers_of(cloud, name)) == {kept, new}, "an agent that cannot give its own has come back"
