"""What the benchmarks make of their measurements, with plain values."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.before import COUNT, Figure, Seen
from benchmarks.forwarding import RECEIVER, SENDER, SMALL_PACKETS, TCP, compared, counters, met
from benchmarks.samples import Sample, ms, ratio, table, times, verdicts
from benchmarks.speakers import ISTHMUS, Import
from benchmarks.starting import Start
from benchmarks.stations import flows, stages, updates

from benchmarks import asked, bagpipe, labelled, ladder, page, speakers
from isthmus.bgp.family import EVPN, VPNV4


@pytest.mark.parametrize(
    ("values", "median", "p95"),
    [
        ([3.0], 3.0, 3.0),
        ([2.0, 1.0], 1.5, 2.0),
        ([float(n) for n in range(20, 0, -1)], 10.5, 19.0),
        ([float(n) for n in range(1, 101)], 50.5, 95.0),
        ([1.0] * 19 + [9.0], 1.0, 1.0),
        ([1.0] * 18 + [9.0, 9.0], 1.0, 9.0),
    ],
)
def test_a_sample_says_median_and_nearest_rank(values: list[float], median: float, p95: float) -> None:
    sample = Sample.of(values)
    assert (sample.median, sample.p95) == (median, p95)
    assert (sample.low, sample.high) == (min(values), max(values))


def test_of_nothing_there_is_no_sample() -> None:
    with pytest.raises(AssertionError, match="nothing was measured"):
        Sample.of([])


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.0004, "0.4"), (0.0099, "9.9"), (0.5, "500"), (1.2345, "1,234"), (-0.003, "-3.0")]
)
def test_milliseconds_have_a_point_where_they_are_few(seconds: float, shown: str) -> None:
    assert ms(seconds) == shown


def test_a_table_of_durations() -> None:
    text = times({"there": [0.1, 0.2, 0.3], "back": [0.005], "never": []})
    assert text.splitlines() == [
        "| what | median | p95 | spread | rounds |",
        "|---|---|---|---|---|",
        "| there | 200 ms | 300 ms | 100 to 300 ms | 3 |",
        "| back | 5.0 ms | 5.0 ms | 5.0 to 5.0 ms | 1 |",
    ]
    assert table(("a",), []).splitlines() == ["| a |", "|---|"]


def test_what_is_above_the_aim_is_said() -> None:
    samples = {"slow": [0.2] * 18 + [1.4, 1.5], "one bad round": [0.2] * 19 + [1.5], "never": []}
    assert verdicts(samples, 1.0) == ["slow: p95 1,400 ms, above the aim of 1,000 ms"]


def test_a_command_rewrites_its_own_section_only(tmp_path: Path) -> None:
    file = tmp_path / "figures.md"
    page.write(page.CLOUDS, "first\n\n### part\n", file)
    page.write(page.ROUTES, "of routes", file)
    page.write(page.CLOUDS, "second", file)
    text = file.read_text()
    assert page.sections(text) == {page.ROUTES: "of routes", page.CLOUDS: "second"}
    assert text.index(page.ROUTES) < text.index(page.CLOUDS), "in the page's order, not in that of the runs"
    assert text.count("# Figures\n") == 1 and text.endswith("second\n")


def test_paragraphs_are_wrapped_and_tables_are_not(tmp_path: Path) -> None:
    file, row = tmp_path / "figures.md", "| " + "x " * 100 + "|"
    page.write(page.ROUTES, "word " * 50 + "\n\n" + row, file)
    lines = page.sections(file.read_text())[page.ROUTES].splitlines()
    assert lines[-1] == row and [len(line) <= 120 for line in lines[:-1]] == [True] * 4


def test_a_section_that_nobody_writes_any_more_goes() -> None:
    text = page.with_section("# Figures\n\n## Old\n\nwords\n\n## " + page.LADDER + "\n\nkept\n", page.ROUTES, "new")
    assert page.sections(text) == {page.ROUTES: "new", page.LADDER: "kept"}


def test_a_ratio_is_of_rounds_side_by_side() -> None:
    """A machine that slows down by half from one round to the next spoils no ratio."""
    assert ratio([10.0, 5.0, 9.0], [10.0, 5.0, 10.0]).median == 1.0
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0], [1.0, 2.0])


DUMP = """flow-dump from the main thread:
recirc_id(0),in_port(9),udp(src=1/0x8000), packets:{}, bytes:500, used:0.1s, actions:ct(zone=1),recirc(0xb)
recirc_id(0xb),in_port(9), packets:{}, bytes:500, used:0.1s, flags:P., actions:clone(tnl_push(tnl_port(8))),5
recirc_id(0),in_port(4),eth_type(0x0806), packets:{}, bytes:500, used:never, actions:6
"""


def test_a_packet_meets_the_flows_whose_counters_rise_with_it() -> None:
    before, after = counters(DUMP.format(7, 0, 900)), counters(DUMP.format(1007, 999, 903))
    assert len(before) == 3
    assert [flow.split(",")[0] for flow in met(before, after, 1000)] == ["recirc_id(0)", "recirc_id(0xb)"]
    assert met({}, after, 1000) == [*met(before, after, 1000), list(after)[2]], "a flow that is new counts from nothing"


@pytest.mark.parametrize(
    ("line", "station"),
    [
        (" event=ADDED table=20 cookie=0x1 ip,nw_dst=10.1.0.1 actions=drop", "came"),
        (" event=DELETED reason=delete table=20 cookie=0x1 ip,nw_dst=10.1.0.1 actions=drop", "went"),
        (" event=ADDED table=20 cookie=0x1 ip,nw_dst=10.1.0.10 actions=drop", None),
        (" event=ADDED table=20 cookie=0x1 ip,nw_dst=10.1.0.1/24 actions=drop", None),
        (" event=MODIFIED table=20 cookie=0x1 ip,nw_dst=10.1.0.1 actions=drop", None),
        ("OFPST_FLOW_MONITOR reply (OF1.5) (xid=0x0):", None),
    ],
)
def test_a_flow_of_just_that_address_is_seen_to_come_and_go(line: str, station: str | None) -> None:
    read = flows("a-h1", "nw_dst=10.1.0.1", {"ADDED": "came", "DELETED": "went"}).read(line)
    assert read == ((station, None) if station else None)


ORDER = (("asked", "row"), ("told", "UPDATE"), ("done", "flow"))


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        ([("row", 11.0), ("UPDATE", 13.0), ("flow", 16.0)], {"asked": 1.0, "told": 2.0, "done": 3.0}),
        # An UPDATE of something else, before; the flow of another round.
        ([("UPDATE", 10.5), ("flow", 9.0), ("row", 11.0), ("UPDATE", 13.0), ("flow", 16.0), ("UPDATE", 17.0)],
         {"asked": 1.0, "told": 2.0, "done": 3.0}),
        ([("row", 11.0), ("flow", 16.0)], {}),
        ([("row", 9.0), ("UPDATE", 13.0), ("flow", 16.0)], {}),
        ([], {}),
    ],
)  # fmt: skip
def test_stages_are_found_backwards_from_the_end(seen: list[tuple[str, float]], found: dict[str, float]) -> None:
    assert stages(seen, ORDER, 10.0) == found


def test_an_update_is_told_by_who_sent_it_and_when() -> None:
    read = updates({"172.30.1.11": "a-h1", "172.30.1.5": "a-rr"}).read
    line = "1795201802.351625 a-h1  P   IP 172.30.1.11.57313 > 172.30.1.5.179: Flags [P.], length 189: BGP"
    assert read(line) == ("UPDATE a-h1 to a-rr", 1795201802.351625)
    assert read(line.replace("172.30.1.11", "172.30.1.12")) is None
    assert read("tcpdump: listening on any") is None


LOG = """\
   0.1 s  ok       namespaces and cables

   2.9 s  ok       rung 1  both clouds answer
   5.7 s  ok       rung 13  targets changed: overlap loses nothing: 0 of 146 packets lost while they overlapped
   0.8 s  ok       rung 14  a port moved: 22 of 59 packets lost
the top of the ladder after 106 s
"""


def test_the_last_climb_is_shown_as_it_was_printed() -> None:
    climb = ladder.read(LOG)
    before = "words\n\n```\n  99.9 s  ok       rung 1  old\nthe top of the ladder after 161 s\n```\n\n```\nmake\n```\n"
    after = ladder.into_readme(before, climb)
    assert after == "words\n\n```\n" + LOG.split("\n\n")[1] + "```\n\n```\nmake\n```\n"
    assert ladder.section(climb).splitlines()[-2:] == [
        "| 13 | targets changed: overlap loses nothing | 0 of 146 packets lost while they overlapped |",
        "| 14 | a port moved | 22 of 59 packets lost |",
    ]


def test_a_climb_that_failed_is_not_shown() -> None:
    with pytest.raises(AssertionError, match="top of the ladder"):
        ladder.read(LOG.replace("the top", "nothing"))


def test_what_bagpipe_is_told() -> None:
    """One VPNv4 route, octet by octet (RFC 4271 section 4.3, RFC 4364 section 4.3, RFC 4760 section 3)."""
    message = bagpipe.update(258)
    assert message[:16] == b"\xff" * 16 and int.from_bytes(message[16:18], "big") == len(message) and message[18] == 2
    withdrawn, attributes = message[19:21], message[23:]
    assert withdrawn == b"\0\0" and int.from_bytes(message[21:23], "big") == len(attributes)
    assert attributes[:14].hex() == "40010100" + "400200" + "40050400000064"
    assert attributes[14:25].hex() == "c01008" + "0002fc0000000200"
    reach = "0001800c" + "00" * 8 + "7f000002" + "00"
    nlri = "78" + "000641" + "00017f0000020001" + "0a090102"
    assert attributes[25:].hex() == "800e21" + reach + nlri


@pytest.mark.parametrize(
    ("figure", "now", "met"),
    [
        (Figure("x", "said", 0.45), [0.4, 0.5, 0.4], True),
        (Figure("x", "said", 0.45), [0.4, 0.5, 0.5], False),
        (Figure("x", "said", 0, COUNT), [0.0, 0.0, 0.0], True),
        (Figure("x", "said", 0, COUNT), [1.0, 1.0, 0.0], False),
        (Figure("x", "said"), [9.0, 9.0, 9.0], None),
    ],
)
def test_an_aim_is_met_or_not(figure: Figure, now: list[float], met: bool | None) -> None:
    seen = Seen(figure, [1.0, 1.0, 1.0], now)
    assert seen.met is met
    assert seen.line()[-1] == {True: "met", False: "**not met**", None: ""}[met]


def test_a_profile_is_shown_as_it_was_printed(tmp_path: Path) -> None:
    file, profile = tmp_path / "figures.md", "    ncalls  tottime\n    " + "x" * 200
    page.write(page.BEFORE, "words\n\n" + profile, file)
    assert profile in file.read_text()


def test_ways_are_compared_round_by_round() -> None:
    rounds = {"one": [9e6, 4e6], "other": [10e6, 5e6]}
    found = dict.fromkeys((TCP, SMALL_PACKETS, SENDER, RECEIVER), rounds)
    first, *_ = compared(found, [("one", "other")])
    assert first == (TCP, "6", "8", "0.85 (0.80 to 0.90)", "2")


def test_labels_are_held_to_their_aim() -> None:
    slow, fast = [85.0, 86.0], [100.0, 100.0]
    ways = {labelled.MPLS: slow, labelled.VXLAN: fast, labelled.MPLS_NEAR: fast, labelled.VXLAN_NEAR: fast}
    first, *others = labelled.aims({SMALL_PACKETS: ways, TCP: ways}).split(". ")
    assert first == "MPLS across clouds, packets a second: 0.85 of VXLAN's, aim 0.9, **not met**"
    assert [one.count("**not met**") for one in others] == [0, 1, 0]


def test_bagpipe_is_beside_its_own_family_and_the_other() -> None:
    done = {(ISTHMUS, VPNV4): [Import(1.0, 1.0)], (ISTHMUS, EVPN): [Import(0.5, 0.5)]}
    said = " ".join(speakers.against_bagpipe(done, [25.0]).split())
    assert "400 times as fast with VPNv4 (aim 500, **not met**)" in said
    assert "800 times as fast with EVPN (aim 500, met)" in said
    assert "not installed" in speakers.against_bagpipe(done, [])


def test_a_start_is_judged_by_what_is_the_agents_own() -> None:
    starts = {
        (asked.GOBGP, asked.ASKED): [Start(10.0, 0.1, 2 << 20, 1000, 9.0, 0.5)],
        (asked.GOBGP, asked.ALL): [Start(20.0, 5.0, 50 << 20, 100_000, 19.0, 0.5)],
        (asked.AT_ONCE, asked.ASKED): [Start(0.1, 0.1, 2 << 20, 1000, 0.0, 0.0)],
        (asked.AT_ONCE, asked.ALL): [Start(4.0, 4.0, 50 << 20, 100_000, 0.0, 0.0)],
    }
    rows = list(asked.rows(starts))
    assert rows[0] == ("GoBGP", "Established to the last flow", "10,000 ms", "20,000 ms", "0.500")
    assert rows[1] == ("GoBGP", "GoBGP's processor time in that span", "9,000 ms", "19,000 ms", "0.474")
    said = asked.aims(starts)
    assert "behind one that answers at once: 0.025, aim 0.05, met." in said
    assert "behind GoBGP: 0.500, aim 0.05, **not met**." in said
