"""Processes: found again by their mark, awaited with the last mismatch, ended without touching others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.lab.fault import Interrupted, PartFailed
from isthmus.lab.plan import Daemon
from isthmus.lab.process import Processes, directories_in_use, listening
from tests.eventually import eventually
from tests.lab import build


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = build.processes(tmp_path)
    yield processes
    processes.sweep()


def shell(name: str, script: str) -> Daemon:
    return Daemon(name=name, argv=("sh", "-c", script))


def test_a_daemon_is_found_again_by_another_command(processes: Processes, tmp_path: Path) -> None:
    started = processes.start(shell("one", "exec sleep 600"))
    eventually(lambda: _is(build.processes(tmp_path).running(), {"one": [started.pid]}))
    # While a process becomes another program it has no environment to read.
    eventually(lambda: _is(str(tmp_path) in directories_in_use(), True))


def test_ending_a_part_leaves_the_others(processes: Processes) -> None:
    one, two = (processes.start(shell(name, "exec sleep 600")) for name in ("one", "two"))
    eventually(lambda: _is(len(processes.running()), 2))
    assert processes.kill("one")
    assert one.ended() is not None
    assert processes.running() == {"two": [two.pid]}
    assert not processes.kill("one"), "there was nothing left to end"


def test_a_sweep_ends_children_too_and_nobody_elses_processes(processes: Processes, tmp_path: Path) -> None:
    stranger = build.processes(tmp_path / "other")
    stranger.places.root.mkdir()
    other = stranger.start(shell("one", "exec sleep 600"))
    processes.start(shell("parent", "sleep 600 & sleep 600; true"))
    eventually(lambda: _is(len(processes.running().get("parent", [])), 3))
    assert processes.sweep() == 3
    assert processes.running() == {}
    assert other.ended() is None
    stranger.sweep()


def test_a_sweep_from_inside_the_lab_spares_the_one_who_asks(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.lab import build;"
        "print(build.processes(Path(sys.argv[1])).sweep(), 'ended')"
    )
    marked = build.processes(tmp_path).environment({})
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=marked, capture_output=True, text=True)
    assert done.stdout == "0 ended\n", done.stderr


def test_waiting_for_a_daemon_that_dies_says_how_and_shows_its_last_words(processes: Processes) -> None:
    started = processes.start(shell("broken", "echo starting; echo cannot open the door >&2; exit 3"))
    with pytest.raises(PartFailed) as failure:
        processes.until("the door", "it to open", lambda: "still closed", within_s=10, watch=[started])
    assert failure.value.seen == "broken ended with code 3: starting | cannot open the door"
    assert failure.value.log == processes.places.log("broken")


def test_waiting_too_long_prints_the_last_mismatch(processes: Processes) -> None:
    answers = iter(["1 of 3", "2 of 3"])
    with pytest.raises(PartFailed) as failure:
        processes.until("sessions", "3 of them", lambda: next(answers, "2 of 3"), within_s=0.2)
    assert str(failure.value) == "sessions failed\n  expected: 3 of them within 0 s\n  seen:     2 of 3"


def test_a_wait_ends_when_the_lab_is_interrupted(processes: Processes) -> None:
    processes.stop.set()
    with pytest.raises(Interrupted):
        processes.until("sessions", "any", lambda: "none", within_s=600)


def test_a_failing_command_says_what_it_was_for_and_its_last_words(processes: Processes) -> None:
    with pytest.raises(PartFailed) as failure:
        processes.run("disk", ["sh", "-c", "echo no space left >&2; exit 4"], expected="room for the database")
    assert (failure.value.expected, failure.value.seen) == ("room for the database", "exit code 4: no space left")


def test_commands_see_the_mark_and_not_the_callers_environment(processes: Processes, tmp_path: Path) -> None:
    os.environ["OVS_RUNDIR_PROBE"] = "system"
    seen = processes.run("env", ["env"])
    del os.environ["OVS_RUNDIR_PROBE"]
    assert f"ISTHMUS_LAB={tmp_path}" in seen.splitlines()
    assert "OVS_RUNDIR_PROBE" not in seen


def test_a_socket_nobody_listens_on_is_named(tmp_path: Path) -> None:
    assert listening(tmp_path / "db.sock") == f"{tmp_path}/db.sock: No such file or directory"


def _is(actual: object, expected: object) -> None:
    assert actual == expected


def test_a_signal_goes_to_the_head_of_a_part_and_not_to_what_it_started(processes: Processes) -> None:
    script = "trap 'exit 7' TERM; sleep 600 & while :; do wait; done"
    started = processes.start(shell("parent", script))
    eventually(lambda: _is(len(processes.running().get("parent", [])), 2))
    assert processes.heads("parent") == [started.pid]
    assert processes.signal("parent", signal.SIGTERM)
    eventually(lambda: _is(started.ended(), "ended with code 7"))
    assert len(processes.running()["parent"]) == 1, "its child was told nothing"
    assert not processes.signal("nobody", signal.SIGTERM)
