"""Quotas: read and set by Neutron's quota API, held whoever asks at the same time."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.neutron.cloud import V4, Answer, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
NAMES = ("bgpvpn", "bgpvpn_association", "bgpvpn_port_route", "bgpvpn_route_target")
DRAWN = {"bgpvpn_vni": 500, "bgpvpn_pool_target": 500, "bgpvpn_number": 5000}


def limit(admin: User, owner: User, **limits: int) -> None:
    answer = admin.put(f"quotas/{owner.project}", {"quota": limits})
    assert {name: answer["quota"][name] for name in limits} == limits


def used(admin: User, owner: User) -> dict[str, int]:
    details = admin.get(f"quotas/{owner.project}/details")
    return {name: details[name]["used"] for name in NAMES}


def make(admin: User, owner: User, **attributes: Any) -> str:
    return str(admin.make(BGPVPNS, project_id=owner.project, **attributes)["id"])


def over(answer: Answer, *names: str) -> None:
    assert (answer.status, answer.kind) == (409, "OverQuota"), answer
    assert all(name in answer.message for name in names), answer.message


def at_once(jobs: list[tuple[Any, ...]]) -> Counter[int]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = [f.result() for f in [pool.submit(user.call, *rest) for user, *rest in jobs]]
    assert {a.kind for a in answers if a.status == 409} <= {"OverQuota"}
    return Counter(a.status for a in answers)


def test_quotas_are_unlimited_by_default_and_can_be_set_and_reset(admin: User, owner: User) -> None:
    shown = admin.get(f"quotas/{owner.project}")
    assert {name: shown[name] for name in NAMES} == dict.fromkeys(NAMES, -1)
    assert {name: shown[name] for name in DRAWN} == DRAWN, "what all draw from has a limit"
    limit(admin, owner, bgpvpn=3, bgpvpn_association=4, bgpvpn_port_route=5, bgpvpn_route_target=6)
    assert [owner.get(f"quotas/{owner.project}")[name] for name in NAMES] == [3, 4, 5, 6]
    assert owner.call("PUT", f"quotas/{owner.project}", {"quota": {"bgpvpn": 9}}).status == 403
    admin.delete(f"quotas/{owner.project}")
    assert admin.get(f"quotas/{owner.project}")["bgpvpn"] == -1


def test_bgpvpns(admin: User, owner: User) -> None:
    limit(admin, owner, bgpvpn=2)
    first = make(admin, owner)
    two = {"bgpvpns": [{"project_id": owner.project}] * 2}
    over(admin.call("POST", BGPVPNS, two), "bgpvpn")
    assert used(admin, owner)["bgpvpn"] == 1
    make(admin, owner)
    over(admin.call("POST", BGPVPNS, {"bgpvpn": {"project_id": owner.project}}), "bgpvpn")
    assert admin.call("POST", BGPVPNS, {"bgpvpn": {"project_id": f"{owner.project}-other"}}).status == 201
    lower = admin.call("PUT", f"quotas/{owner.project}", {"quota": {"bgpvpn": 1}})
    assert lower.status == 400
    admin.delete(f"{BGPVPNS}/{first}")
    make(admin, owner)
    assert len(owner.get(BGPVPNS)) == 2


def test_of_many_bgpvpns_at_once_the_quota_lets_in_as_many_as_it_says(admin: User, owner: User) -> None:
    limit(admin, owner, bgpvpn=3)
    body = {"bgpvpn": {"project_id": owner.project, "name": "one"}}
    codes = at_once([(admin, "POST", BGPVPNS, body)] * 10)
    assert codes == {201: 3, 409: 7}
    assert len(owner.get(BGPVPNS)) == 3
    over(admin.call("POST", BGPVPNS, body), "bgpvpn")


def test_associations_of_every_kind_are_counted_together(admin: User, owner: User) -> None:
    limit(admin, owner, bgpvpn_association=3)
    one = f"{BGPVPNS}/{make(admin, owner)}"
    network = owner.network(V4)
    port = owner.make("ports", network_id=network["id"])["id"]
    owner.make(f"{one}/network_associations", network_id=network["id"])
    owner.make(f"{one}/router_associations", router_id=owner.make("routers", name="r")["id"])
    association = owner.make(f"{one}/port_associations", port_id=port)["id"]
    assert used(admin, owner)["bgpvpn_association"] == 3
    other = {"network_association": {"network_id": owner.network({**V4, "cidr": "10.2.0.0/24"})["id"]}}
    over(owner.call("POST", f"{one}/network_associations", other), "bgpvpn_association")
    owner.delete(f"{one}/port_associations/{association}")
    assert owner.call("POST", f"{one}/network_associations", other).status == 201


def test_of_many_associations_at_once_the_quota_lets_in_as_many_as_it_says(
    cloud: Cloud, admin: User, owner: User
) -> None:
    limit(admin, owner, bgpvpn_association=3)
    one = f"{BGPVPNS}/{make(admin, owner)}"
    networks = [owner.network({**V4, "cidr": f"10.{n}.0.0/24"})["id"] for n in range(8)]
    bodies = [{"network_association": {"network_id": network}} for network in networks]
    codes = at_once([(cloud.user(owner.project), "POST", f"{one}/network_associations", body) for body in bodies])
    assert codes == {201: 3, 409: 5}
    assert len(owner.get(f"{one}/network_associations")) == 3


@pytest.mark.usefixtures("form_1")
def test_numbers_count_while_they_rest_and_come_back_for_nothing(admin: User, owner: User) -> None:
    limit(admin, owner, bgpvpn_number=2)
    one = f"{BGPVPNS}/{make(admin, owner)}/network_associations"
    networks = [owner.network({**V4, "cidr": f"10.{n}.0.0/24"})["id"] for n in range(3)]
    first = owner.make(one, network_id=networks[0])["id"]
    owner.make(one, network_id=networks[1])
    body = {"network_association": {"network_id": networks[2]}}
    over(owner.call("POST", one, body), "bgpvpn_number")
    owner.delete(f"{one}/{first}")
    over(owner.call("POST", one, body), "bgpvpn_number")
    assert admin.get(f"quotas/{owner.project}/details")["bgpvpn_number"]["used"] == 2
    owner.make(one, network_id=networks[0])
    assert admin.get(f"quotas/{owner.project}/details")["bgpvpn_number"]["used"] == 2


def test_routes_of_port_associations(admin: User, owner: User) -> None:
    limit(admin, owner, bgpvpn_port_route=3)
    path = f"{BGPVPNS}/{make(admin, owner)}/port_associations"
    network = owner.network(V4)["id"]
    ports = [owner.make("ports", network_id=network)["id"] for _ in range(2)]
    routes = [{"type": "prefix", "prefix": f"10.9.{n}.0/24"} for n in range(4)]
    over(owner.call("POST", path, {"port_association": {"port_id": ports[0], "routes": routes}}), "bgpvpn_port_route")
    made = owner.make(path, port_id=ports[0], routes=routes[:2])
    over(
        owner.call("POST", path, {"port_association": {"port_id": ports[1], "routes": routes[:2]}}), "bgpvpn_port_route"
    )
    owner.make(path, port_id=ports[1], routes=routes[:1])
    assert used(admin, owner)["bgpvpn_port_route"] == 3
    one = f"{path}/{made['id']}"
    over(owner.call("PUT", one, {"port_association": {"routes": routes[:3]}}), "bgpvpn_port_route")
    assert owner.call("PUT", one, {"port_association": {"routes": routes[2:4]}}).status == 200, "as many as before"
    assert owner.call("PUT", one, {"port_association": {"routes": routes[:1]}}).status == 200
    assert owner.call("PUT", one, {"port_association": {"routes": routes[:2]}}).status == 200


def test_route_targets_of_one_bgpvpn(admin: User, owner: User) -> None:
    limit(admin, owner, bgpvpn_route_target=3)
    body = {"project_id": owner.project, "route_targets": ["1:1", "1:2"], "import_targets": ["1:3", "1:4"]}
    over(admin.call("POST", BGPVPNS, {"bgpvpn": body}), "bgpvpn_route_target")
    one = f"{BGPVPNS}/{make(admin, owner, route_targets=['1:1', '1:2'], import_targets=['1:2', '1:3'])}"
    make(admin, owner, route_targets=["1:1", "1:2"], route_distinguishers=["77:1", "77:2", "77:3", "77:4"])
    assert used(admin, owner)["bgpvpn_route_target"] == 3, "different ones, in the BGPVPN that has most"
    over(admin.call("PUT", one, {"bgpvpn": {"export_targets": ["1:4"]}}), "bgpvpn_route_target")
    assert admin.call("PUT", one, {"bgpvpn": {"export_targets": ["1:3", "1:1"]}}).status == 200
    admin.put(f"quotas/{owner.project}", {"quota": {"bgpvpn_route_target": 1, "force": True}})
    assert admin.call("PUT", one, {"bgpvpn": {"import_targets": []}}).status == 200, "fewer is always possible"
    over(admin.call("PUT", one, {"bgpvpn": {"import_targets": ["1:9", "1:8"]}}), "bgpvpn_route_target")
