"""What the agent's doors answer: a real server, a real client, a story of plain values."""

from __future__ import annotations

import dataclasses
import http.client
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from isthmus.cli import summary
from isthmus.cli.ask import NotAnswered, ask, tell
from isthmus.cli.main import main
from isthmus.cli.reading import AgentInfo, PartInfo, read
from isthmus.model.net import IpAddress
from isthmus.node.status import Detail, NodeStatus
from isthmus.shell import drain
from isthmus.shell.config_kinds import Listen
from isthmus.shell.face import AgentStatus, PartStatus
from isthmus.shell.http import Http
from tests.eventually import eventually
from tests.shell import story
from tests.shell.background import Background

AGENT = AgentStatus("0.1.0", "host-1", 12.5, [PartStatus("ofctl", 2, "why")], "in sync")


@pytest.fixture
def background() -> Iterator[Background]:
    with Background() as background:
        yield background


def serve(background: Background, at: Path | Listen, status: NodeStatus) -> Http:
    async def look(detail: Detail) -> tuple[NodeStatus, AgentStatus]:
        return (status if detail is Detail.ALL else dataclasses.replace(status, routes=[], machines=[])), AGENT

    door = background.do(Http, look, at)
    background.start(door.run())

    def opened() -> None:
        assert door.open.is_set()

    eventually(opened)
    return door


def test_the_status_arrives_whole(background: Background, tmp_path: Path) -> None:
    serve(background, tmp_path / "run" / "agent.sock", story.troubled())
    status, agent = read(ask(tmp_path / "run" / "agent.sock", "/status"))
    assert status == story.troubled()
    assert agent == AgentInfo("0.1.0", "host-1", 12.5, [PartInfo("ofctl", 2, "why")], "in sync")


def test_as_much_is_said_as_is_asked_for(background: Background, tmp_path: Path) -> None:
    serve(background, tmp_path / "agent.sock", story.troubled())
    status, _ = read(ask(tmp_path / "agent.sock", "/status?detail=states"))
    assert status.routes == [] and status.peers == story.troubled().peers
    with pytest.raises(NotAnswered, match="400 Bad Request"):
        ask(tmp_path / "agent.sock", "/status?detail=perhaps")


def test_only_the_owner_and_the_group_may_ask(background: Background, tmp_path: Path) -> None:
    serve(background, tmp_path / "agent.sock", story.node())
    assert stat.S_IMODE((tmp_path / "agent.sock").stat().st_mode) == 0o660


def test_what_is_not_there_is_not_answered(background: Background, tmp_path: Path) -> None:
    serve(background, tmp_path / "agent.sock", story.node())
    with pytest.raises(NotAnswered, match="404 Not Found"):
        ask(tmp_path / "agent.sock", "/routes")


def test_draining_is_asked_for_remembered_and_undone(background: Background, tmp_path: Path) -> None:
    state, at = tmp_path / "state", tmp_path / "agent.sock"

    asked: list[Detail] = []

    async def look(detail: Detail) -> tuple[NodeStatus, AgentStatus]:
        asked.append(detail)
        return story.node(drain="drained" if drain.stored(state) else "in use"), AGENT

    door = background.do(Http, look, at, lambda wanted: drain.store(state, wanted))
    background.start(door.run())

    def opened() -> None:
        assert door.open.is_set()

    eventually(opened)
    assert main(["drain", "--socket", str(at)]) == 0
    assert drain.stored(state)
    assert set(asked) == {Detail.STATES}, "waiting costs the agent nothing"
    assert "drain        drained" in summary.text(*read(ask(at, "/status")))
    with pytest.raises(NotAnswered, match="400 Bad Request"):
        tell(at, "/drain", "perhaps")
    assert drain.stored(state), "a question nobody understands changes nothing"
    assert main(["drain", "--undo", "--socket", str(at)]) == 0
    assert not drain.stored(state)


@pytest.mark.parametrize("of", [[], ["192.0.2.44", "192.0.2.45"]], ids=["all", "two"])
def test_what_was_answered_is_forgotten_by_command(background: Background, tmp_path: Path, of: list[str]) -> None:
    at, told = tmp_path / "agent.sock", list[frozenset[IpAddress]]()

    async def look(_: Detail) -> tuple[NodeStatus, AgentStatus]:
        return story.node(), AGENT

    door = background.do(Http, look, at, None, told.append)
    background.start(door.run())

    def opened() -> None:
        assert door.open.is_set()

    eventually(opened)
    assert main(["forget", "--socket", str(at), *of]) == 0
    assert told == [frozenset(map(IpAddress.parse, of))]
    with pytest.raises(NotAnswered, match="400 Bad Request"):
        tell(at, "/forget", "everybody")
    assert len(told) == 1


def test_tcp_shows_numbers_only(background: Background) -> None:
    door = serve(background, Listen("127.0.0.1", 0), story.node())
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200 and "isthmus_session_up" in answer.read().decode()
        connection.request("GET", "/status")
        answer = connection.getresponse()
        assert answer.read() and answer.status == 404
    finally:
        connection.close()


def numbers(background: Background, tmp_path: Path, status: NodeStatus) -> dict[tuple[str, str], float]:
    """Metrics by name and value of their only label, or of all of them."""
    serve(background, tmp_path / "agent.sock", status)
    text = ask(tmp_path / "agent.sock", "/metrics").decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert all(sample.name.startswith("isthmus_") for sample in samples)
    return {(s.name, " ".join(s.labels.values())): s.value for s in samples}


def test_metrics_say_what_the_status_says(background: Background, tmp_path: Path) -> None:
    got = numbers(background, tmp_path, story.troubled())
    expected = {
        ("isthmus_session_up", "192.0.2.1"): 1,
        ("isthmus_session_up", "192.0.2.2"): 0,
        ("isthmus_routes_received", "192.0.2.1"): 2,
        ("isthmus_routes_kept_seconds", "192.0.2.1"): 0,
        ("isthmus_routes_kept_seconds", "192.0.2.2"): 4000,
        ("isthmus_updates_treated_as_withdraw_total", "192.0.2.1"): 1,
        ("isthmus_view_routes", "0x1f"): 3,
        ("isthmus_view_routes_installed", "0x1f"): 1,
        ("isthmus_attachments", "ACTIVE"): 1,
        ("isthmus_attachments", "BAD_ROW"): 1,
        ("isthmus_attachments", "NO_WORKLOAD"): 0,
        ("isthmus_ports", ""): 3,
        ("isthmus_ports_announced", ""): 1,
        ("isthmus_ports_contested", "FIRST"): 1,
        ("isthmus_ports_contested", "SECOND"): 0,
        ("isthmus_flows_wanted", ""): 24,
        ("isthmus_flows_installed", ""): 20,
        ("isthmus_bundles_total", ""): 3,
        ("isthmus_bundles_refused_total", ""): 1,
        ("isthmus_inbound_dropped_packets_total", ""): 5,
        ("isthmus_inbound_labelled_dropped_packets_total", ""): 6,
        ("isthmus_feed_in_sync", "southbound"): 0,
        ("isthmus_feed_in_sync", "switch"): 1,
        ("isthmus_limit_state", "attachments "): 0,
        ("isthmus_limit_state", "routes_per_view 0x1f"): 1,
        ("isthmus_limit_state", "routes_per_peer 192.0.2.1"): 2,
        ("isthmus_limit_taken", "routes_per_view 0x1f"): 3,
        ("isthmus_limit_maximum", "routes_per_view 0x1f"): 3,
        ("isthmus_limit_refused", "routes_per_peer 192.0.2.1"): 2,
        ("isthmus_rows_skipped", ""): 1,
        ("isthmus_part_restarts_total", "ofctl"): 2,
        ("isthmus_generation", ""): 17,
        ("isthmus_decisions_total", ""): 12,
        ("isthmus_looks_total", "ROUTES"): 3,
        ("isthmus_looks_total", "INTENT"): 0,
        ("isthmus_routes_unused", "lower mobility sequence: the address has moved"): 1,
    }
    assert {key: got.get(key) for key in expected} == expected


def test_the_json_has_every_field_of_the_status(background: Background, tmp_path: Path) -> None:
    serve(background, tmp_path / "agent.sock", story.node())
    whole = json.loads(ask(tmp_path / "agent.sock", "/status"))
    assert whole["peers"][0]["address"] == "192.0.2.1" and whole["switch"]["southbound"] == "in sync"
    assert set(whole) == {*NodeStatus.__slots__, "agent"}
