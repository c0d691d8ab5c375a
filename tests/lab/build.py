"""Builders for the lab's tests: a plan in a directory of the test, without touching the machine."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from isthmus.lab.places import Places
from isthmus.lab.plan import Plan, Programs
from isthmus.lab.process import Processes
from isthmus.lab.topology import Topology, locate, read

PROGRAMS = Programs(python_bin=Path("/opt/venv/bin"), uwsgi=("uwsgi",), agent=Path("/opt/agent/bin/isthmus-agent"))


def default_text() -> str:
    return locate(None).read_text()


def topology(text: str | None = None) -> Topology:
    return read(text or default_text(), "test.toml")


def plan(root: Path = Path("/var/lib/isthmus-lab"), text: str | None = None) -> Plan:
    return Plan(topology(text), Places(root), PROGRAMS)


def processes(root: Path) -> Processes:
    return Processes(Places(root), Event())
