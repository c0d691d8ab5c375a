"""This build beside the commit before its redesign: the same measurements in both trees, by turns, in one run.

    10,000 routes in one view · 1,000 views of 10 routes · what small facts cost in a large cloud · memory for routes
    that hardly concern this hypervisor · how long an exchange of the agent is deaf

Each measurement is a process of its own (measured.py), on the interpreter of the agent's environment, and counts its
processor time; a ratio is of two runs side by side. What the table aims at is beside what was seen, and where an aim is
not met, where the time goes. Writes its section of docs/figures.md.
Run: python -m benchmarks.before [--rounds N] [--rows ROW,ROW] [--base COMMIT] [--profile] [--here]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import page
from benchmarks.machine import Run
from benchmarks.samples import Sample, ms, ratio, table

ROOT = Path(__file__).parent.parent
BASE = "5b6562c"
"""Before rooms for what comes: the core of the first two clouds."""
ROUNDS = 7
PROFILED = 15
SECONDS, BYTES, COUNT = "seconds", "bytes", "count"

Rounds = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: what measured.py calls it, and the aim, if there is one."""

    name: str
    said: str
    aim: float | None = None
    """At most so much of the commit before."""
    unit: str = SECONDS


@dataclass(frozen=True, slots=True)
class Row:
    """What one process measures, and how often it is run: what takes minutes is not run seven times."""

    name: str
    figures: tuple[Figure, ...]
    rounds_max: int = ROUNDS


SMALL = 1 / 50
IN_CLOUD = "10,000 attachments, 20,000 routes here"
ROWS = (
    Row(
        "one-view",
        (
            Figure("bytes to flows wanted", "10,000 routes in one view, bytes to flows wanted", 0.45),
            Figure("bundle written as text", "the bundle of it written as text"),
        ),
    ),
    Row(
        "many-views",
        (
            Figure("bytes to flows wanted", "1,000 views of 10 routes, bytes to flows wanted", 0.4),
            Figure("bundle written as text", "the bundle of it written as text"),
        ),
    ),
    Row(
        "small-facts",
        (
            Figure("a foreign row", f"{IN_CLOUD}: a foreign row", SMALL),
            Figure("a foreign row: decisions", "decisions for it", 0, COUNT),
            Figure("an endpoint resolved", f"{IN_CLOUD}: an endpoint resolved", SMALL),
            Figure("an endpoint resolved: decisions", "decisions for it", 0, COUNT),
            Figure("a port renamed", f"{IN_CLOUD}: a port renamed", SMALL),
            Figure("a port renamed: decisions", "decisions for it", 0, COUNT),
            Figure("status and report", f"{IN_CLOUD}: what log and report ask each second"),
        ),
        rounds_max=5,
    ),
    Row(
        "memory",
        (
            Figure("bytes of memory", "100,000 routes, attributes of their own, 1 % imported: memory", 0.4, BYTES),
            Figure("received and decided", "the same: received and decided"),
        ),
        rounds_max=3,
    ),
    Row(
        "exchange-200",
        (Figure("deaf", "exchange with 200,000 routes: deaf"), Figure("octets handed on", "handed on", None, BYTES)),
        rounds_max=1,
    ),
    Row(
        "exchange-500",
        (Figure("deaf", "exchange with 500,000 routes: deaf"), Figure("octets handed on", "handed on", None, BYTES)),
        rounds_max=1,
    ),
)


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder with `src` and `tests` of one build, and our benchmarks."""

    path: Path

    def measure(self, row: Row) -> dict[str, float]:
        found: dict[str, float] = json.loads(self._run(row.name))
        return found

    def profile(self, row: Row) -> str:
        return self._run(row.name, "--profile")

    def _run(self, *words: str) -> str:
        python = ROOT / ".venv-agent" / "bin" / "python"
        paths = f"{self.path / 'src'}:{self.path}"
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "0"}
        command = [str(python), "-m", "benchmarks.measured", *words]
        done = subprocess.run(command, cwd=self.path, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)} in {self.path}:\n{done.stderr}")
        return done.stdout


def commit(base: str, into: Path) -> Tree:
    """What was committed, from the repository's own objects."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", base, "src", "tests"], stdout=subprocess.PIPE)
    if archive.returncode:
        sys.exit(f"the commit {base} is not in this clone: fetch it (git fetch --unshallow)")
    into.mkdir()
    subprocess.run(["tar", "-x", "-C", str(into)], input=archive.stdout, check=True)
    (into / "benchmarks").symlink_to(ROOT / "benchmarks")
    return Tree(into)


def here(into: Path) -> Tree:
    """As it lies in this checkout."""
    into.mkdir()
    for name in ("src", "tests", "benchmarks"):
        (into / name).symlink_to(ROOT / name)
    return Tree(into)


@dataclass(frozen=True, slots=True)
class Seen:
    """The rounds of one figure, side by side."""

    figure: Figure
    before: list[float]
    now: list[float]

    @property
    def ratio(self) -> Sample | None:
        return ratio(self.now, self.before) if all(self.before) else None

    @property
    def met(self) -> bool | None:
        """None: nothing was aimed at."""
        if self.figure.aim is None:
            return None
        if self.figure.unit == COUNT:
            return Sample.of(self.now).median <= self.figure.aim
        assert self.ratio is not None, "a measurement of nothing"
        return self.ratio.median <= self.figure.aim

    def line(self) -> tuple[str, ...]:
        aim, met = self.figure.aim, self.met
        said = "" if aim is None else f"{aim:.0f}" if self.figure.unit == COUNT else f"at most {aim:.2f}"
        verdict = "" if met is None else "met" if met else "**not met**"
        return self.figure.said, self._shown(self.before), self._shown(self.now), self._ratio(), said, verdict

    def _ratio(self) -> str:
        if self.figure.unit == COUNT or self.ratio is None:
            return ""
        one = self.ratio
        digits = 2 if one.median >= 0.1 else 4
        spread = f" ({one.low:.{digits}f} to {one.high:.{digits}f})" if len(one.values) > 1 else ""
        return f"{one.median:.{digits}f}{spread}"

    def _shown(self, values: list[float]) -> str:
        median = Sample.of(values).median
        match self.figure.unit:
            case "bytes":
                return f"{median / 1e6:,.0f} MB"
            case "count":
                return f"{median:,.0f}"
            case _:
                return f"{median:,.1f} s" if median >= 10 else f"{ms(median)} ms"


HEAD = ("what", "before", "this build", "ratio", "aim", "")


def seen(rows: Iterable[Row], rounds: int, before: Tree, now: Tree) -> dict[Row, list[Seen]]:
    """Before, now, before, now: what the machine does besides is shared fairly."""
    found: dict[Row, list[Seen]] = {}
    for row in rows:
        pairs = []
        for _ in range(min(rounds, row.rounds_max)):
            pairs.append((before.measure(row), now.measure(row)))
            print(row.name, json.dumps(pairs[-1]), file=sys.stderr, flush=True)
        found[row] = [Seen(f, [a[f.name] for a, _ in pairs], [b[f.name] for _, b in pairs]) for f in row.figures]
    return found


ABOUT = """\
This build beside the commit {base}, the last before its redesign, both on one interpreter, by turns; each measurement a
process of its own, in processor time, the median of {rounds} rounds or fewer (what takes minutes is run once). A ratio
is of two runs side by side, its spread in brackets. Both get the same octets and the same facts."""


def text(run: Run, base: str, found: dict[Row, list[Seen]], profiles: dict[str, str]) -> str:
    lines = [one.line() for each in found.values() for one in each]
    rounds = max(len(one.now) for each in found.values() for one in each)
    parts = [run.sentence(), ABOUT.format(base=base, rounds=rounds), table(HEAD, lines)]
    for name, profile in profiles.items():
        parts += [f"Where it goes in `{name}` (own time under a profiler, or lines that ask for memory):"]
        parts += ["\n".join("    " + line for line in profile.splitlines() if line.strip())]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.before")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--rows", default=",".join(row.name for row in ROWS), help="only these; then nothing is written"
    )
    parser.add_argument("--base", default=BASE, help="the commit to measure beside")
    parser.add_argument(
        "--profile", action="store_true", help="print where the time of the rows goes, and nothing else"
    )
    words = parser.parse_args()
    rows = [row for row in ROWS if row.name in words.rows.split(",")]
    assert rows, f"there is no such row: {words.rows}"
    run = Run()
    with tempfile.TemporaryDirectory(prefix="before") as directory:
        now = here(Path(directory) / "now")
        if words.profile:
            for row in rows:
                print(f"{row.name}\n\n{now.profile(row)}")
            return
        before = commit(words.base, Path(directory) / "before")
        found = seen(rows, words.rounds, before, now)
        missed = [row for row, each in found.items() if any(one.met is False for one in each)]
        done = text(run, words.base, found, {row.name: now.profile(row) for row in missed})
    if len(rows) == len(ROWS):
        page.write(page.BEFORE, done)
    print(done)


if __name__ == "__main__":
    main()
