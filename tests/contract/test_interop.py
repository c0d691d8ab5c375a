"""Every case with every speaker once more: what is seen is what docs/interop.md says.

With another version than the page's only what must be so with everybody is asked (the cases' own assertions).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.interop.cases import CASES, Case
from tests.contract.interop.opponents import OPPONENTS, Opponent
from tests.contract.interop.page import PAGE, read

pytestmark = pytest.mark.contract

SAID = {section.name: section for section in read(PAGE.read_text())}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.play.__name__)
@pytest.mark.parametrize("kind", OPPONENTS, ids=lambda kind: kind.package)
def test_what_is_seen_is_what_the_page_says(kind: type[Opponent], case: Case, tmp_path: Path) -> None:
    version = kind.version()
    if version is None:
        pytest.skip(f"not installed: {kind.package}")
    seen = case.play(kind(), tmp_path)
    if version == SAID[kind.name].version:
        assert seen == SAID[kind.name].seen[case.name], "write docs/interop.md again"
