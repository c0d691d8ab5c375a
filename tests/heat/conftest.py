"""One cloud with Heat for the session. What it needs is made by `make heat`: nothing here is skipped."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.identity import KEYSTONE
from tests.heat.orchestra import HEAT, Orchestra, Stacks
from tests.neutron.cloud import User, missing_tools


@pytest.fixture(scope="session")
def cloud() -> Iterator[Orchestra]:
    missing = missing_tools()
    assert not missing, f"not installed: {', '.join(missing)}"
    for environment in (KEYSTONE, HEAT):
        assert environment.exists(), f"{environment.name} is not there: `make heat` makes it"
    home = Path(tempfile.mkdtemp(prefix="isthmus-heat-"))  # unix socket paths have at most 107 bytes
    made = Orchestra(home)
    try:
        made.start(reconcile_interval_s=3600, route_target_pool="64512:100000-199999")
        yield made
    finally:
        made.stop()
        shutil.rmtree(home)


@pytest.fixture
def admin(cloud: Orchestra) -> User:
    """An administrator of a project of its own."""
    return cloud.user(uuid.uuid4().hex, "admin,member,reader")


@pytest.fixture
def stacks(cloud: Orchestra, admin: User) -> Stacks:
    return cloud.stacks(admin)


@pytest.fixture
def owner(cloud: Orchestra) -> User:
    return cloud.user(uuid.uuid4().hex)
