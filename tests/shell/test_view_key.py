"""The key of the views' numbers: made once, kept to itself, and not at the wrong moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.shell.view_key import FILE, KEY_BYTES, view_key


def test_a_new_hypervisor_has_a_key_of_its_own_that_a_restart_does_not_change(tmp_path: Path) -> None:
    key = view_key(tmp_path / "one", has_run=False, goes_on=False)
    assert len(key) == KEY_BYTES and (tmp_path / "one" / FILE).stat().st_mode & 0o777 == 0o600
    assert view_key(tmp_path / "one", has_run=True, goes_on=False) == key
    assert view_key(tmp_path / "one", has_run=True, goes_on=True) == key
    assert view_key(tmp_path / "other", has_run=False, goes_on=False) != key


def test_a_hypervisor_of_the_release_before_gets_one_when_its_sessions_go_on(tmp_path: Path) -> None:
    """Until then its flows have the numbers of before, and would stand for nothing."""
    assert view_key(tmp_path, has_run=True, goes_on=False) == b""
    assert not (tmp_path / FILE).exists()
    key = view_key(tmp_path, has_run=True, goes_on=True)
    assert len(key) == KEY_BYTES and view_key(tmp_path, has_run=True, goes_on=False) == key


def test_a_key_that_is_none_is_replaced_and_that_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for text in ("", "nonsense", "abcd"):
        (tmp_path / FILE).write_text(text)
        assert len(view_key(tmp_path, has_run=True, goes_on=False)) == KEY_BYTES
    assert len(caplog.records) == 3


def test_where_nothing_can_be_written_the_agent_runs_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert view_key(tmp_path / "file" / "state", has_run=False, goes_on=False) == b""
    assert "cannot be" in caplog.text
