"""Fixtures of the lab's tests: one lab for the whole session, in a directory of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.lab import lab as whole
from isthmus.lab import netns, process, topology
from isthmus.lab.lab import Lab
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.progress import Progress

LAST = (
    "test_removing_the_associations_takes_everything_away",
    "test_the_higher_rungs",
    "test_the_slow",
    "test_up_succeeds",
    "test_an_upgrade",
)
"""These take away what the others stand on, in this order."""
APART = ("test_guests", "test_world", "test_kernel")
"""After all of them: these modules build labs of their own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.path.stem in APART:
        return len(LAST) + 1 + APART.index(item.path.stem)
    return next((n for n, name in enumerate(LAST, 1) if item.name.startswith(name)), 0)


@pytest.fixture
def neutron_paste() -> Path:
    """The api-paste.ini of the Neutron installed here."""
    path = Path(sys.prefix) / "etc/neutron/api-paste.ini"
    if not path.exists():
        pytest.skip("Neutron is not installed in this environment")
    return path


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two clouds with their agents; somebody else's lab is not touched."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if process.directories_in_use() or netns.present():
        pytest.fail("a lab runs already, and there can be only one: isthmus-lab down first")
    with pytest.MonkeyPatch.context() as environment:
        # Short: unix sockets live in there.
        environment.setenv(whole.DIRECTORY_VARIABLE, str(tmp_path_factory.getbasetemp().parent / "isthmus-lab"))
        path = topology.locate(None)
        with Progress(sys.stdout) as progress:
            made = whole.up(path.read_text(), str(path), agents=True, progress=progress)
        yield made
        whole.down()


@pytest.fixture(scope="session")
def ground(lab: Lab) -> Ground:
    """What the ladder's rungs build, one after the other."""
    return Ground(lab)
