"""Many measurements of one thing, as the few numbers a reader wants, and tables of them. Pure.

Seconds in, milliseconds out. The 95th percentile is the smallest value that at least 95 % of all are not above (nearest
rank): with twenty rounds that is the second worst, and it was really measured.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """What came out of the rounds, in seconds (or a ratio); sorted, never empty."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Sample:
        sample = cls(tuple(sorted(values)))
        assert sample.values, "nothing was measured"
        return sample

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        return self.values[math.ceil(0.95 * len(self.values)) - 1]

    @property
    def low(self) -> float:
        return self.values[0]

    @property
    def high(self) -> float:
        return self.values[-1]


def ms(seconds: float) -> str:
    """Milliseconds, with a digit behind the point where they are few."""
    value = seconds * 1000
    return f"{value:,.1f}" if abs(value) < 10 else f"{value:,.0f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Of Markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


TIMES = ("what", "median", "p95", "spread", "rounds")


def times(samples: Mapping[str, Sequence[float]]) -> str:
    """A table of durations; what was never measured is left out."""
    return table(TIMES, [_row(name, Sample.of(values)) for name, values in samples.items() if values])


def _row(name: str, sample: Sample) -> tuple[str, ...]:
    spread = f"{ms(sample.low)} to {ms(sample.high)} ms"
    return name, f"{ms(sample.median)} ms", f"{ms(sample.p95)} ms", spread, str(len(sample.values))


def verdicts(samples: Mapping[str, Sequence[float]], limit_s: float) -> list[str]:
    """A sentence for each whose 95th percentile is above the aim."""
    found = {name: Sample.of(values).p95 for name, values in samples.items() if values}
    return [
        f"{name}: p95 {ms(p95)} ms, above the aim of {ms(limit_s)} ms" for name, p95 in found.items() if p95 > limit_s
    ]


def ratio(one: Sequence[float], other: Sequence[float]) -> Sample:
    """Of rounds side by side: each of the one to that of the other in the same round."""
    return Sample.of(a / b for a, b in zip(one, other, strict=True))
