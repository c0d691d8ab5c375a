"""Who is silent, counted in probes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.model.net import IpAddress
from isthmus.node.effects import SetProbes
from isthmus.node.facts import Answer, AnswersRead
from isthmus.shell.liveness import AGAIN, ASKED_A_ROUND, LOST, MOMENT_S, Prober, Watch
from isthmus.shell.turns import MOMENTS
from tests.build import ip

ONE, OTHER = ip("192.0.2.1"), ip("192.0.2.2")
LONG = 100 * MOMENTS


def watch(**known: Answer) -> Watch:
    made = Watch()
    made.ask({ONE: known.get("one", Answer.UNKNOWN), OTHER: known.get("other", Answer.UNKNOWN)})
    return made


def many(count: int) -> list[IpAddress]:
    return [IpAddress(bytes((10, n >> 16, n >> 8 & 255, n & 255))) for n in range(count)]


def pass_(made: Watch, moments: int) -> int:
    """So many with no answer to anybody; how many of them brought news."""
    return sum(made.turn()[1] for _ in range(moments))


def asked(made: Watch, endpoint: IpAddress, times: int) -> None:
    """Until it has been asked so often, in vain."""
    while times:
        times -= endpoint in made.turn()[0]


DYING: dict[str, Callable[[int], bool]] = {
    "one": lambda number: number == 7,
    "some": lambda number: number % 50 == 7,
    "half": lambda number: number % 2 == 1,
    "all": lambda number: True,
}


@pytest.mark.parametrize("dying", DYING)
@pytest.mark.parametrize(("count", "within_s"), [(1, 0.76), (200, 0.76), (500, 0.76), (1000, 1.0), (5000, 2.6)])
def test_how_soon_a_death_is_known_whoever_dies_and_whenever(count: int, within_s: float, dying: str) -> None:
    """From the last answer on, for every place in the rotation."""
    everybody = many(count)
    dead = {endpoint for number, endpoint in enumerate(everybody) if count == 1 or DYING[dying](number)}
    for phase in range(1, 2 * MOMENTS, 4):
        made = Watch()
        made.ask(dict.fromkeys(everybody, Answer.ANSWERS))
        took = _took(made, dead, 2 * count // ASKED_A_ROUND * MOMENTS + phase)
        assert max(took.values()) * MOMENT_S <= within_s and took.keys() == dead


def _took(made: Watch, dead: set[IpAddress], dies_at: int) -> dict[IpAddress, int]:
    """Moments from the last answer of each to its being silent."""
    answered, took = dict.fromkeys(dead, 0), dict[IpAddress, int]()
    for now in range(1, dies_at + 20 * MOMENTS):
        due, news = made.turn()
        assert len(due) == len(set(due)) <= ASKED_A_ROUND // MOMENTS * LOST, "what is asked is bounded, whoever dies"
        if news:
            took |= {e: now - answered[e] for e in dead - took.keys() if made.answers[e] is Answer.SILENT}
        for endpoint in due:
            if endpoint not in dead or now < dies_at:
                made.came_from(endpoint)
                answered[endpoint] = now
    return took


def test_one_that_has_not_answered_is_asked_again_at_a_steady_pace() -> None:
    made = Watch()
    made.ask(dict.fromkeys(many(5000), Answer.ANSWERS))
    moments = [n for n in range(LONG) if many(1)[0] in made.turn()[0]]
    assert [moments[1] - moments[0], moments[2] - moments[1]] == [AGAIN, AGAIN]


def test_who_answers_late_is_asked_no_more_than_twice_as_often() -> None:
    """A round trip longer than the time after which one is asked again."""
    made = Watch()
    made.ask(dict.fromkeys(many(1000), Answer.ANSWERS))
    under_way: list[list[IpAddress]] = [[]] * (AGAIN + 1)
    asked = 0
    for _ in range(LONG):
        for endpoint in under_way.pop(0):
            made.came_from(endpoint)
        due, news = made.turn()
        assert not news
        under_way.append(due)
        asked += len(due)
    assert asked <= 2 * ASKED_A_ROUND * LONG / MOMENTS


def test_who_was_asked_answers_for_himself_only() -> None:
    """Another tunnel end knows what it was sent; it may put a third one's name into it."""
    heard: list[AnswersRead] = []
    prober, mine, other = Prober(Path("nowhere"), heard.append), ip("192.0.2.1"), ip("192.0.2.2")
    prober.ask(SetProbes(dict.fromkeys((mine, other), Answer.UNKNOWN), 1))
    frame = prober._probe(mine)[-60:]
    prober._answered(frame.replace(mine, other, 1))
    assert heard == []
    prober._answered(frame)
    assert heard[-1].answers == {mine: Answer.ANSWERS, other: Answer.UNKNOWN}


def test_one_that_never_answered_is_never_silent() -> None:
    made = watch()
    assert not pass_(made, LONG)
    assert made.answers[ONE] is Answer.UNKNOWN


def test_silence_is_news_once_after_the_last_probe_that_may_be_lost() -> None:
    made = watch(one=Answer.ANSWERS)
    asked(made, ONE, LOST)
    assert pass_(made, AGAIN - 1) == 0
    assert [made.turn()[1], pass_(made, LONG)] == [True, 0]
    assert made.answers == {ONE: Answer.SILENT, OTHER: Answer.UNKNOWN}


def test_a_sign_of_life_starts_the_count_anew() -> None:
    made = watch(one=Answer.ANSWERS)
    for _ in range(50):
        asked(made, ONE, LOST)
        assert not made.came_from(ONE), "nothing new"
    assert made.answers[ONE] is Answer.ANSWERS


def test_the_first_answer_and_the_first_after_silence_are_news() -> None:
    made = watch()
    assert made.came_from(ONE)
    assert not made.came_from(ONE)
    assert pass_(made, LONG) == 1
    assert made.came_from(ONE)
    assert made.answers[ONE] is Answer.ANSWERS


def test_what_an_earlier_run_knew_counts() -> None:
    """A fresh process finds an endpoint dead that had answered the one before it."""
    assert pass_(watch(one=Answer.ANSWERS), LONG) == 1


def test_without_a_way_to_the_switch_nobody_is_blamed() -> None:
    made = watch(one=Answer.ANSWERS)
    asked(made, ONE, LOST)
    made.forgive()
    assert not pass_(made, (LOST - 1) * AGAIN)


def test_asking_others_keeps_the_count_of_those_that_stay() -> None:
    made = watch(one=Answer.ANSWERS)
    asked(made, ONE, LOST)
    made.ask({ONE: Answer.ANSWERS})
    assert pass_(made, AGAIN) == 1
    assert not made.came_from(OTHER), "nobody asked"
    assert OTHER not in made.answers


def test_one_that_comes_back_has_all_its_probes_and_their_time() -> None:
    made = watch(one=Answer.ANSWERS)
    for _ in range(LONG):
        asked(made, ONE, 1)
        made.ask({OTHER: Answer.ANSWERS})
        made.ask({ONE: Answer.ANSWERS, OTHER: Answer.ANSWERS})
        asked(made, ONE, 1)
        made.turn()
    assert made.answers[ONE] is Answer.ANSWERS
