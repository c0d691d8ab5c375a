"""When most tunnel endpoints fall silent at once, the fault is more likely ours: they are kept, and it is said."""

from __future__ import annotations

import pytest

from isthmus.flows.layout import Table
from isthmus.model.net import IpAddress
from isthmus.node.config import Liveness
from isthmus.node.facts import Answer, AnswersForgotten, AnswersRead
from isthmus.node.order import DOUBT_WAIT_S, FOLLOW_S, TOGETHER_S, TRUST_WAIT_S
from isthmus.node.report import status
from tests.build import association, attachment, attributes, circuit, ip, path, port
from tests.world import World

A, RT = "neutron-a", "64512:1"
RED = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))


def world(count: int, liveness: Liveness = Liveness.ON) -> World:
    """So many endpoints, each with an address behind it, and each has answered."""
    made = World(liveness=liveness)
    made.switch_on()
    made.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    made.says(
        *(
            path(f"10.9.0.{n}/32", attributes(RT, next_hop=str(far(n))), rd=f"172.30.2.{n}:16")
            for n in range(1, count + 1)
        )
    )
    made.end_of_rib()
    fall(made, made.probed, Answer.ANSWERS)
    assert len(used(made)) == count
    return made


def far(number: int) -> IpAddress:
    return ip(f"172.30.2.{number}")


def fall(made: World, endpoints: object, answer: Answer = Answer.SILENT) -> None:
    """What a round of probes tells of these at once."""
    made.probed |= dict.fromkeys(endpoints, answer)  # type: ignore[call-overload]
    made.tell(AnswersRead(dict(made.probed)))


def used(made: World) -> set[IpAddress]:
    """Endpoints that are sent to."""
    return {ip(k.match.removeprefix("tun_dst=")) for k in made.flows if k.table == Table.TUNNEL and k.match}


def some(first: int, last: int) -> list[IpAddress]:
    return [far(n) for n in range(first, last + 1)]


@pytest.mark.parametrize("count", [1, 2, 50])
def test_probes_that_fail_altogether_cut_nobody_off(count: int) -> None:
    made = world(count)
    before = dict(made.flows)
    fall(made, made.probed)
    made.wait(60)
    assert made.flows == before
    said = status(made.node, made.now).switch
    assert (len(said.endpoints_doubted), said.endpoints_silent, said.doubts) == (count, [], 1)


def test_it_is_the_same_when_a_round_is_told_in_pieces() -> None:
    made = world(20)
    before = dict(made.flows)
    for piece in (some(1, 5), some(6, 10), some(11, 15), some(16, 20)):
        fall(made, piece)
        assert made.flows == before
        made.wait(DOUBT_WAIT_S / 5)
    made.wait(60)
    assert made.flows == before and status(made.node, made.now).switch.doubts == 1


def test_one_that_dies_is_out_of_use_at_once_and_several_a_moment_later() -> None:
    made = world(10)
    fall(made, some(1, 1))
    assert used(made) == set(some(2, 10))
    made.wait(TOGETHER_S)
    fall(made, some(2, 4))
    assert used(made) == set(some(2, 10)), "others may be about to follow"
    made.wait(DOUBT_WAIT_S)
    assert used(made) == set(some(5, 10))
    said = status(made.node, made.now).switch
    assert (len(said.endpoints_silent), said.endpoints_doubted, said.doubts) == (4, [], 0)


def test_those_that_die_one_by_one_are_believed_however_many_they_are() -> None:
    made = world(5)
    for endpoint in some(1, 4):
        fall(made, [endpoint])
        made.wait(TOGETHER_S)
    assert used(made) == set(some(5, 5))


def test_when_most_answer_again_the_others_are_believed_to_be_silent() -> None:
    made = world(10)
    fall(made, some(1, 10))
    made.wait(30)
    fall(made, some(1, 4), Answer.ANSWERS)
    made.wait(30)
    assert used(made) == set(some(1, 10)), "most are silent still"
    fall(made, some(5, 9), Answer.ANSWERS)
    assert used(made) == set(some(1, 10)), "the last one has a moment to do the same"
    made.wait(TRUST_WAIT_S)
    assert used(made) == set(some(1, 9))
    fall(made, some(10, 10), Answer.ANSWERS)
    assert used(made) == set(some(1, 10))
    fall(made, made.probed)
    assert status(made.node, made.now).switch.doubts == 2


def test_who_follows_the_others_soon_is_doubted_too_if_nobody_answers_in_the_end() -> None:
    made = world(10)
    fall(made, some(1, 6))
    made.wait(TOGETHER_S + 0.1)
    for last in range(7, 11):
        fall(made, some(last, last))
    made.wait(60)
    assert used(made) == set(some(1, 10))


def test_a_doubt_ends_also_because_others_that_were_doubted_are_gone() -> None:
    made = world(3)
    fall(made, some(1, 3))
    fall(made, some(3, 3), Answer.ANSWERS)
    made.wait(FOLLOW_S)
    made.says(withdraw=[path("10.9.0.1/32", attributes(RT), rd="172.30.2.1:16").nlri])
    made.wait(TRUST_WAIT_S)
    assert used(made) == {far(3)}, "as many answer as do not"


def test_another_vpns_hypervisors_that_are_doubted_do_not_hide_that_one_of_ours_has_died() -> None:
    made = world(13)
    fall(made, some(1, 10))
    made.wait(3600)
    fall(made, some(11, 11))
    assert used(made) == {*some(1, 10), *some(12, 13)}, "the others answer, so asking works"


def test_nor_when_theirs_fall_silent_at_that_very_moment() -> None:
    made = world(13)
    fall(made, some(1, 10))
    made.wait(TOGETHER_S + 0.1)
    fall(made, some(11, 11))
    made.wait(FOLLOW_S)
    assert used(made) == {*some(1, 10), *some(12, 13)}


def test_the_only_one_that_knows_probes_is_believed_when_there_is_another_way() -> None:
    made = world(1)
    made.says(path("10.9.0.2/32", attributes(RT, next_hop="172.30.2.2"), rd="172.30.2.2:16"))
    assert made.probed[far(2)] is Answer.UNKNOWN
    made.tell(AnswersRead({far(1): Answer.SILENT}))
    assert used(made) == {far(2)}


def test_a_crash_cuts_nobody_off_who_was_doubted() -> None:
    made = world(10)
    fall(made, some(9, 9))
    made.wait(TOGETHER_S)
    fall(made, made.probed)
    left = made.node.remember(made.now).answers
    assert [e for e, a in left.items() if a is Answer.SILENT] == some(9, 9)


def test_who_only_wants_to_be_warned_is() -> None:
    made = world(10, Liveness.WARN)
    fall(made, some(1, 1))
    made.wait(60)
    assert used(made) == set(some(1, 10))
    said = status(made.node, made.now).switch
    assert (said.liveness, said.endpoints_silent, said.endpoints_doubted) == ("warn", [], ["172.30.2.1"])


def test_who_wants_no_probes_asks_nobody() -> None:
    made = World(liveness=Liveness.OFF)
    made.switch_on()
    made.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    made.says(path("10.9.0.1/32", attributes(RT, next_hop="172.30.2.1"), rd="172.30.2.1:16"))
    assert made.probed == {} and used(made) == {far(1)}
    said = status(made.node, made.now).switch
    assert (said.liveness, said.endpoints_probed) == ("off", 0)


def test_who_wants_no_probes_any_more_believes_no_old_answer() -> None:
    """Neither that an endpoint is silent, as it is told to the operator, nor that it forwards: what is withdrawn of one
    that cannot be heard would be held."""
    made = world(10)
    fall(made, some(1, 1))
    off = World(liveness=Liveness.OFF, memory=made.node.remember(made.now), now=made.now)
    off.switch_on()
    off.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    said = status(off.node, off.now).switch
    assert (said.endpoints_silent, said.endpoints_doubted) == ([], [])
    assert off.node.reach.answers == {} and off.node.remember(off.now).answers == {}


@pytest.mark.parametrize("of", [[], some(1, 1)], ids=["all", "one"])
def test_what_was_answered_can_be_forgotten(of: list[IpAddress]) -> None:
    """Another maker's PE has taken the address of a hypervisor of ours, under a route that stood."""
    made = world(5)
    fall(made, some(1, 1))
    made.wait(60)
    assert used(made) == set(some(2, 5))
    made.tell(AnswersForgotten(frozenset(of)))
    assert used(made) == set(some(1, 5))
    assert made.probed[far(1)] is Answer.UNKNOWN, "asked anew, and silent only once it has answered"
    assert made.probed[far(2)] is (Answer.ANSWERS if of else Answer.UNKNOWN)
    assert not made.node.remember(made.now).answers.get(far(1))
