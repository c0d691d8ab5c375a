"""The pages that promise something: each row names what proves it, and all of that is there.

A proof is a test, a file of tests, a rung of the ladder, a vector's case (in quotes), a scene of the simulation, a case
of chaos or a command of make; or the row says "not yet", and behind that in which words it was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("docs/security.md", "docs/semantics.md")
NO_TEST = "not yet"
MISSING = re.compile(rf"{NO_TEST}.*?(?=;|$)")


@cache
def found(pattern: str, where: str) -> frozenset[str]:
    """What the pattern's group matches in these files."""
    return frozenset(hit for path in ROOT.glob(where) for hit in re.findall(pattern, path.read_text(), re.MULTILINE))


PROOFS: dict[str, Callable[[str], bool]] = {
    r"`(test_\w+)`": lambda name: name in found(r"def (test_\w+)", "tests/**/*.py"),
    r"`(tests/[\w/.]+)`": lambda path: (ROOT / path).exists(),
    r"rung (\d+)": lambda number: number in found(r"Rung\(\s*(\d+),", "src/isthmus/lab/ladder/*.py"),
    r"`(?!make )([a-z ]+)`": lambda scene: scene in found(r"\"([a-z ]+)\": (?:self\._|lambda)", "tests/sim/*.py"),
    r"`make (\w+)`": lambda goal: goal in found(r"^(\w+):", "Makefile"),
    r'(?<!chaos:)(?:^|\s)"([^"]+)"': lambda case: case in found(r"^case: (.+)$", "tests/vectors/*.vec"),
    r'chaos: "([^"]+)"': lambda title: title in found(r"^\| ([^|]+?) \|", "docs/chaos.md"),
}


def promises(page: str) -> Iterator[tuple[str, str]]:
    """Promise and proof of each row, of the tables that have a column for it."""
    proves = False
    for line in (ROOT / page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            proves = False
        elif cells[-1] == "test":
            proves = True
        elif proves and not line.startswith("|---"):
            yield " | ".join(cells[:-1]), cells[-1]


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_names_its_proof_or_says_that_there_is_none(page: str) -> None:
    rows = list(promises(page))
    assert len(rows) > 20, "the page has lost its tables"
    for promise, proof in rows:
        named = MISSING.sub("", proof)
        there = {hit: exists(hit) for pattern, exists in PROOFS.items() for hit in re.findall(pattern, named)}
        assert there or NO_TEST in proof, f"nothing proves: {promise}"
        gone = [hit for hit, is_there in there.items() if not is_there]
        assert not gone, f"{promise}: {gone} is not there"
