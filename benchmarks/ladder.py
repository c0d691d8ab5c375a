"""The last climb of `make demo`, from what it printed: the block in README.md and the section of docs/figures.md.

Run: make demo | tee demo.log; python -m benchmarks.ladder demo.log
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import page
from benchmarks.samples import table

README = page.PAGE.parent.parent / "README.md"
LINE = re.compile(r"^ *(?P<seconds>[\d.]+) s  ok +rung (?P<number>\d+)  (?P<title>.+)$")
TOP = re.compile(r"^the top of the ladder after (\d+) s$", flags=re.MULTILINE)
BLOCK = re.compile(r"(?<=\n```\n)(?: *[\d.]+ s  ok +rung .*\n)+the top of the ladder after \d+ s\n(?=```\n)")
SAYS_HOW_MANY = re.compile(r": (\d+ of \d+ packets lost.*|lost when .*)$")


class Climb(NamedTuple):
    """Every rung's line, as printed, and the seconds to the top."""

    lines: tuple[str, ...]
    seconds: int


def read(log: str) -> Climb:
    """Of a climb that reached the top."""
    lines = tuple(line for line in log.splitlines() if LINE.match(line))
    top = TOP.search(log)
    assert top and lines, "the log does not end at the top of the ladder"
    return Climb(lines, int(top[1]))


def into_readme(text: str, climb: Climb) -> str:
    block = "".join(f"{line}\n" for line in (*climb.lines, f"the top of the ladder after {climb.seconds} s"))
    assert len(BLOCK.findall(text)) == 1, "README.md has one block with the ladder"
    return BLOCK.sub(lambda _: block, text)


def section(climb: Climb) -> str:
    rows = [row for line in climb.lines if (row := _row(line))]
    spent = sum(float(found["seconds"]) for line in climb.lines if (found := LINE.match(line)))
    return (
        f"From nothing to the top in {climb.seconds} s, {spent:.0f} s of them on the "
        f"{len(climb.lines)} rungs, the rest on two clouds. What the rungs counted, a hundred packets a second:\n\n"
        + table(("rung", "what", "seen"), rows)
    )


def _row(line: str) -> Sequence[str] | None:
    found = LINE.match(line)
    counted = SAYS_HOW_MANY.search(line)
    if not found or not counted:
        return None
    return found["number"], SAYS_HOW_MANY.sub("", found["title"]), counted[1]


def main() -> None:
    climb = read(Path(sys.argv[1]).read_text())
    README.write_text(into_readme(README.read_text(), climb))
    page.write(page.LADDER, section(climb))


if __name__ == "__main__":
    main()
