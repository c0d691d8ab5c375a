"""An OVN central with one network and two chassis, and a place for what must run beside a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.switches import Central
from tests.shell.background import Background


@pytest.fixture
def central() -> Iterator[Central]:
    with Central() as central:
        central.nbctl("ls-add", "net")
        central.sbctl("chassis-add", "host-1", "geneve", "192.0.2.1")
        central.sbctl("chassis-add", "host-2", "geneve", "192.0.2.2")
        yield central


@pytest.fixture
def background() -> Iterator[Background]:
    with Background() as background:
        yield background
