"""The figures of benchmarks/api.py as a page, and the aims that they must meet."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

CROWD_ROUNDS = 5
LIST_TIMES_FASTER, PAGE_TIMES, ASSOCIATE_TIMES = 40.0, 2.0, 1.25
"""The last allows for the spread of two means of 15."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one request costs."""

    status: int
    seconds: float
    processor: float
    statements: int

    def __str__(self) -> str:
        if self.status >= 400:
            return f"answers {self.status}"
        return f"{_time(self.seconds)}, {_time(self.processor)}, {self.statements:,}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


@dataclass(slots=True)
class Crowd:
    """What clients at once have seen: of each request what was done a second and its processor time, each round."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, what: str, rate: float, processor: float, statuses: Sequence[int]) -> None:
        self.rates.setdefault(what, []).append(rate)
        self.processor.setdefault(what, []).append(processor)
        self.statuses.update(statuses)

    def rate(self, what: str) -> float:
        return median(self.rates[what])

    def said(self, what: str) -> str:
        return f"{self.rate(what):.0f} a second, {_time(median(self.processor[what]))}"

    def __str__(self) -> str:
        answers = ", ".join(f"{count} times {status}" for status, count in sorted(self.statuses.items()))
        return "; ".join([*(f"{what} {self.said(what)}" for what in self.rates), answers])


Seen = Mapping[tuple[str, int], Figure]


@dataclass(frozen=True, slots=True)
class Aim:
    what: str
    seen: str
    met: bool


def crowd_aims(theirs: Crowd, ours: Crowd) -> list[Aim]:
    found = [
        Aim(f"{what}, 8 clients at once: no slower than networking-bgpvpn",
            f"{ours.rate(what):.0f} against {theirs.rate(what):.0f} a second",
            ours.rate(what) >= theirs.rate(what))
        for what in ours.rates
    ]  # fmt: skip
    answers = ", ".join(f"{count} times {status}" for status, count in sorted(ours.statuses.items()))
    return [
        *found,
        Aim("8 clients at once, two API processes: every answer is 201", answers, set(ours.statuses) == {201}),
    ]


def crowd_lines(theirs: Crowd, ours: Crowd, met: Sequence[Aim]) -> list[str]:
    lines = ["## Eight clients at once", ""]
    lines += [
        "200 times: make a BGPVPN; then associate each with one of five networks that the others associate too.",
        "",
    ]
    lines += [
        f"By turns, {CROWD_ROUNDS} rounds each in this run; medians: requests a second, processor time of one.",
        "",
    ]
    lines += ["| request | networking-bgpvpn | ours |", "|---|---|---|"]
    lines += [f"| {what} | {theirs.said(what)} | {ours.said(what)} |" for what in ours.rates]
    return [*lines, "", *_met(met)]


def _met(met: Sequence[Aim]) -> list[str]:
    lines = ["| aim | seen | |", "|---|---|---|"]
    return [*lines, *(f"| {aim.what} | {aim.seen} | {'met' if aim.met else '**missed**'} |" for aim in met)]


def aims(theirs: Seen, ours: Seen, sizes: Sequence[int]) -> list[Aim]:
    few, some, many = sizes[0], sizes[1], sizes[-1]
    faster = theirs["list", many].processor / ours["list", many].processor
    page = ours["list, limit=20", many].processor / ours["list, limit=20", some].processor
    found = [
        Aim(f"list of {many:,} at least {LIST_TIMES_FASTER:.0f} times faster", f"{faster:.0f} times",
            faster >= LIST_TIMES_FASTER),
        Aim(f"`limit=20` of {many:,} within {PAGE_TIMES:.0f} times `limit=20` of {some:,}", f"{page:.2f} times",
            page <= PAGE_TIMES),
    ]  # fmt: skip
    for what in ("associate network", "associate network behind a router"):
        slower = ours[what, many].processor / ours[what, few].processor
        words = f"{what}: no slower with {many:,} than with {few}"
        found.append(Aim(words, f"{slower:.2f} times", slower <= ASSOCIATE_TIMES))
    same = max(ours["list", size].statements for size in sizes) == ours["list", few].statements
    counts = ", ".join(str(ours["list", size].statements) for size in sizes)
    found.append(Aim("statements of a list do not grow with it", counts, same))
    return found


NOT_ASKED = "not asked: it reads all, as the list does"
HEAD = """# Speed of the API

Made by `make bench-api`; read the times as orders of magnitude: the machine (two cores) has other work, its load
average at the end was {load:.0f}. One run: two Neutron 29.0.0 with ML2/OVN (uWSGI, two processes of four threads
each) on one MariaDB 10.11 and one database, one with networking-bgpvpn 25.0.0 (its database-only driver, all
extensions), one with us. The same ids, names, numbers and associations in both plugins' tables; each BGPVPN is
associated with a network, a router and a port of its own.

One client, one request after another. Each cell: the quickest of up to 15 answers (fewer of what takes seconds); its
processor time, API and MariaDB together, a mean; SQL statements as MariaDB counts them, Neutron's own included. The
last column and the aims compare processor time, which other work on the machine does not change. Ours writes OVN where
an association asks for it; theirs writes no backend.
"""


def page(
    theirs: Seen,
    ours: Seen,
    sizes: Sequence[int],
    their_crowd: Crowd,
    our_crowd: Crowd,
    met: Sequence[Aim],
) -> str:
    lines = [HEAD.format(load=os.getloadavg()[0])]
    for size in sizes:
        lines += [f"## {size:,} BGPVPNs", "", "| request | networking-bgpvpn | ours | |", "|---|---|---|---|"]
        for (what, many), figure in ours.items():
            if many == size:
                other = theirs.get((what, many))
                cells = (str(other), str(figure), _times(other, figure)) if other else (NOT_ASKED, str(figure), "")
                lines.append(f"| {what} | {' | '.join(cells)} |")
        lines.append("")
    lines += crowd_lines(their_crowd, our_crowd, [])[:-3]
    lines += ["", "## Aims", "", *_met(met)]
    return "\n".join(lines) + "\n"


def _times(theirs: Figure, ours: Figure) -> str:
    if theirs.status >= 400 or ours.status >= 400:
        return ""
    ratio = theirs.processor / ours.processor
    return f"{ratio:.0f} times faster" if ratio >= 10 else f"{ratio:.1f} times faster" if ratio >= 1 else (
        f"{1 / ratio:.1f} times slower"
    )  # fmt: skip
