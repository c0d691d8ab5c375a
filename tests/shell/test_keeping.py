"""A program and its holder: what is given is had back, by the one it is meant for, until it is forgotten."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.shell import keeping

PROGRAM = """
import os, socket, sys
from isthmus.shell import keeping
kept = keeping.kept()
print("start", *sorted(kept), flush=True)
for word in sys.stdin:
    match word.split():
        case ["keep", name]:
            one = socket.socket(socket.AF_UNIX)
            one.connect(sys.argv[1])
            print("kept", keeping.keep(name, one.fileno()), keeping.taken(), flush=True)
        case ["say", name]:
            kept[name].sendall(b"hello"); print("said", flush=True)
        case ["forget", name]:
            keeping.forget(name); print("forgotten", keeping.taken(), flush=True)
        case ["end", code]:
            sys.exit(int(code))
"""


class Held:
    """The program under its holder, and the far end of what it opens."""

    def __init__(self, directory: Path) -> None:
        self.far = socket.socket(socket.AF_UNIX)
        self.far.bind(str(directory / "far"))
        self.far.listen()
        command = [sys.executable, "-m", "isthmus.shell.holder", "--", sys.executable, "-c", PROGRAM]
        self.process = subprocess.Popen(
            [*command, str(directory / "far")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def do(self, words: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        return self.says()

    def keeps(self, name: str) -> socket.socket:
        assert self.do(f"keep {name}") == "kept True True"
        peer, _ = self.far.accept()
        peer.settimeout(5)
        return peer

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(5)
        for one in (self.process.stdin, self.process.stdout, self.far):
            if one is not None:
                one.close()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    one = Held(tmp_path)
    try:
        assert one.says() == "start"
        yield one
    finally:
        one.close()


def test_what_is_kept_comes_back_at_the_next_start(held: Held) -> None:
    with held.keeps("bgp-0a00002a") as peer:
        assert held.do("end 0") == "start bgp-0a00002a"
        assert held.do("say bgp-0a00002a") == "said"
        assert peer.recv(100) == b"hello"


def test_several_keep_their_names(held: Held) -> None:
    with held.keeps("one") as one, held.keeps("two") as two:
        assert held.do("end 0") == "start one two"
        held.do("say two")
        assert two.recv(100) == b"hello"
        held.do("say one")
        assert one.recv(100) == b"hello"


def test_a_crash_gives_it_back_too_and_the_program_knows_what_it_is_worth(held: Held) -> None:
    with held.keeps("one"):
        assert held.do("end 1") == "start one"


def test_what_is_forgotten_ends_with_the_program(held: Held) -> None:
    with held.keeps("one") as peer:
        assert held.do("end 0") == "start one"
        assert held.do("forget one") == "forgotten True"
        assert held.do("end 0") == "start"
        assert peer.recv(100) == b""


def test_an_exchange_starts_the_next_at_once_and_a_stop_ends_both(held: Held) -> None:
    held.process.send_signal(signal.SIGHUP)
    assert held.says() == "start", "told by SIGUSR2, which ends a program that does not mind it"
    held.process.send_signal(signal.SIGTERM)
    assert held.process.wait(5) == 128 + signal.SIGTERM


def test_the_holders_end_is_the_end_of_what_it_keeps(held: Held) -> None:
    with held.keeps("one") as peer:
        held.process.send_signal(signal.SIGTERM)
        assert peer.recv(100) == b""


def test_a_program_that_cannot_use_its_configuration_is_not_started_again(held: Held) -> None:
    assert held.do("end 2") == ""
    assert held.process.wait(5) == 2


def test_a_stranger_is_not_listened_to(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says something to the holder that is not its child."""
    monkeypatch.setenv("NOTIFY_SOCKET", f"@isthmus-holder-{held.process.pid}")
    assert keeping.keep("stranger", held.far.fileno())
    assert held.do("end 0") == "start"


def test_without_anybody_who_keeps_nothing_is_kept() -> None:
    assert "NOTIFY_SOCKET" not in os.environ
    assert not keeping.keep("one", 0)
    assert not keeping.taken()
    assert keeping.kept() == {}


def test_descriptors_meant_for_another_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "one"), ("LISTEN_PID", "1")):
        monkeypatch.setenv(name, value)
    assert keeping.kept() == {}
