"""Who is silent, counted in probes."""

from __future__ import annotations

import pytest

from isthmus.model.net import IpAddress
from isthmus.node.facts import Answer
from isthmus.shell.liveness import ASKED_A_ROUND, LOST, PROBE_S, SUSPECTS_A_ROUND, Watch
from tests.build import ip

MORE_OR_LESS = 1.01
"""Turns come out even over many rounds only."""
ONE, OTHER = ip("192.0.2.1"), ip("192.0.2.2")


def watch(**known: Answer) -> Watch:
    made = Watch()
    made.ask({ONE: known.get("one", Answer.UNKNOWN), OTHER: known.get("other", Answer.UNKNOWN)})
    return made


@pytest.mark.parametrize(("count", "within_s"), [(1, 0.8), (200, 0.8), (500, 0.8), (1000, 1.0), (5000, 2.6)])
def test_how_soon_a_death_is_known_whenever_it_comes(count: int, within_s: float) -> None:
    every = [IpAddress(bytes((10, 0, n // 250, n % 250 + 1))) for n in range(count)]
    for dead in (every[0], every[count // 2], every[-1]):
        for phase in range(12):
            made = Watch()
            made.ask(dict.fromkeys(every, Answer.ANSWERS))
            rounds = [_round(made, dead if at >= phase else None) for at in range(phase + 20)]
            known = next(at for at, silent in enumerate(rounds) if silent) - phase
            assert known * PROBE_S <= within_s, "counted from the last answer that may have been given"


def _round(made: Watch, dead: IpAddress | None) -> bool:
    """All answer but one; whether that one is held for silent."""
    asked = made.turn()
    news = made.round(asked)
    for endpoint in asked:
        if endpoint != dead:
            made.came_from(endpoint)
    assert len(asked) <= ASKED_A_ROUND * MORE_OR_LESS + 1
    return news


def test_when_very_many_do_not_answer_a_round_is_no_flood() -> None:
    made = Watch()
    made.ask({IpAddress(bytes((10, 0, n // 250, n % 250 + 1))): Answer.ANSWERS for n in range(20_000)})
    for _ in range(50):
        asked = made.turn()
        assert len(asked) == len(set(asked)) <= ASKED_A_ROUND * MORE_OR_LESS + SUSPECTS_A_ROUND
        made.round(asked)


def test_one_that_never_answered_is_never_silent() -> None:
    made = watch()
    assert not any(made.round([ONE]) for _ in range(100))
    assert made.answers[ONE] is Answer.UNKNOWN


def test_silence_is_news_once_after_the_last_probe_that_may_be_lost() -> None:
    made = watch(one=Answer.ANSWERS)
    assert [made.round([ONE]) for _ in range(LOST + 3)] == [False] * LOST + [True, False, False]
    assert made.answers == {ONE: Answer.SILENT, OTHER: Answer.UNKNOWN}


def test_a_sign_of_life_starts_the_count_anew() -> None:
    made = watch(one=Answer.ANSWERS)
    for _ in range(50):
        assert not any(made.round([ONE]) for _ in range(LOST))
        assert not made.came_from(ONE), "nothing new"
    assert made.answers[ONE] is Answer.ANSWERS


def test_the_first_answer_and_the_first_after_silence_are_news() -> None:
    made = watch()
    assert made.came_from(ONE)
    assert not made.came_from(ONE)
    for _ in range(LOST + 1):
        made.round([ONE])
    assert made.came_from(ONE)
    assert made.answers[ONE] is Answer.ANSWERS


def test_what_an_earlier_run_knew_counts() -> None:
    """A fresh process finds an endpoint dead that had answered the one before it."""
    made = watch(one=Answer.ANSWERS)
    assert [made.round([ONE]) for _ in range(LOST + 1)][-1]


def test_without_a_way_to_the_switch_nobody_is_blamed() -> None:
    made = watch(one=Answer.ANSWERS)
    for _ in range(LOST):
        made.round([ONE])
    made.forgive()
    assert not any(made.round([ONE]) for _ in range(LOST))


def test_asking_others_keeps_the_count_of_those_that_stay() -> None:
    made = watch(one=Answer.ANSWERS)
    for _ in range(LOST):
        made.round([ONE])
    made.ask({ONE: Answer.ANSWERS})
    assert made.round([ONE])
    assert not made.came_from(OTHER), "nobody asked"
    assert OTHER not in made.answers
