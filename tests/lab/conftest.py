"""Fixtures of the lab's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture
def neutron_paste() -> Path:
    """The api-paste.ini of the Neutron installed here."""
    path = Path(sys.prefix) / "etc/neutron/api-paste.ini"
    if not path.exists():
        pytest.skip("Neutron is not installed in this environment")
    return path
