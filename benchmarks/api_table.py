"""The figures of benchmarks/api.py as a page, and the aims that they must meet."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


Seen = Mapping[tuple[str, int], Figure]


@dataclass(frozen=True, slots=True)
class Aim:
    what: str
    seen: str
    met: bool


def aims(theirs: Seen, ours: Seen, sizes: Sequence[int], crowd: str) -> list[Aim]:
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
    alone = set(crowd.split(";")[0].split()) >= {"201"} and "," not in crowd.split(";")[0]
    found.append(Aim("8 clients at once, two API processes: every answer is 201", crowd.split(";")[0], alone))
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
    crowds: Mapping[str, str],
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
    lines += ["## Aims", "", "| aim | seen | |", "|---|---|---|"]
    lines += [f"| {aim.what} | {aim.seen} | {'met' if aim.met else '**missed**'} |" for aim in met]
    lines += ["", "## Eight clients at once", ""]
    lines += ["200 times: make a BGPVPN, associate it with one of five networks that the others associate too.", ""]
    lines += ["| | answers |", "|---|---|"]
    lines += [f"| networking-bgpvpn | {crowds['theirs']} |", f"| ours | {crowds['ours']} |"]
    return "\n".join(lines) + "\n"


def _times(theirs: Figure, ours: Figure) -> str:
    if theirs.status >= 400 or ours.status >= 400:
        return ""
    ratio = theirs.processor / ours.processor
    return f"{ratio:.0f} times faster" if ratio >= 10 else f"{ratio:.1f} times faster" if ratio >= 1 else (
        f"{1 / ratio:.1f} times slower"
    )  # fmt: skip
