"""What chaos counts and how it judges, with plain values."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from isthmus.lab import frr
from isthmus.lab.chaos import table
from isthmus.lab.chaos.cases import CASES
from isthmus.lab.chaos.foreign import FOREIGN
from isthmus.lab.chaos.table import AGAIN_S, KNOWN_S, NOTHING, PRINTED, Allowed, Finding, Result, noticed
from isthmus.lab.chaos.traffic import Count, count
from isthmus.lab.gobgp import configuration
from isthmus.lab.hypervisor import agent_configuration
from isthmus.lab.topology import ReflectorKind, locate, read
from tests.lab.build import plan

PLAIN_AND_HALF_A_SECOND = Allowed("plain and 0.5 s", 50, beyond_plain=True)


def counts(*lost: int) -> tuple[Count, ...]:
    return tuple(Count(name=f"stream {n}", sent=1000, lost=one, gap=one) for n, one in enumerate(lost))


@pytest.mark.parametrize(
    ("arrived", "lost", "gap"),
    [
        (b"", 0, 0),
        (b"\1\1\1", 0, 0),
        (b"\0", 1, 1),
        (b"\1\0\0\1\0\1", 3, 2),
        (b"\0\0\0\1", 3, 3),
        (b"\1\0\1\0\0\0", 4, 3),
    ],
)
def test_packets_are_counted_one_by_one_and_gaps_in_a_row(arrived: bytes, lost: int, gap: int) -> None:
    assert count("one", arrived) == Count(name="one", sent=len(arrived), lost=lost, gap=gap)


@pytest.mark.parametrize(
    ("allowed", "vpn", "plain", "kept"),
    [
        (NOTHING, (0, 0), (7, 7), True),
        (NOTHING, (0, 1), (7, 7), False),
        (Allowed("printed", None), (900, 900), (0, 0), True),
        (PLAIN_AND_HALF_A_SECOND, (150, 10), (100, 90), True),
        (PLAIN_AND_HALF_A_SECOND, (151, 10), (100, 90), False),
    ],
)
def test_a_case_keeps_its_limit_or_not(
    allowed: Allowed, vpn: tuple[int, ...], plain: tuple[int, ...], kept: bool
) -> None:
    assert Result("a case", allowed, counts(*vpn), counts(*plain)).kept is kept


@pytest.mark.parametrize(
    ("silent_s", "back_s", "kept"),
    [
        (0.8, 0.3, True),
        (KNOWN_S, AGAIN_S, True),
        (KNOWN_S + 0.01, 0.3, False),
        (float("inf"), 0.3, False),
        (0.8, float("inf"), False),
    ],
)
def test_a_silent_hypervisor_is_known_in_time_or_the_case_fails(silent_s: float, back_s: float, kept: bool) -> None:
    finding = noticed("b-h1", silent_s, back_s)
    result = Result("silent", Allowed("printed", None), counts(900, 900), counts(0, 0), finding)
    assert result.kept is kept
    line = table.text([result]).splitlines()[1]
    assert f"{'kept' if kept else 'MORE'}; b-h1 sends it nothing after {silent_s:.2f} s" in line


def test_the_table_says_what_a_reader_asks() -> None:
    results = [
        Result("quiet", NOTHING, counts(0, 0), counts(0, 0)),
        Result("loud", NOTHING, counts(0, 150), counts(0, 0), Finding("a finding")),
    ]
    lines = table.text(results).splitlines()
    assert [line.split()[0] for line in lines] == ["case", "quiet", "loud"]
    assert "0 of 2000" in lines[1] and lines[1].endswith("kept")
    assert "0 150 of 1000 each" in lines[2] and "1.50 s" in lines[2] and lines[2].endswith("MORE; a finding")
    page = table.markdown([("a speaker", results)], ["one way", "the other"], "a machine")
    assert page.count("\n| ") == 3 and "## a speaker" in page and "one way, the other" in page


def test_gobgp_names_every_hypervisor_as_a_client_and_the_other_reflector() -> None:
    topology = read(locate("two-clouds-gobgp").read_text(), "two-clouds-gobgp")
    assert {one.kind for cloud in topology.clouds for one in cloud.reflectors} == {ReflectorKind.GOBGP}
    text = configuration(topology.cloud("a"), topology.cloud("a").reflectors[0], topology)
    assert [line.split('"')[1] for line in text.splitlines() if "neighbor-address" in line] == [
        "172.30.1.11",
        "172.30.1.12",
        "172.30.2.5",
    ]
    assert text.count("route-reflector-client = true") == 2
    assert text.count("[neighbors.afi-safis.mp-graceful-restart.config]") == 5
    assert text.count('afi-safi-name = "rtc"') == 2, "clients are asked, other clouds are not"


def test_the_two_topologies_differ_in_the_speaker_alone() -> None:
    one, other = (read(locate(name).read_text(), name) for name in ("two-clouds", "two-clouds-gobgp"))
    assert [c.hypervisors for c in one.clouds] == [c.hypervisors for c in other.clouds]
    assert [c.underlay for c in one.clouds] == [c.underlay for c in other.clouds]


def test_case_titles_are_told_apart() -> None:
    assert len({case.title for case in CASES}) == len(CASES)


def test_two_reflectors_are_everybodys_peers() -> None:
    topology = read(locate("two-reflectors").read_text(), "two-reflectors")
    a = topology.cloud("a")
    assert [(r.node, str(r.address)) for r in a.reflectors] == [("a-rr", "172.30.1.5"), ("a-rr2", "172.30.1.6")]
    for one in a.reflectors:
        text = frr.configuration(a, one, topology)
        assert f"bgp cluster-id {one.address}" in text
        assert all(f"neighbor {peer} remote-as 64513" in text for peer in ("172.30.2.5", "172.30.2.6"))
    built = plan()
    said = tomllib.loads(agent_configuration(replace(built.sites[0], cloud=a), built.places))
    assert [r["address"] for r in said["reflectors"]] == ["172.30.1.5", "172.30.1.6"]


def test_streams_to_pes_that_are_not_ours_are_found_beside_and_judged_only_where_that_is_said() -> None:
    far = [
        Count(name=f"a-red1 to {pe}-red IPv4", sent=9, lost=lost, gap=lost)
        for pe, lost in (("c", 0), ("d", 5))
        for _ in range(4)
    ]
    assert table.beside(None, [], NOTHING) is None
    said = table.beside(Finding("seen"), far, PRINTED)
    assert said == Finding(
        "seen; a-red1 to c-red and back: 0 of 36, -; a-red1 to d-red and back: 5 5 5 5 of 9 each, 0.05 s"
    )
    judged = table.beside(None, far, NOTHING)
    assert judged is not None and not judged.kept


def test_in_the_world_each_pe_reflector_and_agent_is_killed() -> None:
    assert [case.far.lost for case in FOREIGN if "nothing" in case.title or "exchanged" in case.title] == [0, 0]
    killed = [case.title for case in FOREIGN if "kill -9" in case.title]
    assert len(killed) == 4 and all(case.allowed == NOTHING for case in FOREIGN), "clouds lose nothing by it"
