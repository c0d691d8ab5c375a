"""`isthmus-lab ladder`: build the lab, climb, show the picture, clean up.

The rungs make their own networks and VMs, so they begin with a lab that has none: one that is there goes first.
"""

from __future__ import annotations

import time
from typing import Any, TextIO

from isthmus.lab import lab as whole
from isthmus.lab import report, topology
from isthmus.lab.ladder import agents, kernel, reflected, world
from isthmus.lab.ladder.climb import climb
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.keeping import RUNGS as HIGHER
from isthmus.lab.ladder.picture import picture
from isthmus.lab.ladder.rungs import CORP, RUNGS
from isthmus.lab.ladder.world_falls import falls
from isthmus.lab.progress import Progress
from isthmus.lab.topology import ReflectorKind

REMOVAL = RUNGS[-1]
"""The last rung takes the VPN away, so the picture is taken before it."""


def ladder(out: TextIO, *, name: str | None = None, keep: bool) -> None:
    """Everything from nothing. Raises Refusal, or PartFailed: then the lab is left for whoever wants to look."""
    began = time.monotonic()
    path = topology.locate(name)
    with Progress(out) as progress:
        if whole.is_there():
            progress.line(f"an earlier lab goes first: {whole.down()}")
        lab = whole.up(path.read_text(), str(path), agents=True, progress=progress)
        ground = Ground(lab)
        progress.line("")
        _climb(ground, progress)
        progress.line(f"the top of the ladder after {time.monotonic() - began:.0f} s")
        if keep:
            progress.line("left running, joined")
            progress.line(report.invitation(lab))
        else:
            progress.line(whole.down())


def _climb(ground: Ground, progress: Progress) -> None:
    """As the topology has it."""
    topology = ground.lab.topology
    if not topology.pes:
        _clouds(ground, progress)
    elif len(topology.clouds) == 1:
        _one(ground, progress)
    else:
        _world(ground, progress)


def _clouds(ground: Ground, progress: Progress) -> None:
    lab = ground.lab
    climb(RUNGS[:-1], ground, progress)
    corp = {one.node for one in ground.of("a-red", "b-red")}
    drawn = picture(lab.topology, list(ground.vms.values()), _statuses(ground), CORP, corp)
    climb([REMOVAL, *HIGHER], ground, progress)
    progress.line(drawn)


def _world(ground: Ground, progress: Progress) -> None:
    in_a_kernel = any(site.in_guest for site in ground.lab.plan.sites)
    climb([*world.RUNGS, *(kernel.RUNGS if in_a_kernel else ())], ground, progress)
    corp = {one.node for one in ground.of("a-red", "b-red")}
    progress.line(picture(ground.lab.topology, list(ground.vms.values()), _statuses(ground), CORP, corp))
    if not in_a_kernel:
        progress.line(falls(ground, progress))


def _one(ground: Ground, progress: Progress) -> None:
    climb(reflected.RUNGS, ground, progress)
    progress.line(reflected.falls(ground, progress))
    kinds = {one.kind for cloud in ground.lab.topology.clouds for one in cloud.reflectors}
    climb([reflected.UNCLOTHED] if kinds == {ReflectorKind.BIRD} else [], ground, progress)


def _statuses(ground: Ground) -> dict[str, Any]:
    return {site.node: agents.status(ground.lab, site.node) for site in ground.lab.plan.sites}
