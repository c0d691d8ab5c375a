"""A hypervisor whose switch forwards in a kernel, in the world: the world's ladder and rungs of its own. Long."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from isthmus.lab import lab as whole
from isthmus.lab import machine, topology
from isthmus.lab.fault import Refusal
from isthmus.lab.ladder import kernel, world
from isthmus.lab.ladder.climb import Rung, climb
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.progress import Progress

pytestmark = [pytest.mark.lab, pytest.mark.long]

reached: list[int] = []


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    path = topology.locate("kernel")
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


@pytest.mark.parametrize("rung", [*world.RUNGS, *kernel.RUNGS], ids=lambda rung: f"rung-{rung.number}")
def test_a_hypervisor_that_forwards_in_a_kernel(ground: Ground, rung: Rung) -> None:
    if reached != list(range(1, rung.number)):
        pytest.fail(f"the ladder stands on rung {reached[-1] if reached else 0} only")
    with Progress(sys.stdout) as progress:
        climb([rung], ground, progress)
    reached.append(rung.number)
