"""What the lab asks of a guest over its cable, with both ends here: a command, a process that is held, a socket."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from isthmus.lab.guests import channel
from tests.eventually import eventually


@pytest.fixture
def cable() -> Iterator[socket.socket]:
    """The lab's end."""
    here, there = socket.socketpair()

    def answer() -> None:
        with there, suppress(OSError):
            channel._answer(there)

    guest = threading.Thread(target=answer)
    guest.start()
    with here:
        here.settimeout(10)
        yield here
    guest.join(10)
    assert not guest.is_alive(), "it ends with the cable"


def held(cable: socket.socket, script: str) -> Iterator[dict[str, Any]]:
    channel.say(cable, {"hold": [sys.executable, "-c", script], "env": {"WHO": "me"}})
    with cable.makefile("rb") as lines:
        for line in lines:
            yield (said := json.loads(line))
            if "code" in said:
                return


def test_a_command_is_answered_with_its_output_and_its_code(cable: socket.socket) -> None:
    said = channel.ask(cable, ["sh", "-c", "cat; echo no >&2; exit 3"], "yes\n")
    assert said == {"code": 3, "out": "yes\n", "err": "no\n"}


def test_a_command_that_is_not_there_is_an_answer(cable: socket.socket) -> None:
    said = channel.ask(cable, ["/no/such/program"])
    assert said["code"] == 127
    assert "No such file" in said["err"]


def test_a_held_process_says_what_it_says_and_how_it_ends(cable: socket.socket) -> None:
    script = "import os, sys; print(os.environ['WHO'], flush=True); sys.exit('so long')"
    *said, last = held(cable, script)
    assert sorted(said, key=str) == [{"err": "so long\n"}, {"out": "me\n"}]
    assert last == {"code": 1}


def test_a_held_process_is_told_signals(cable: socket.socket) -> None:
    script = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [1]); print('ready', flush=True);"
    said = held(cable, f"{script} print(signal.sigwait([1]).name, flush=True)")
    assert next(said) == {"out": "ready\n"}
    cable.sendall(b"%d\n" % signal.SIGHUP)
    assert next(said) == {"out": "SIGHUP\n"}
    assert next(said) == {"code": 0}


def test_a_held_process_goes_with_whoever_held_it_and_takes_its_children_with_it(
    cable: socket.socket,
) -> None:
    script = "import os, signal; os.fork(); print(os.getpid(), flush=True); signal.pause()"
    said = held(cable, script)
    pids = [int(pid) for pid in (next(said)["out"] + next(said)["out"]).split()]
    cable.shutdown(socket.SHUT_RDWR)
    eventually(lambda: _gone(pids))


def test_a_socket_of_the_guest_is_reached_and_what_it_says_last_comes_too(cable: socket.socket, tmp_path: Path) -> None:
    path = tmp_path / "there"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        channel.say(cable, {"join": str(path)})
        cable.sendall(b"question")
        cable.shutdown(socket.SHUT_WR)
        other, _ = listener.accept()
        with other:
            assert _all(other) == b"question"
            other.sendall(b"answer")
        assert _all(cable) == b"answer"


def _all(side: socket.socket) -> bytes:
    with side.makefile("rb") as octets:
        return octets.read()


def _gone(pids: list[int]) -> None:
    alive = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        alive += [pid] if state != "Z" else []
    assert not alive
