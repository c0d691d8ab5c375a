"""One real cloud for each process of the tests; each test makes its own project and leaves nothing behind."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.intent import WRITES
from tests.neutron.cloud import Cloud, User, missing_tools
from tests.neutron.hypervisors import AGENT, Hypervisor, Southbound
from tests.neutron.numbered import NumberedCloud

with warnings.catch_warnings():
    # Neutron's libraries warn of their own future; ours stay errors.
    warnings.simplefilter("ignore")
    import neutron.db.migration.models.head
    import neutron.db.models_v2  # noqa: F401

    import isthmus.neutron.ovn.reconciler
    import isthmus.neutron.ovn.worker  # noqa: F401


FIRST = ("test_status_api.py", "test_agents.py")
"""They need every event of OVN to arrive."""
LAST = ("test_sync.py", "test_conflicts.py", "test_start.py")
"""The longest first, since two work side by side. They start and kill API processes on their cloud's database, and
Neutron goes on handing some of OVN's events to those that are dead (its hash ring keeps a host's nodes alive together):
a port that comes up then may stay down."""


def _place(item: pytest.Item) -> int:
    name = item.path.name
    if name in FIRST:
        return -1
    return LAST.index(name) + 1 if name in LAST else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    missing = missing_tools()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    home = Path(tempfile.mkdtemp(prefix="isthmus-neutron-"))  # unix socket paths have at most 107 bytes
    made = Cloud(home)
    try:
        made.start(reconcile_interval_s=3600)
        made.write_in_form(WRITES)
        yield made
    finally:
        made.stop()
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def numbered() -> Iterator[Cloud]:
    """A cloud of its own, with pools of numbers and self-service."""
    missing = missing_tools()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    home = Path(tempfile.mkdtemp(prefix="isthmus-numbers-"))
    made = NumberedCloud(home)
    try:
        made.start(reconcile_interval_s=3600)
        made.write_in_form(WRITES)
        yield made
    finally:
        made.stop()
        shutil.rmtree(home)


@pytest.fixture
def form_1(cloud: Cloud, reconciler: Any) -> Iterator[None]:
    """Some agent reads no other: each row of an attachment carries its associations whole."""
    old = Hypervisor(Southbound(cloud), f"old-{uuid.uuid4().hex[:8]}")
    old.reports(agent=replace(AGENT, reads=1))
    cloud.write_in_form(1)
    reconciler.full_pass()
    yield
    old.gone()
    cloud.write_in_form(WRITES)
    reconciler.full_pass()


@pytest.fixture
def admin(cloud: Cloud) -> User:
    return cloud.admin


@pytest.fixture
def owner(cloud: Cloud) -> User:
    """A member of a project of its own."""
    return cloud.user(uuid.uuid4().hex)


@pytest.fixture(scope="session")
def northbound(cloud: Cloud) -> Iterator[Any]:
    """Our own view of the northbound database, as the worker has it."""
    from ovsdbapp.backend.ovs_idl import connection, idlutils
    from ovsdbapp.schema.ovn_northbound import impl_idl

    from isthmus.neutron.ovn.northbound import Northbound

    remote = f"unix:{cloud.sockets['nb']}"
    helper = idlutils.get_schema_helper(remote, "OVN_Northbound")
    helper.register_all()
    opened = connection.Connection(connection.OvsdbIdl(remote, helper), timeout=20)
    api = impl_idl.OvnNbApiIdlImpl(opened)
    yield Northbound(lambda: api)
    opened.stop()


@pytest.fixture(scope="session")
def settings(cloud: Cloud) -> Any:
    """The cloud's settings; with them this process is on the cloud's database."""
    from oslo_config import cfg

    from isthmus.neutron.words import conf

    cfg.CONF(["--config-file", str(cloud.home / "etc/neutron.conf")], project="neutron")
    return conf.read(cfg.CONF)


@pytest.fixture(scope="session")
def reconciler(northbound: Any, settings: Any) -> Any:
    """A reconciler in this process, on the cloud's database."""
    from isthmus.neutron.ovn.reconciler import Reconciler

    return Reconciler(northbound, settings)
