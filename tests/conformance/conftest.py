"""One cloud with Keystone for the session. What it needs is made by `make conformance`: nothing here is skipped."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.identity import KEYSTONE, IdentityCloud
from tests.neutron.cloud import missing_tools


@pytest.fixture(scope="session")
def cloud() -> Iterator[IdentityCloud]:
    missing = missing_tools()
    assert not missing, f"not installed: {', '.join(missing)}"
    assert KEYSTONE.exists(), f"{KEYSTONE.name} is not there: `make conformance` makes it"
    home = Path(tempfile.mkdtemp(prefix="isthmus-conformance-"))  # unix socket paths have at most 107 bytes
    made = IdentityCloud(home)
    try:
        made.start(reconcile_interval_s=3600)
        yield made
    finally:
        made.stop()
        shutil.rmtree(home)
