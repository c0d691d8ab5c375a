"""Who is silent, counted in probes."""

from __future__ import annotations

from isthmus.node.facts import Answer
from isthmus.shell.liveness import LOST, Watch
from tests.build import ip

ONE, OTHER = ip("192.0.2.1"), ip("192.0.2.2")


def watch(**known: Answer) -> Watch:
    made = Watch()
    made.ask({ONE: known.get("one", Answer.UNKNOWN), OTHER: known.get("other", Answer.UNKNOWN)})
    return made


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
