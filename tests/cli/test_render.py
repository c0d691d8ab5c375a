"""What an operator sees, letter for letter: tests/cli/golden. `ISTHMUS_GOLDEN=write` makes them anew; read the diff."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isthmus.cli import render, summary
from isthmus.cli.choose import SECTIONS
from isthmus.cli.reading import AgentInfo, PartInfo
from isthmus.node.status import NodeStatus
from tests.shell import story

GOLDEN = Path(__file__).parent / "golden"
WELL = AgentInfo("0.1.0", "compute-1", 7384.0, [PartInfo("ofctl", 0, "")])
UNWELL = AgentInfo("0.1.0", "compute-1", 12.0, [PartInfo("ofctl", 2, "ENOENT")])
EMPTY = story.node(attachments=[], views=[], routes=[], peers=[], ports=[], machines=[], limits=[])


def golden(name: str, text: str) -> None:
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("ISTHMUS_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + "\n")
    assert text + "\n" == file.read_text()


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_of_a_troubled_node(section: str) -> None:
    golden(section, render.sections(story.troubled(), [section]))


def test_everything_of_a_well_node() -> None:
    golden("all", render.sections(story.node(), SECTIONS))


def test_nothing_at_all() -> None:
    golden("nothing", render.sections(EMPTY, SECTIONS))


@pytest.mark.parametrize(
    ("name", "status", "agent"), [("well", story.node(), WELL), ("unwell", story.troubled(), UNWELL)]
)
def test_a_summary(name: str, status: NodeStatus, agent: AgentInfo) -> None:
    golden(f"summary-{name}", summary.text(status, agent))


def test_a_well_node_has_no_problem() -> None:
    assert summary.problems(story.node(), WELL) == []


def test_a_line_that_two_pes_share_is_one_route() -> None:
    note = "a default route: what no longer prefix covers follows it into the VPN"
    both = [story.route(prefix="0.0.0.0/0", next_hop=f"172.30.7.{n}", note=note) for n in (1, 2)]
    assert ", 1 default route among them" in summary.text(story.node(routes=both), WELL)


def test_what_somebody_configured_so_is_no_problem() -> None:
    down = story.port(announced_to=[], why_not="the port is down")
    hidden = story.route(
        installed=False, why="the router's own subnet or route covers it, and the router's configuration wins"
    )
    assert summary.problems(story.node(ports=[down], routes=[hidden]), WELL) == []


def test_many_of_a_kind_are_counted() -> None:
    bad = [story.attachment(f"ac-{n}", attachment="", state="BAD_ROW", reason="nonsense") for n in range(100)]
    found = summary.problems(story.node(attachments=bad), WELL)
    assert found[-1] == "and 94 more like these" and len(found) == 7


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (86400, "1d00h"), (1e6, "11d13h")],
)
def test_ages(seconds: float, text: str) -> None:
    assert render.age(seconds) == text
