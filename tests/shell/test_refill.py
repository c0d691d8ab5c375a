"""When an empty southbound database is believed, with plain values."""

from __future__ import annotations

from dataclasses import replace

from isthmus.shell.refill import REFILL_S, Global, Refill

BEFORE = Global("row-1", 17, by_northd=True)
ANEW = "made anew"


def seen(there: Global | None = BEFORE) -> Refill:
    made = Refill()
    assert not made.doubt(there, 0.0)
    return made


def test_who_has_seen_nothing_believes_what_there_is() -> None:
    for there in (None, Global("row-1", 0, by_northd=False), BEFORE):
        assert not Refill().doubt(there, 0.0)


def test_numbers_that_rise_are_believed_at_once() -> None:
    made = seen()
    assert not made.doubt(replace(BEFORE, nb_cfg=18), 1.0)
    assert made.until is None


def test_a_database_made_anew_is_believed_when_northd_has_filled_it() -> None:
    made = seen()
    assert ANEW in made.doubt(None, 1.0)
    assert ANEW in made.doubt(Global("row-2", 0, by_northd=False), 2.0)
    assert not made.doubt(Global("row-2", 17, by_northd=True), 3.0)


def test_without_northd_it_is_never_believed() -> None:
    """Also where nobody has ever counted: zero is no sign of life."""
    made = seen(replace(BEFORE, nb_cfg=0))
    for now in (1.0, REFILL_S * 100):
        assert ANEW in made.doubt(Global("row-2", 0, by_northd=False), now)
        assert made.until is None


def test_an_older_northbound_is_believed_a_stated_time_after_northd_has_written_it() -> None:
    made = seen()
    made.doubt(Global("row-2", 0, by_northd=False), 1.0)
    older = Global("row-2", 3, by_northd=True)
    assert "nb_cfg 3 after 17" in made.doubt(older, 500.0)
    assert made.until == 500.0 + REFILL_S
    assert made.doubt(replace(older, nb_cfg=4), 500.0 + REFILL_S - 0.1)
    assert not made.doubt(older, 500.0 + REFILL_S)
    assert not made.doubt(older, 501.0 + REFILL_S), "from then on it is what was seen last"


def test_the_same_database_that_goes_back_is_doubted_too() -> None:
    """northd has followed a northbound that was made anew, and taken everything away."""
    made = seen()
    assert made.doubt(replace(BEFORE, nb_cfg=0), 1.0)
    assert not made.doubt(BEFORE, 2.0)
    assert made.doubt(replace(BEFORE, nb_cfg=0), 50.0)
    assert made.until == 50.0 + REFILL_S, "another doubt has its own time"
