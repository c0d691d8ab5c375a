"""Numbers from the cloud's pools: given once, kept while used, resting before they are given again."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from isthmus.model.intent import WRITES
from isthmus.neutron.words.ranges import Range
from tests.eventually import eventually
from tests.neutron.cloud import V4, Answer, Cloud, User
from tests.neutron.numbered import PLAIN, POOL, VNIS

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
RANGES = [Range.parse(text) for text in POOL.split(",")]
EVERY = [r.written(n) for r in RANGES for n in range(r.low, r.high + 1)]


@pytest.fixture
def operator(numbered: Cloud) -> Iterator[User]:
    """Leaves all numbers of the pools free."""
    yield numbered.admin
    for bgpvpn in numbered.admin.get(BGPVPNS):
        numbered.admin.delete(f"{BGPVPNS}/{bgpvpn['id']}")
    rest(numbered)


def rest(cloud: Cloud) -> None:
    """More than an hour passes."""
    for table in ("isthmus_pool_targets", "isthmus_resting_numbers"):
        cloud.sql(f"UPDATE {table} SET released_at = released_at - INTERVAL 3601 SECOND")


def make(user: User, **attributes: Any) -> dict[str, Any]:
    return user.make(BGPVPNS, **attributes)


def in_pool(target: str) -> bool:
    return target in EVERY


def leave(user: User, *targets: str) -> dict[str, Any]:
    """A BGPVPN that has every number of the pool but these."""
    return make(user, import_targets=[t for t in EVERY if t not in targets])


def at_once(count: int, work: Any) -> list[Any]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(work, range(count)))


def post(user: User, **attributes: Any) -> Answer:
    return user.call("POST", BGPVPNS, {"bgpvpn": attributes})


@pytest.mark.parametrize("asked", ["auto", ["auto"], ["64512:9", "auto", "64512:8"]])
def test_auto_becomes_a_route_target_of_the_pool_where_it_stood(operator: User, asked: Any) -> None:
    made = make(operator, route_targets=asked)
    targets = made["route_targets"]
    assert operator.get(f"{BGPVPNS}/{made['id']}") == made
    if len(targets) == 1:
        assert in_pool(targets[0])
    else:
        assert [targets[0], targets[2]] == ["64512:9", "64512:8"]
        assert in_pool(targets[1])
    assert operator.get(BGPVPNS, route_targets=targets[len(targets) // 2]) == [made]


def test_auto_in_a_put_gives_the_number_that_the_bgpvpn_has(operator: User) -> None:
    made = make(operator)
    one = f"{BGPVPNS}/{made['id']}"
    first = operator.put(one, {"bgpvpn": {"route_targets": "auto"}})["bgpvpn"]["route_targets"]
    assert in_pool(first[0])
    assert operator.put(one, {"bgpvpn": {"route_targets": ["auto"]}})["bgpvpn"]["route_targets"] == first
    changed = operator.put(one, {"bgpvpn": {"route_targets": ["64512:9", "auto"], "import_targets": first}})["bgpvpn"]
    assert changed["route_targets"] == ["64512:9", *first]
    assert operator.put(one, {"bgpvpn": {"route_targets": [*first, "auto"]}})["bgpvpn"]["route_targets"] == first
    assert operator.put(one, {"bgpvpn": {"name": "n"}})["bgpvpn"]["route_targets"] == first


def test_auto_has_its_place_in_route_targets_and_vni_only(operator: User) -> None:
    for attribute in ("import_targets", "export_targets", "route_distinguishers"):
        answer = post(operator, **{attribute: ["auto"]})
        assert (answer.status, f"Invalid input for {attribute}" in answer.message) == (400, True), answer
    assert post(operator, route_targets=["auto", "auto"]).status == 400
    assert post(operator, route_targets=["AUTO"]).status == 400
    assert post(operator, vni=["auto"]).status == 400
    assert operator.get(BGPVPNS) == []


def test_vni_auto_is_shown_and_null_is_not(numbered: Cloud, operator: User) -> None:
    shown, hidden = make(operator, vni="auto"), make(operator)
    assert VNIS[0] <= shown["vni"] <= VNIS[1]
    assert hidden["vni"] is None
    assert operator.get(BGPVPNS, vni=str(shown["vni"])) == [shown]
    assert operator.get(BGPVPNS, vni="auto") == []
    [(kept,)] = numbered.sql("SELECT vni FROM isthmus_vnis WHERE bgpvpn_id = %s", hidden["id"])
    assert VNIS[0] <= kept <= VNIS[1]
    assert operator.call("PUT", f"{BGPVPNS}/{shown['id']}", {"bgpvpn": {"vni": "auto"}}).status == 400


def test_concurrent_creates_get_numbers_that_differ_and_released_ones_rest(numbered: Cloud, operator: User) -> None:
    answers = at_once(len(EVERY), lambda _n: post(operator, route_targets="auto", vni="auto"))
    assert Counter(a.status for a in answers) == {201: len(EVERY)}, [a for a in answers if a.status != 201]
    made = [a.body["bgpvpn"] for a in answers]
    assert sorted(t for b in made for t in b["route_targets"]) == sorted(EVERY), "each number once, to the last"
    assert sorted(b["vni"] for b in made) == list(range(VNIS[0], VNIS[1] + 1))
    full = post(operator, route_targets="auto", vni=1)
    assert (full.status, full.kind) == (409, "BGPVPNNoRouteTargetLeft")
    assert "64512:1000-1007" in full.message
    for asked in ({"vni": "auto"}, {}):
        full = post(operator, **asked)
        assert (full.status, full.kind) == (409, "BGPVPNNoVniLeft")
    operator.delete(f"{BGPVPNS}/{made[0]['id']}")
    for asked in ({"vni": "auto"}, {}, {"vni": 1, "route_targets": "auto"}):
        assert post(operator, **asked).status == 409, "released numbers rest"
    named = make(operator, vni=made[0]["vni"])
    assert named["vni"] == made[0]["vni"], "who names it does not wait"
    operator.delete(f"{BGPVPNS}/{named['id']}")
    rest(numbered)
    again = make(operator, vni="auto", route_targets="auto")
    assert (again["vni"], again["route_targets"]) == (made[0]["vni"], made[0]["route_targets"])


def test_concurrent_puts_of_one_bgpvpn_take_one_number(numbered: Cloud, operator: User) -> None:
    one = f"{BGPVPNS}/{make(operator)['id']}"
    answers = at_once(8, lambda _n: operator.call("PUT", one, {"bgpvpn": {"route_targets": "auto"}}))
    assert Counter(a.status for a in answers) == {200: 8}, [a for a in answers if a.status != 200]
    assert len({tuple(a.body["bgpvpn"]["route_targets"]) for a in answers}) == 1
    assert numbered.sql("SELECT COUNT(*) FROM isthmus_pool_targets WHERE released_at IS NULL") == [(1,)]


def test_a_number_that_is_taken_out_of_the_list_rests_too(numbered: Cloud, operator: User) -> None:
    holder = leave(operator, EVERY[9])
    made = make(operator, route_targets="auto")
    one, [target] = f"{BGPVPNS}/{made['id']}", made["route_targets"]
    assert target == EVERY[9]
    operator.put(one, {"bgpvpn": {"route_targets": [], "export_targets": [target]}})
    rest(numbered)
    assert post(operator, route_targets="auto").status == 409, "it stands in another list"
    operator.put(one, {"bgpvpn": {"export_targets": []}})
    assert post(operator, route_targets="auto").status == 409, "it rests"
    back = operator.put(one, {"bgpvpn": {"route_targets": "auto"}})["bgpvpn"]
    assert back["route_targets"] == [target], "whose it was may have it again"
    operator.put(one, {"bgpvpn": {"route_targets": []}})
    rest(numbered)
    assert make(operator, route_targets="auto")["route_targets"] == [target]
    again = operator.call("PUT", one, {"bgpvpn": {"route_targets": "auto"}})
    assert (again.status, again.kind) == (409, "BGPVPNNoRouteTargetLeft"), "it is somebody else's now"
    kept = operator.get(f"{BGPVPNS}/{holder['id']}")
    assert kept | {"status_details": []} == holder, "but for the line that says that the pool is empty"


def test_what_somebody_named_by_hand_is_not_given(numbered: Cloud, operator: User) -> None:
    holder = f"{BGPVPNS}/{leave(operator)['id']}"
    assert post(operator, route_targets="auto").status == 409
    operator.put(holder, {"bgpvpn": {"import_targets": EVERY[1:]}})
    assert post(operator, route_targets="auto").status == 409
    rest(numbered)
    assert make(operator, route_targets="auto")["route_targets"] == EVERY[:1]


def test_a_number_stays_taken_while_anybody_has_it(numbered: Cloud, operator: User) -> None:
    """Whose it was is gone; a BGPVPN that an operator has joined to it is not."""
    leave(operator, EVERY[20])
    given = make(operator, route_targets="auto")
    joined = make(operator, import_targets=given["route_targets"])
    operator.delete(f"{BGPVPNS}/{given['id']}")
    rest(numbered)
    assert post(operator, route_targets="auto").status == 409
    operator.delete(f"{BGPVPNS}/{joined['id']}")
    rest(numbered)
    assert make(operator, route_targets="auto")["route_targets"] == given["route_targets"]


def test_the_number_of_a_router_rests_when_neutron_deletes_it(numbered: Cloud, operator: User) -> None:
    numbered.write_in_form(1)
    owner = numbered.user(uuid.uuid4().hex)
    bgpvpn = make(operator, project_id=owner.project)["id"]
    router, network = owner.make("routers", name="r")["id"], owner.network(V4)["id"]
    path = f"{BGPVPNS}/{bgpvpn}"
    owner.make(f"{path}/router_associations", router_id=router)
    association = owner.make(f"{path}/network_associations", network_id=network)["id"]
    numbers = dict(numbered.sql("SELECT attachment_id, number FROM isthmus_numbers WHERE bgpvpn_id = %s", bgpvpn))
    assert set(numbers) == {f"router:{router}", f"network:{network}"}
    owner.delete(f"routers/{router}")
    owner.delete(f"{path}/network_associations/{association}")
    resting = {v for (v,) in numbered.sql("SELECT value FROM isthmus_resting_numbers WHERE kind = 'number'")}
    assert set(numbers.values()) <= resting
    numbered.write_in_form(WRITES)


def test_a_route_distinguisher_belongs_to_one_bgpvpn(operator: User) -> None:
    made = make(operator, route_distinguishers=["64512:70", "64512:71"])
    taken = post(operator, route_distinguishers=["64512:72", "64512:71"], name="never")
    assert (taken.status, taken.kind) == (409, "BGPVPNRouteDistinguisherInUse")
    assert taken.message == "route distinguisher 64512:71 is used by another BGPVPN of this cloud"
    one = f"{BGPVPNS}/{made['id']}"
    assert operator.put(one, {"bgpvpn": {"route_distinguishers": ["64512:71"]}})["bgpvpn"]["name"] == ""
    make(operator, route_distinguishers=["64512:70"], route_targets=["64512:71"])
    assert operator.get(BGPVPNS, name="never") == []


def test_of_many_who_want_one_route_distinguisher_one_gets_it(operator: User) -> None:
    answers = at_once(8, lambda _n: post(operator, route_distinguishers=["64512:80"]))
    assert Counter(a.status for a in answers) == {201: 1, 409: 7}, [a for a in answers if a.status not in (201, 409)]


@pytest.mark.parametrize(
    ("quota", "asked"), [("bgpvpn_vni", {"vni": "auto"}), ("bgpvpn_vni", {}), ("bgpvpn_pool_target", "auto")]
)
def test_what_a_project_has_laid_down_counts_against_its_quota_while_it_rests(
    numbered: Cloud, operator: User, quota: str, asked: Any
) -> None:
    """No member takes from a pool what others need by making and deleting; who may name any number is not held up."""
    member = numbered.user(PLAIN)
    operator.put(f"quotas/{PLAIN}", {"quota": {quota: 2}})
    body = {"route_targets": "auto"} if asked == "auto" else asked
    try:
        made = make(member, **body)
        make(member, **body)
        for _again in range(2):
            refused = post(member, **body)
            assert (refused.status, refused.kind, quota in refused.message) == (409, "OverQuota", True), refused
            if made:
                member.delete(f"{BGPVPNS}/{made['id']}")
                made = {}
        assert operator.get(f"quotas/{PLAIN}/details")[quota]["used"] == 2
        assert post(operator, project_id=PLAIN, **body).status == 201
        rest(numbered)
        assert operator.get(f"quotas/{PLAIN}/details")[quota]["used"] == 2
        operator.put(f"quotas/{PLAIN}", {"quota": {quota: 3}})
        make(member, **body)
    finally:
        operator.delete(f"quotas/{PLAIN}")


def test_of_many_who_draw_at_once_the_quota_lets_in_as_many_as_it_says(numbered: Cloud, operator: User) -> None:
    operator.put(f"quotas/{PLAIN}", {"quota": {"bgpvpn_vni": 3}})
    try:
        answers = at_once(8, lambda _n: post(numbered.user(PLAIN), vni="auto"))
        assert Counter(a.status for a in answers) == {201: 3, 409: 5}
    finally:
        operator.delete(f"quotas/{PLAIN}")


def test_a_pool_that_is_nearly_empty_says_so_to_administrators(numbered: Cloud, operator: User) -> None:
    owner = numbered.user(PLAIN)
    holder = make(operator, project_id=PLAIN, import_targets=EVERY[:18])
    for _more in range(18):
        make(operator)
    path = f"{BGPVPNS}/{holder['id']}"

    def told() -> list[str]:
        return [line["reason"] for line in operator.get(path)["status_details"] if not line["host"]]

    def all_is_well() -> None:
        assert told() == []

    eventually(all_is_well)
    gone = make(operator, vni="auto", route_targets="auto")
    operator.delete(f"{BGPVPNS}/{gone['id']}")

    def both_are_said() -> None:
        assert told() == [
            "20 of 24 VNIs from 9000 to 9023 (83 %) are used or rest: widen [isthmus] vni_min and vni_max",
        ]

    eventually(both_are_said)
    operator.put(path, {"bgpvpn": {"import_targets": EVERY[:20]}})

    used = len({*EVERY[:20], *gone["route_targets"]})

    def the_pool_too() -> None:
        said = f"{used} of 24 route targets of the pool ({100 * used // 24} %) are used or rest: "
        assert told()[1:] == [f"{said}widen [isthmus] route_target_pool"]

    eventually(the_pool_too)
    assert "status_details" not in owner.get(path)
    worker = numbered.periodic_workers()
    try:

        def logged() -> None:
            assert "nearly empty: 20 of 24 VNIs" in worker.log.read_text()

        eventually(logged)
    finally:
        worker.stop()
