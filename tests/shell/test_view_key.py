"""The key of the views' numbers: made once, kept to itself, and not at the wrong moment."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from isthmus.model.net import IpAddress
from isthmus.node.memory import Memory
from isthmus.shell import memory_file
from isthmus.shell.view_key import FILE, KEY_BYTES, knows_all, view_key
from tests.build import ip
from tests.world import REFLECTOR, SECOND, World


def left_by(peers: Collection[IpAddress], in_sync: Collection[IpAddress]) -> Memory:
    made = World(peers=peers)
    made.switch_on()
    made.intent({})
    for one in in_sync:
        made.end_of_rib(one)
    return made.node.suspend(made.now, peers)


def test_a_new_hypervisor_has_a_key_of_its_own_that_a_restart_does_not_change(tmp_path: Path) -> None:
    key = view_key(tmp_path / "one", goes_on=False)
    assert len(key) == KEY_BYTES and (tmp_path / "one" / FILE).stat().st_mode & 0o777 == 0o600
    assert view_key(tmp_path / "one", goes_on=False) == key
    assert view_key(tmp_path / "one", goes_on=True) == key
    assert view_key(tmp_path / "other", goes_on=False) != key


def test_a_hypervisor_of_the_release_before_gets_one_when_its_sessions_go_on(tmp_path: Path) -> None:
    """Until then its flows have the numbers of before, and would stand for nothing; also when what it left is damaged,
    and there is nothing to go on with."""
    (tmp_path / memory_file.FILE).touch()
    assert view_key(tmp_path, goes_on=False) == b""
    assert not (tmp_path / FILE).exists()
    key = view_key(tmp_path, goes_on=True)
    assert len(key) == KEY_BYTES and view_key(tmp_path, goes_on=False) == key


def test_all_is_known_when_every_reflector_has_said_all_and_its_connection_is_here() -> None:
    """What one has said that is away now is in the switch, by the number of before, and nowhere else."""
    both = (REFLECTOR, SECOND)
    late, whole = left_by(both, in_sync=[REFLECTOR]), left_by(both, in_sync=both)
    assert not knows_all(both, late, both), "one has not said End-of-RIB"
    assert knows_all(both, whole, both)
    assert not knows_all(both, whole, [REFLECTOR])
    assert not knows_all((*both, ip("172.30.1.252")), whole, both)
    assert not knows_all(both, None, both)


def test_a_key_that_is_none_is_replaced_and_that_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for text in ("", "nonsense", "abcd"):
        (tmp_path / FILE).write_text(text)
        assert len(view_key(tmp_path, goes_on=False)) == KEY_BYTES
    assert len(caplog.records) == 3


def test_where_nothing_can_be_written_the_agent_runs_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert view_key(tmp_path / "file" / "state", goes_on=False) == b""
    assert "cannot be" in caplog.text
