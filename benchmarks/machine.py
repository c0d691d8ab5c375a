"""What the figures were seen on, in a sentence; the load is asked for before and after, because it spoils them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path


def load() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def release() -> str:
    found = re.search(r'^PRETTY_NAME="(.+)"$', Path("/etc/os-release").read_text(), flags=re.MULTILINE)
    return found[1] if found else platform.system()


def version(*command: str) -> str:
    """The first number with a point that a program says of itself."""
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else "of unknown version"


def _nice() -> str:
    """Said where it was not the usual: a busy machine's way to be quiet for somebody."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    return f"; it ran at nice {own}, before the machine's other work" if own < 0 else ""


@dataclass(frozen=True, slots=True)
class Run:
    """When it began, and how busy the machine was with other things then."""

    before: float = field(default_factory=load)

    def sentence(self, *programs: str) -> str:
        told = [f"{release()}, Python {platform.python_version()}", *programs]
        return (
            f"Seen on {date.today().isoformat()}, one machine with {os.cpu_count()} cores ({', '.join(told)}). "
            f"Load {self.before:.1f} when it began, {load():.1f} when it ended, the run itself included{_nice()}."
        )


def switch() -> str:
    return f"Open vSwitch {version('ovs-vswitchd', '--version')}"
