"""Members make BGPVPNs themselves, once an operator says so: with the cloud's numbers or their project's, no others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pymysql
import pytest

from tests.neutron.cloud import V4, Answer, Cloud, User
from tests.neutron.numbered import ALPHA, BETA, PLAIN

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
TARGET_LISTS = ("route_targets", "import_targets", "export_targets")
LISTS = (*TARGET_LISTS, "route_distinguishers")


@pytest.fixture(autouse=True)
def tidy(numbered: Cloud) -> Iterator[None]:
    """No number is anybody's, nor has been: a released one stays its project's until another gets it."""
    for table in ("isthmus_pool_targets", "isthmus_resting_numbers"):
        numbered.sql(f"DELETE FROM {table}")
    yield
    for bgpvpn in numbered.admin.get(BGPVPNS):
        numbered.admin.delete(f"{BGPVPNS}/{bgpvpn['id']}")


@pytest.fixture
def alpha(numbered: Cloud) -> User:
    return numbered.user(ALPHA)


@pytest.fixture
def beta(numbered: Cloud) -> User:
    return numbered.user(BETA)


def post(user: User, **attributes: Any) -> Answer:
    return user.call("POST", BGPVPNS, {"bgpvpn": attributes})


def put(user: User, bgpvpn: dict[str, Any], **attributes: Any) -> Answer:
    return user.call("PUT", f"{BGPVPNS}/{bgpvpn['id']}", {"bgpvpn": attributes})


def refused(answer: Answer, attribute: str, value: Any, allowed: str) -> None:
    assert (answer.status, answer.kind) == (403, "BGPVPNNumberNotAllowed"), answer
    assert answer.message.startswith(f"{attribute}: {value} is not among what project "), answer.message
    assert allowed in answer.message


def test_a_member_makes_uses_and_deletes_a_bgpvpn(numbered: Cloud, alpha: User) -> None:
    made = alpha.make(BGPVPNS, name="own", route_targets="auto", vni="auto")
    one = f"{BGPVPNS}/{made['id']}"
    assert len(made["route_targets"]) == 1
    assert made["vni"]
    assert alpha.get(BGPVPNS, route_targets=made["route_targets"][0]) == [made]
    assert numbered.admin.get(one)["project_id"] == ALPHA
    network = alpha.network(V4)["id"]
    alpha.make(f"{one}/network_associations", network_id=network)
    [told] = numbered.northbound.intent(network).associations
    assert made["route_targets"] == [str(target) for target in told.imports]
    alpha.delete(one)
    assert alpha.get(BGPVPNS) == []


def test_a_member_chooses_within_the_ranges_of_its_project(alpha: User) -> None:
    chosen = {kind: [f"64512:{2000 + n}"] for n, kind in enumerate(LISTS)}
    made = alpha.make(BGPVPNS, vni=5009, **chosen)
    assert {kind: made[kind] for kind in chosen} == chosen
    assert made["vni"] == 5009
    for kind in LISTS:
        assert put(alpha, made, **{kind: ["64512:2009"]}).status == 200
    back = {kind: made[kind] for kind in ("name", *LISTS)}
    assert put(alpha, made, **back).status == 200


def test_other_numbers_are_refused_naming_what_is_allowed(alpha: User) -> None:
    made = alpha.make(BGPVPNS)
    for kind in LISTS:
        for value in ("64512:2010", "64512:1999", "10.0.0.1:7", "70000:2000"):
            refused(post(alpha, name="never", **{kind: [value]}), kind, value, "64512:2000-2009")
        refused(put(alpha, made, **{kind: ["64512:2000", "64512:1"]}), kind, "64512:1", "64512:2000-2009")
    for vni in (1, 4999, 5010, 9000):
        refused(post(alpha, name="never", vni=vni), "vni", vni, "auto, 5000-5009")
    assert alpha.get(BGPVPNS) == [made]


def test_a_project_without_ranges_has_the_clouds_numbers_only(numbered: Cloud) -> None:
    gamma = numbered.user(PLAIN)
    made = gamma.make(BGPVPNS, route_targets=["auto"])
    assert gamma.make(BGPVPNS, vni=None)["vni"] is None
    refused(post(gamma, route_targets=["64512:2000"]), "route_targets", "64512:2000", "auto")
    refused(post(gamma, route_distinguishers=["64512:2000"]), "route_distinguishers", "64512:2000", "none")
    refused(post(gamma, vni=5000), "vni", 5000, "auto")
    assert put(gamma, made, export_targets=made["route_targets"]).status == 200, "its own"


def test_a_number_of_the_pool_is_its_projects_own(alpha: User, beta: User) -> None:
    [target] = alpha.make(BGPVPNS, route_targets="auto")["route_targets"]
    spoke = alpha.make(BGPVPNS, import_targets=[target])
    assert spoke["import_targets"] == [target], "two BGPVPNs of one project may be joined"
    for kind in TARGET_LISTS:
        refused(post(beta, **{kind: [target]}), kind, target, "64512:2010-2019")
    own = beta.make(BGPVPNS, route_targets="auto")
    for kind in TARGET_LISTS:
        refused(put(beta, own, **{kind: [target]}), kind, target, "64512:2010-2019")
    assert post(beta, route_distinguishers=[target]).status == 403


def test_a_number_is_not_its_old_projects_any_more(numbered: Cloud, alpha: User, beta: User) -> None:
    made = alpha.make(BGPVPNS, route_targets="auto")
    alpha.delete(f"{BGPVPNS}/{made['id']}")
    numbered.admin.make(BGPVPNS, project_id=BETA, import_targets=made["route_targets"])
    refused(post(alpha, import_targets=made["route_targets"]), "import_targets", made["route_targets"][0], "64512:2000")
    assert post(beta, import_targets=made["route_targets"]).status == 403, "an operator gave it, for that BGPVPN"


def test_a_number_that_is_being_given_to_others_at_that_moment_is_refused(numbered: Cloud, alpha: User) -> None:
    """Alpha's number has rested; who gives it to beta has not committed yet when a member of alpha names it."""
    made = alpha.make(BGPVPNS, route_targets="auto")
    [target] = made["route_targets"]
    alpha.delete(f"{BGPVPNS}/{made['id']}")
    with (
        ThreadPoolExecutor(max_workers=1) as pool,
        contextlib.closing(
            pymysql.connect(unix_socket=str(numbered.sockets["mysql"]), user="root", database="neutron")
        ) as giver,
        giver.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE isthmus_pool_targets SET project_id = %s, released_at = NULL WHERE value = %s", (BETA, target)
        )
        naming = pool.submit(post, alpha, import_targets=[target])
        numbered.until_one_waits()
        giver.commit()
        refused(naming.result(), "import_targets", target, "64512:2000-2009")
    assert alpha.get(BGPVPNS) == []
    numbered.sql("UPDATE isthmus_pool_targets SET released_at = NOW() WHERE value = %s", target)


def test_auto_is_not_a_number_that_is_being_given_to_others_at_that_moment(numbered: Cloud, alpha: User) -> None:
    """What alpha's BGPVPN had has rested; who gives it to beta has not committed yet when alpha asks again."""
    made = alpha.make(BGPVPNS, route_targets="auto")
    [target] = made["route_targets"]
    assert put(alpha, made, route_targets=[]).status == 200
    with (
        ThreadPoolExecutor(max_workers=1) as pool,
        contextlib.closing(
            pymysql.connect(unix_socket=str(numbered.sockets["mysql"]), user="root", database="neutron")
        ) as giver,
        giver.cursor() as cursor,
    ):
        taken = "UPDATE isthmus_pool_targets SET project_id = %s, bgpvpn_id = NULL, released_at = NULL WHERE value = %s"
        cursor.execute(taken, (BETA, target))
        asking = pool.submit(put, alpha, made, route_targets="auto")
        numbered.until_one_waits()
        giver.commit()
        [given] = asking.result().body["bgpvpn"]["route_targets"]
    assert given != target
    numbered.sql("UPDATE isthmus_pool_targets SET released_at = NOW() WHERE value = %s", target)


def test_what_an_operator_has_put_in_stays_where_it_is(numbered: Cloud, alpha: User) -> None:
    made = numbered.admin.make(BGPVPNS, project_id=ALPHA, import_targets=["65000:1"], vni=77)
    answer = put(alpha, made, import_targets=["65000:1", "64512:2000"], name="mine")
    assert answer.status == 200, "what stands there may stay"
    refused(put(alpha, made, export_targets=["65000:1"]), "export_targets", "65000:1", "64512:2000-2009")
    assert put(alpha, made, import_targets=[]).status == 200
    refused(put(alpha, made, import_targets=["65000:1"]), "import_targets", "65000:1", "64512:2000-2009")


def test_an_operator_names_any_number(numbered: Cloud, alpha: User) -> None:
    given = {"route_targets": ["64512:2010"], "vni": 5010, "route_distinguishers": ["1:1"]}
    made = numbered.admin.make(BGPVPNS, project_id=ALPHA, **given)
    assert {key: made[key] for key in given} == given


def test_local_preference_stays_with_the_operator(alpha: User) -> None:
    assert post(alpha, local_pref=200).status == 403
    assert put(alpha, alpha.make(BGPVPNS), local_pref=200).status == 403


def test_members_reach_no_other_projects_bgpvpns_and_readers_make_none(
    numbered: Cloud, alpha: User, beta: User
) -> None:
    made = alpha.make(BGPVPNS, route_targets="auto")
    assert put(beta, made, route_targets="auto").status == 404
    assert beta.call("DELETE", f"{BGPVPNS}/{made['id']}").status == 404
    assert beta.call("POST", BGPVPNS, {"bgpvpn": {"project_id": ALPHA}}).status in (400, 403)
    reader = numbered.user(ALPHA, "reader")
    assert post(reader).status == 403
    assert reader.call("DELETE", f"{BGPVPNS}/{made['id']}").status == 403
    assert numbered.admin.get(BGPVPNS) == [numbered.admin.get(f"{BGPVPNS}/{made['id']}")]


def test_all_of_a_bulk_or_nothing(alpha: User) -> None:
    bodies = [{"route_targets": "auto"}, {"vni": 5000}, {"route_targets": ["64512:2010"]}]
    answer = alpha.call("POST", BGPVPNS, {"bgpvpns": bodies})
    refused(answer, "route_targets", "64512:2010", "64512:2000-2009")
    assert alpha.get(BGPVPNS) == []
    assert alpha.call("POST", BGPVPNS, {"bgpvpns": bodies[:2]}).status == 201


def test_without_that_line_members_make_none(owner: User) -> None:
    """On a cloud whose operator has not opened it."""
    for attributes in ({}, {"vni": "auto"}, {"route_targets": "auto"}):
        assert post(owner, **attributes).status == 403
