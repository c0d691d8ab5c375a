"""The holder under signals that come whenever they like."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from isthmus.shell import holder
from tests.eventually import eventually

RUNS = 150


def test_a_signal_in_the_moment_in_which_the_program_ends_is_no_end(tmp_path: Path) -> None:
    """A program that ends at once, and a storm of wishes to exchange it: some find a child that is no more."""
    runs = tmp_path / "runs"
    runs.touch()
    program = ["sh", "-c", f"trap '' USR2; echo >> {runs}"]
    held = subprocess.Popen([sys.executable, holder.__file__, "--", *program], stderr=subprocess.PIPE)

    def stormed() -> None:
        for _ in range(100):
            held.send_signal(signal.SIGHUP)
        assert held.poll() is not None or runs.stat().st_size >= RUNS

    try:
        eventually(lambda: _began(runs))
        eventually(stormed, within=240, every=0.0)
        held.send_signal(signal.SIGTERM)
        _, said = held.communicate(timeout=60)
        assert said == b"" and runs.stat().st_size >= RUNS
    finally:
        held.kill()
        held.communicate()


def _began(runs: Path) -> None:
    """The holder listens to signals before it starts anything."""
    assert runs.stat().st_size
