"""The course of a run: turmoil, rest, judgement, and now and then a scene in which even less may change.

Rules: a course is a function of its seed and the number of steps; it stops with the first thing that is wrong.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from tests.sim.host import Broken
from tests.sim.scenes import Stage
from tests.sim.simulation import Difference, Simulation
from tests.sim.time_line import TimeLine

OFTEN = ("lying peer", "flooding peer")
"""Twice as often as others: less than half of the worlds have such a peer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What was wrong, for people."""

    seed: int
    step: int
    what: str
    last: tuple[str, ...]

    def __str__(self) -> str:
        story = "\n".join(f"  {line}" for line in self.last)
        return f"seed {self.seed}, step {self.step}\n{self.what}\nthe last events:\n{story}"


class Course(Stage):
    """One run of one seed."""

    def __init__(self, seed: int, *, trace: Callable[[str], None] | None = None) -> None:
        super().__init__(Simulation(seed, trace=trace))

    @property
    def line(self) -> TimeLine:
        return self.sim.line

    def run(self, steps: int) -> Fault | None:
        """Until so many steps are taken or something is wrong; what."""

        def history() -> None:
            self.settle()
            while self.line.steps < steps:
                self.turmoil()
                self.settle()
                while self.rng.random() < 0.65:
                    self._scene()

        return self.judged(history)

    def judged(self, play: Callable[[], object]) -> Fault | None:
        """Play something; what is wrong with it."""
        try:
            play()
        except (Broken, Difference) as wrong:
            return self._fault(str(wrong))
        except AssertionError:
            return self._fault("an assertion of the core or of the world:\n" + traceback.format_exc())
        return None

    def _fault(self, what: str) -> Fault:
        return Fault(self.sim.seed, self.line.steps, what, tuple(self.line.last()))

    def turmoil(self) -> None:
        pace = self.rng.choice((0.05, 0.3, 1.0, 4.0))
        for _ in range(self.rng.randrange(3, 25)):
            self.history.act()
            self.sim.pass_time(self.rng.expovariate(1 / pace))

    def _scene(self) -> None:
        self.hush()
        self.stay_down()
        often = [(name, scene) for name, scene in self.scenes.items() if name in OFTEN]
        name, scene = self.rng.choice([*self.scenes.items(), *often])
        if scene():
            self.sim.tally.count(f"scene {name}")
