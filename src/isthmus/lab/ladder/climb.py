"""Climbing: rungs in their order, each with its time; the first that fails ends the climb and says why.

A rung is a function that does what a user would do and raises `Slipped` when what it sees is not what it should see.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from isthmus.lab.fault import PartFailed
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.progress import Progress, Step

POLL_S = 0.1


class Slipped(Exception):
    """What was expected, what was seen, and whose log may tell more."""

    def __init__(self, expected: str, seen: str, log: Path | None = None) -> None:
        super().__init__(expected, seen)
        self.expected, self.seen, self.log = expected, seen, log


@dataclass(frozen=True, slots=True)
class Rung:
    """One thing a user can see."""

    number: int
    title: str
    climb: Callable[[Ground, Step], None]

    @property
    def name(self) -> str:
        return f"rung {self.number}  {self.title}"


def climb(rungs: Sequence[Rung], ground: Ground, progress: Progress) -> None:
    """All of them, or PartFailed naming the one that failed."""
    for rung in rungs:
        try:
            with progress.step(rung.name) as step:
                rung.climb(ground, step)
        except Slipped as slip:
            log = slip.log or ground.lab.places.logs
            raise PartFailed(rung.name, slip.expected, slip.seen, log) from slip
        except (SDKException, ClientException) as error:
            raise PartFailed(rung.name, "Neutron to do what it is asked", str(error), ground.lab.places.logs) from error


def until(
    step: Step, expected: str, wrong: Callable[[], str | None], *, within_s: float = 15.0, log: Path | None = None
) -> None:
    """Poll until `wrong` has nothing to say; else Slipped with what it said last."""
    deadline = time.monotonic() + within_s
    while (last := wrong()) is not None:
        step.note(last[:80])
        if time.monotonic() >= deadline:
            raise Slipped(f"{expected} within {within_s:.0f} s", last, log)
        time.sleep(POLL_S)
