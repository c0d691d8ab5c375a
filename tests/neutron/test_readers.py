"""Which form all living agents read: plain values."""

from __future__ import annotations

from dataclasses import replace

from isthmus.model.intent import READS, WRITES
from isthmus.model.report import AGENT_KEY, SB_CFG_KEY, NodeReport, to_external_ids
from isthmus.neutron.ovn.readers import Decision, Readers, Report
from tests.neutron.hypervisors import AGENT

DOWN_S = 75.0


def report(chassis: str, reads: int = READS, sb_cfg: int = 10, **keys: str) -> Report:
    ids = to_external_ids(NodeReport(replace(AGENT, reads=reads), ()))
    return Report(chassis, ids | {SB_CFG_KEY: str(sb_cfg), "neutron:theirs": "1"} | keys)


NEW, OLD = report("new"), report("old", reads=1)
FIRST_RELEASE = Report("first", OLD.external_ids | {AGENT_KEY: OLD.external_ids[AGENT_KEY].replace('"reads":1,', "")})


def test_the_newest_form_when_every_agent_reads_it_and_when_there_is_none() -> None:
    assert Readers().decide([], 10, 0.0, DOWN_S) == Decision(WRITES)
    assert Readers().decide([NEW, Report("no agent", {"neutron:theirs": "1"})], 10, 0.0, DOWN_S) == Decision(WRITES)
    assert Readers().decide([report("newer", reads=WRITES + 1)], 10, 0.0, DOWN_S) == Decision(WRITES)


def test_one_that_reads_only_the_first_form_decides_for_all() -> None:
    assert Readers().decide([NEW, OLD, FIRST_RELEASE], 10, 0.0, DOWN_S) == Decision(1, ("first", "old"))
    unreadable = report("odd", **{AGENT_KEY: "{"})
    assert Readers().decide([NEW, unreadable], 10, 0.0, DOWN_S) == Decision(1, ("odd",))


def test_a_dead_one_decides_nothing_once_it_has_been_silent_for_long_enough() -> None:
    readers, silent = Readers(), report("old", reads=1, sb_cfg=8)
    assert readers.decide([NEW, silent], 10, 0.0, DOWN_S).form == 1, "nobody has watched it yet"
    assert readers.decide([NEW, silent], 10, DOWN_S - 1, DOWN_S).form == 1
    assert readers.decide([NEW, silent], 10, DOWN_S, DOWN_S) == Decision(WRITES)
    assert readers.decide([NEW, report("old", reads=1, sb_cfg=9)], 10, DOWN_S + 1, DOWN_S).form == 1, "it answers"


def test_an_agent_whose_row_is_gone_for_a_moment_is_not_forgotten() -> None:
    """With a southbound database made anew all of them are."""
    readers = Readers()
    assert readers.decide([OLD], 10, 0.0, DOWN_S).form == 1
    assert readers.decide([], 0, DOWN_S - 1, DOWN_S).form == 1
    assert readers.decide([], 0, DOWN_S + 1, DOWN_S).form == WRITES


def test_one_that_says_something_is_alive_whatever_it_has_answered() -> None:
    readers = Readers()
    for turn in range(5):
        said = report("old", reads=1, sb_cfg=1, **{"isthmus:s:router:x": f'{{"r":{turn},"s":"ACTIVE"}}'})
        assert readers.decide([said], 10, turn * (DOWN_S - 1), DOWN_S).form == 1
