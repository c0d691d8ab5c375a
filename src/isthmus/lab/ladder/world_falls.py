"""The last rungs of the world: each PE, reflector and agent is killed in turn, and what that costs is counted."""

from __future__ import annotations

from isthmus.lab.chaos import command, table
from isthmus.lab.chaos.foreign import FOREIGN
from isthmus.lab.fault import PartFailed
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.progress import Progress


def falls(ground: Ground, progress: Progress) -> str:
    """A line a case as it ends; the table. Raises PartFailed at the first that costs more than it may."""
    results = []
    with command.watched(ground) as streams:
        for case in FOREIGN:
            results.append(command.run(ground.lab, case, streams, progress))
            if not results[-1].kept:
                raise PartFailed(case.title, f"{case.allowed.words} lost between clouds", table.text(results))
    return table.text(results)
