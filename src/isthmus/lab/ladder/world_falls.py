"""The last rungs where there are PEs that are not ours: each PE, reflector and agent is killed, and what that costs is
counted."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.lab.chaos import command, table
from isthmus.lab.chaos.cases import Case
from isthmus.lab.chaos.foreign import FOREIGN
from isthmus.lab.fault import PartFailed
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.progress import Progress


def falls(ground: Ground, progress: Progress) -> str:
    """All cases, with streams between both clouds and to every PE."""
    with command.watched(ground) as streams:
        return counted(ground, FOREIGN, streams, progress)


def counted(ground: Ground, cases: Sequence[Case], streams: command.Streams, progress: Progress) -> str:
    """A line a case as it ends; the table. Raises PartFailed at the first that costs more than it may."""
    results = []
    for case in cases:
        results.append(command.run(ground.lab, case, streams, progress))
        if not results[-1].kept:
            wanted = f"lost between hypervisors: {case.allowed.words}; to and from others' PEs: {case.far.words}"
            raise PartFailed(case.title, wanted, table.text(results))
    return table.text(results)
