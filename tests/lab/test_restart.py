"""After a crash the lab comes up again, and when it goes it leaves nothing. Runs last: it takes the shared lab down."""

from __future__ import annotations

import signal
import subprocess

import pytest

from isthmus.lab import netns
from isthmus.lab.lab import Lab
from tests.eventually import eventually
from tests.lab.command import COMMAND, run

pytestmark = pytest.mark.lab


def test_up_succeeds_after_it_was_killed_and_down_leaves_nothing(lab: Lab) -> None:
    run("down")
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True).stdout
    killed = subprocess.Popen([COMMAND, "up"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def under_way() -> None:
        assert "mariadb" in lab.processes.running(), "the database is not started yet"

    eventually(under_way)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    run("up", "--no-agents")
    assert "the lab is up already" in run("up", "--no-agents"), "every daemon runs and every namespace is there"
    run("down")
    assert lab.processes.running() == {}
    assert netns.present() == set()
    assert not lab.places.root.exists()
    assert subprocess.run(["ip", "-br", "link"], capture_output=True, text=True).stdout == links
