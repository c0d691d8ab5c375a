"""docs/interop.md is what its command writes: nothing by hand, no speaker and no case left out."""

from __future__ import annotations

from tests.contract.interop.cases import CASES
from tests.contract.interop.opponents import OPPONENTS
from tests.contract.interop.page import PAGE, read, render


def test_every_case_was_tried_with_every_speaker() -> None:
    sections = read(PAGE.read_text())
    assert [section.name for section in sections] == [kind.name for kind in OPPONENTS]
    for section in sections:
        assert [case for case, _ in section.rows] == [case.name for case in CASES], section.name
        assert not any(seen.startswith("not tried") for _, seen in section.rows), section.name


def test_nothing_on_the_page_is_by_hand() -> None:
    text = PAGE.read_text()
    assert render(read(text)) == text
