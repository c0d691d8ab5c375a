"""docs/compatibility.md names a test for each difference: they exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_every_difference_has_the_test_that_it_names() -> None:
    rows = [line for line in (ROOT / "docs/compatibility.md").read_text().splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`(test_\w+)` \|$", row)}
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    there = {name for text in texts for name in re.findall(r"def (test_\w+)", text)}
    assert len(named) > 20
    assert not named - there
