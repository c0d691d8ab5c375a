"""The command itself: what it asks, what it chooses, its exit codes. The agent is a real HTTP server on a socket."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import pytest

from isthmus.cli.choose import SECTIONS
from isthmus.cli.main import main
from isthmus.node.status import NodeStatus
from tests.shell import story


def as_json(value: Any) -> Any:
    """A status as the agent writes it."""
    return json.loads(json.dumps(value, default=lambda o: {name: getattr(o, name) for name in o.__slots__}))


class Answering(BaseHTTPRequestHandler):
    """Answers with what the test put into the server."""

    def do_GET(self) -> None:
        body: bytes | None = self.server.answers.get(self.path)  # type: ignore[attr-defined]
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        """Nobody listens."""


class Agent:
    """An agent with a given story."""

    def __init__(self, socket_path: Path) -> None:
        self.path = socket_path
        self.server = UnixStreamServer(str(socket_path), Answering)
        self.tell(story.node())
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}).start()

    def tell(self, status: NodeStatus) -> None:
        whole = as_json(status) | {"agent": {"version": "0.1.0", "host": "compute-1", "uptime_s": 7384.0}}
        self.answers = {"/status": json.dumps(whole).encode(), "/metrics": b"isthmus_generation 17.0\n"}
        self.server.answers = self.answers  # type: ignore[attr-defined]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "agent.sock")
    yield agent
    agent.close()


class Command:
    """Runs the command against the agent."""

    def __init__(self, agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
        self._agent, self._capsys = agent, capsys

    def __call__(self, *words: str) -> str:
        """What it prints, when it ends well."""
        assert main([*words, "--socket", str(self._agent.path)]) == 0
        return self._capsys.readouterr().out

    def cells(self, *words: str, column: str) -> list[str]:
        """One column of a table, by its head."""
        head, *rows = self("show", *words).splitlines()
        if head == "none":
            return []
        start = head.index(column)
        return [row[start:].split("  ")[0] for row in rows]


@pytest.fixture
def command(agent: Agent, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(agent, capsys)


def test_without_a_word_it_says_whether_all_is_well(agent: Agent, command: Command) -> None:
    assert command("show").endswith("\n\nAll is well.\n")
    agent.tell(story.troubled())
    text = command("show")
    assert "All is well." not in text
    assert "peer 192.0.2.2: Idle for 1m15s: no connection: Connection refused" in text


def test_programs_get_json(agent: Agent, command: Command) -> None:
    assert json.loads(command("show", "--json")) == {"well": True, "problems": []}
    assert json.loads(command("show", "routes", "--json")) == {"routes": as_json(story.node().routes)}
    assert list(json.loads(command("show", "all", "--json"))) == [*SECTIONS]


def test_metrics_are_passed_on(command: Command) -> None:
    assert command("metrics") == "isthmus_generation 17.0\n"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("10.2.0.7", ["10.2.0.7/32", "10.2.0.7/32"]),
        ("10.9.3.0/24", ["10.9.0.0/16"]),
        ("10.2.0.0/16", ["10.2.0.7/32", "10.2.0.7/32", "10.2.0.8/32", "10.2.0.9/32"]),
        ("2001:db8::1", []),
    ],
)
def test_routes_by_prefix(agent: Agent, command: Command, asked: str, found: list[str]) -> None:
    agent.tell(story.troubled())
    assert command.cells("routes", "--prefix", asked, column="PREFIX") == found


def test_why_not_leaves_what_is_as_it_should_be_out(agent: Agent, command: Command) -> None:
    agent.tell(story.troubled())
    assert command.cells("peers", "--why-not", column="PEER") == ["192.0.2.2"]
    assert command.cells("ports", "--why-not", column="ADDRESS") == ["10.1.0.5", "10.1.0.6", "10.1.0.7"]
    assert command.cells("limits", "--why-not", column="STATE") == ["FULL", "NEAR"]
    assert command.cells("limits", "--view", "0x1f", column="LIMIT") == ["routes_per_view"]
    assert command.cells("limits", column="LIMIT") == ["attachments", "routes_per_peer", "routes_per_view"]
    assert command.cells("routes", "--why-not", "--view", "0x1f", column="PREFIX") == [
        "10.2.0.7/32",
        "10.2.0.8/32",
        "10.1.0.0/24",
    ]


def test_one_bgpvpn(agent: Agent, command: Command) -> None:
    agent.tell(story.troubled())
    assert command.cells("ports", "--bgpvpn", story.VPN_2, column="ADDRESS") == ["10.1.0.7"]
    all_of_it = command("show", "all", "--bgpvpn", story.VPN_1)
    assert all(f"{name}\n" in all_of_it for name in ("Attachments", "Views", "Routes", "Ports"))
    assert "Peers\n" not in all_of_it, "what the filter cannot tell apart is not shown as if it could"


def test_one_bgpvpn_of_a_view_that_unites_two(agent: Agent, command: Command) -> None:
    both = story.attachment(
        bgpvpns=[story.VPN_1, story.VPN_2],
        associations=[story.association(), story.association(bgpvpn=story.VPN_2, imports=["64512:2"])],
    )
    view = dataclasses.replace(
        story.node().views[0], bgpvpns=[story.VPN_1, story.VPN_2], import_targets=["64512:1", "64512:2"]
    )
    routes = [story.route(), story.route("10.2.0.9/32", route_targets=["64512:2"]), story.route("10.3.0.1/32", view="")]
    agent.tell(story.node(attachments=[both], views=[view], routes=routes))
    assert command.cells("views", "--bgpvpn", story.VPN_2, column="VIEW") == ["0x1f"]
    assert command.cells("views", "--bgpvpn", "x", column="VIEW") == []
    assert command.cells("routes", "--bgpvpn", story.VPN_1, column="PREFIX") == ["10.2.0.7/32"]
    assert command.cells("routes", "--bgpvpn", story.VPN_2, column="PREFIX") == ["10.2.0.9/32"]


def test_machines_in_no_vpn_and_those_whose_rows_are_nonsense(agent: Agent, command: Command) -> None:
    agent.tell(story.troubled())
    assert command.cells("machines", "--prefix", "10.8.0.8", column="PORT") == ["c0000000-0000-0000-0000-000000000008"]
    assert len(command.cells("machines", "--view", "0x1f", column="PORT")) == 3
    assert command.cells("machines", "--why-not", column="WHY NOT") == [
        "the switch does not take packets from 10.1.0.6",
        "the port is down",
        "left out: mac: no MAC address in []",
    ]


def test_an_older_and_a_newer_agent_are_understood(agent: Agent, command: Command) -> None:
    status = as_json(story.node())
    del status["peers"][0]["last_fault"], status["views"]
    status["peers"][0]["novelty"] = status["novelty"] = {"of": "tomorrow"}
    agent.answers["/status"] = json.dumps(status).encode()
    assert command.cells("peers", column="PEER") == ["192.0.2.1", "192.0.2.2"]
    assert command("show", "views") == "none\n"


def failed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(list(words))
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1, "one sentence"
    return code, captured.err


def test_no_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.sock"
    sentence = f"isthmus: the agent does not run here: nobody listens at {path}\n"
    assert failed(capsys, "show", "--socket", str(path)) == (1, sentence)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    assert failed(capsys, "metrics", "--socket", str(path)) == (1, sentence)


def test_an_answer_that_is_no_status(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.answers["/status"] = b"hello"
    code, sentence = failed(capsys, "show", "--socket", str(agent.path))
    assert code == 1 and "cannot be read" in sentence
    agent.answers.clear()
    assert failed(capsys, "show", "--socket", str(agent.path))[1].endswith("answered 404 Not Found\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("show", "peers", "--bgpvpn", "x"),
            "--bgpvpn chooses among attachments and views and routes and ports, not peers",
        ),
        (("show", "--why-not"), "--why-not needs to know what to show: attachments, views, routes, peers, ports,"),
        (("show", "routes", "--prefix", "ten"), "--prefix takes an address or a prefix, not 'ten'"),
        (("show", "switch", "--why-not"), "--why-not chooses among attachments and views and routes and peers and"),
    ],
)
def test_what_cannot_be_asked(
    agent: Agent, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    code, said = failed(capsys, *words, "--socket", str(agent.path))
    assert code == 2 and said.startswith(f"isthmus: {sentence}")


@pytest.mark.parametrize("words", [(), ("show", "everything"), ("look",), ("show", "--colour")])
def test_bad_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: isthmus" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough(agent: Agent) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    agent.tell(story.node(routes=[story.route()] * 5000))
    done = subprocess.run(
        [sys.executable, "-m", "isthmus.cli.main", "show", "routes", "--socket", str(agent.path)],
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
