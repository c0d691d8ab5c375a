"""`isthmus why` as it is typed: several agents, brought statuses, exit codes. What it can name is in tests/faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import UnixStreamServer

import pytest

from isthmus.cli.main import main
from tests.cli.test_main import Answering
from tests.faults import clouds
from tests.faults.clouds import RED, healthy
from tests.faults.world import World

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[World], Ask]]:
    """Puts the agents of a world on sockets; `NAME` in what is typed becomes `--socket NAME=<its socket>`."""
    servers: list[UnixStreamServer] = []

    def serve(world: World) -> Ask:
        paths = {name: tmp_path / f"{name}.sock" for name in world.hosts}
        for name, host in world.hosts.items():
            if host.alive:
                server = UnixStreamServer(str(paths[name]), Answering)
                server.answers = {"/status": host.answer(world.now)}  # type: ignore[attr-defined]
                threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
                servers.append(server)

        def typed(*words: str, names: tuple[str, ...] = tuple(paths)) -> tuple[int, str, str]:
            sockets = [word for name in names for word in ("--socket", f"{name}={paths[name]}")]
            code = main([*words, *sockets])
            said = capsys.readouterr()
            return code, said.out, said.err

        return typed

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_whole_path_is_exit_code_0(ask: Callable[[World], Ask], tmp_path: Path) -> None:
    code, out, _ = ask(healthy())("why", "--from", "a-red1", "--to", "10.11.0.11")
    assert code == 0
    sentence, command = out.splitlines()
    assert sentence.startswith("the path between 10.1.0.10 (port ") and sentence.endswith("is whole, both ways")
    assert command == f"  isthmus show routes --prefix 10.11.0.11 --socket {tmp_path}/a-h1.sock"


def test_what_is_wrong_is_exit_code_1_with_a_command_that_can_be_typed(ask: Callable[[World], Ask]) -> None:
    world = healthy()
    clouds.retarget(world, "b", RED, exports=("64512:55",))
    typed = ask(world)
    code, out, _ = typed("why", "--from", "a-red1", "--to", "b-red1")
    assert code == 1
    sentence, command, meanwhile = out.splitlines()
    assert "exports 10.11.0.10 with 64512:55" in sentence and "no route target in common" in sentence
    assert "it does not leave by the router" in meanwhile, "it was reached a moment ago"
    assert typed(*command.split()[1:], names=())[0] == 0


def test_the_way_back_is_named_as_such(ask: Callable[[World], Ask]) -> None:
    world = healthy()
    clouds.retarget(world, "b", RED, imports=())
    code, out, _ = ask(world)("why", "--from", "a-red1", "--to", "b-red1")
    assert code == 1 and out.startswith("the way back: the BGPVPNs of port ")


def test_programs_get_json(ask: Callable[[World], Ask]) -> None:
    world = healthy()
    clouds.stop(world, "b-h1")
    code, out, _ = ask(world)("why", "--from", "a-red1", "--to", "10.11.0.10", "--json")
    said = json.loads(out)
    assert code == 1
    assert (said["whole"], said["cause"], said["way"], said["step"]) == (False, "AGENT_SILENT", "there", "FAR_END")
    assert "the agent of b-h1 does not answer" in said["sentence"] and said["command"].startswith("on b-h1: ")


def test_a_dump_stands_for_an_agent(
    ask: Callable[[World], Ask], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ask(healthy())
    assert main(["dump", "--socket", str(tmp_path / "b-h1.sock")]) == 0
    file = tmp_path / "b-h1.json"
    file.write_text(capsys.readouterr().out)
    code, out, _ = typed("why", "--from", "a-red1", "--to", "10.11.0.10", "--status", str(file), names=("a-h1",))
    assert code == 0 and "both ways" in out
    code, out, _ = typed("why", "--from", "b-red1", "--to", "10.1.0.10", "--status", str(file), names=("a-h1",))
    assert code == 0 and "  on b-h1: isthmus show routes --prefix 10.1.0.10" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--from", "10.1.0.10", "--to", "b-red1"), "'10.1.0.10' is 2 ports: port "),
        (("--from", "a-red1", "--to", "b-red1", "--status", "/nowhere"), "/nowhere: No such file or directory"),
    ],
)
def test_a_question_that_cannot_be_answered(ask: Callable[[World], Ask], words: tuple[str, ...], sentence: str) -> None:
    code, out, err = ask(healthy())("why", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"isthmus: {sentence}") and err.count("\n") == 1


def test_nobody_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.sock"
    assert main(["why", "--from", "x", "--to", "10.0.0.1", "--socket", str(path)]) == 1
    assert capsys.readouterr().err == f"isthmus: the agent does not run here: nobody listens at {path}\n"


def test_an_agent_that_talks_nonsense_is_one_that_does_not_answer(ask: Callable[[World], Ask], tmp_path: Path) -> None:
    typed = ask(healthy())
    server = UnixStreamServer(str(tmp_path / "odd.sock"), Answering)
    server.answers = {"/status": b"hello"}  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    try:
        words = ("why", "--from", "a-red1", "--to", "b-red1", "--socket", f"odd={tmp_path}/odd.sock")
        code, out, _ = typed(*words)
    finally:
        server.shutdown()
        server.server_close()
    assert code == 0 and "also: the agent of odd does not answer: what it says cannot be read" in out
