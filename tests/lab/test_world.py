"""The ladder of the world: two clouds, a carrier and a fabric in one VPN. It builds a lab of its own, so it is long."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from isthmus.lab import lab as whole
from isthmus.lab import machine, topology
from isthmus.lab.fault import Refusal
from isthmus.lab.ladder import world
from isthmus.lab.ladder.climb import Rung, climb
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.world_falls import falls
from isthmus.lab.progress import Progress

pytestmark = [pytest.mark.lab, pytest.mark.long]

reached: list[int] = []


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    path = topology.locate("world")
    try:
        machine.check(topology.read(path.read_text(), str(path)))
    except Refusal as sentence:
        pytest.skip(str(sentence))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(whole.DIRECTORY_VARIABLE, str(tmp_path_factory.getbasetemp().parent / "isthmus-lab"))
        whole.down()
        try:
            with Progress(sys.stdout) as progress:
                yield Ground(whole.up(path.read_text(), str(path), agents=True, progress=progress))
        finally:
            whole.down()


@pytest.mark.parametrize("rung", world.RUNGS, ids=lambda rung: f"rung-{rung.number}")
def test_the_world(ground: Ground, rung: Rung) -> None:
    if reached != list(range(1, rung.number)):
        pytest.fail(f"the ladder stands on rung {reached[-1] if reached else 0} only")
    with Progress(sys.stdout) as progress:
        climb([rung], ground, progress)
    reached.append(rung.number)


def test_the_world_when_each_pe_reflector_and_agent_is_killed(ground: Ground) -> None:
    with Progress(sys.stdout) as progress:
        progress.line(falls(ground, progress))
