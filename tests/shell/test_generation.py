"""The number of a run: raised at every start, never one that was used, whatever the disk says."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.shell.generation import GENERATION_MAX, next_generation

CLOCK = 1_800_000_000.5


def test_it_begins_with_the_clock_and_is_raised_by_each_start(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "state"
    assert [next_generation(directory, CLOCK) for _ in range(3)] == [1_800_000_000, 1_800_000_001, 1_800_000_002]
    assert [p.name for p in directory.iterdir()] == ["generation"]


@pytest.mark.parametrize("nonsense", ["", "many", "-4", "0", str(GENERATION_MAX + 1), "\xff"])
def test_nonsense_is_said_and_replaced(tmp_path: Path, nonsense: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "generation").write_text(nonsense, encoding="utf-8")
    assert next_generation(tmp_path, CLOCK) == 1_800_000_000
    assert str(tmp_path / "generation") in caplog.text
    assert next_generation(tmp_path, CLOCK) == 1_800_000_001


def test_a_directory_that_cannot_be_made_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    assert next_generation(tmp_path / "file" / "state", CLOCK) == 1_800_000_000
    assert "cannot be" in caplog.text
