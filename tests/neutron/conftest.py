"""One real cloud for the whole session; each test makes its own project and leaves nothing behind."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.neutron.cloud import Cloud, User, missing_tools


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    missing = missing_tools()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    home = Path(tempfile.mkdtemp(prefix="isthmus-neutron-"))  # unix socket paths have at most 107 bytes
    made = Cloud(home)
    try:
        made.start(reconcile_interval_s=3600)
        yield made
    finally:
        made.stop()
        shutil.rmtree(home)


@pytest.fixture
def admin(cloud: Cloud) -> User:
    return cloud.admin


@pytest.fixture
def owner(cloud: Cloud) -> User:
    """A member of a project of its own."""
    return cloud.user(uuid.uuid4().hex)
