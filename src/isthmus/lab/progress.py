"""Steps with their time, as they happen: one line when a step ends, a live line for what takes longer.

On a terminal, steps that run for over two seconds are shown with what they wait for; elsewhere there are plain lines
only. Steps may run in several threads. The same printer serves `isthmus-lab up` and the rungs of the ladder.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TextIO

from isthmus.lab.fault import Interrupted, Refusal

LIVE_AFTER_S = 2.0
REDRAW_EVERY_S = 0.25
CLEAR_LINE = "\r\x1b[2K"
WIDTH_MAX = 110


class Step:
    """One step under way; `note` says what it is waiting for."""

    def __init__(self, name: str, began: float) -> None:
        self.name = name
        self.began = began
        self.waiting_for = ""
        self.outcome = ""

    def result(self, outcome: str) -> None:
        """A figure or a finding that stands behind the step's name when it has ended."""
        self.outcome = outcome

    def note(self, waiting_for: str) -> None:
        self.waiting_for = waiting_for


class Progress:
    """Prints; use it as a context manager so that the live line ends with it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._lock = threading.Lock()
        self._steps: list[Step] = []
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._live:
            self._ticker.join()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Prints the step with its time when it ends, whether well or badly."""
        step = Step(name, time.monotonic())
        with self._lock:
            self._steps.append(step)
        ended: str | None = "failed"
        try:
            yield step
            ended = "ok"
        except (Interrupted, KeyboardInterrupt):
            ended = "stopped"
            raise
        except Refusal:
            ended = None  # nothing began; the sentence is enough
            raise
        finally:
            with self._lock:
                self._steps.remove(step)
            if ended is not None:
                outcome = f": {step.outcome}" if step.outcome else ""
                self.line(f"{time.monotonic() - step.began:6.1f} s  {ended:7}  {name}{outcome}")

    def line(self, text: str) -> None:
        """A line of its own, the live line out of its way."""
        with self._lock:
            self._out.write((CLEAR_LINE if self._live else "") + text + "\n")
            self._out.flush()

    def _tick(self) -> None:
        while not self._over.wait(REDRAW_EVERY_S):
            with self._lock:
                self._out.write(CLEAR_LINE + live_line(self._steps, time.monotonic()))
                self._out.flush()
        with self._lock:
            self._out.write(CLEAR_LINE)
            self._out.flush()


def live_line(steps: list[Step], now: float) -> str:
    """What is shown while steps run: the slow ones, oldest first."""
    slow = [s for s in steps if now - s.began >= LIVE_AFTER_S]
    words = [f"{s.name} {now - s.began:.0f} s" + (f" ({s.waiting_for})" if s.waiting_for else "") for s in slow]
    return ("  … " + ", ".join(words))[:WIDTH_MAX] if words else ""
