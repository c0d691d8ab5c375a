"""More BGP speakers for contract tests, as speakers.py has FRR and GoBGP: BIRD, OpenBGPD and ExaBGP on loopback.

Each takes the peers of its configuration when they dial and dials nobody; nothing touches the kernel's routes; what is
started is stopped, by its own process id. OpenBGPD needs root, and the folder that Debian's unit makes for it, to lock
itself in. ExaBGP reflects nothing: it says what it was told to say, and writes down what it hears.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.speakers import listens, running
from tests.eventually import eventually

OPENBGPD_CAGE = Path("/run/openbgpd")
"""The home of its user: it changes its root to there."""


def _asked(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=20).stdout


@dataclass(frozen=True, slots=True)
class Bird:
    """A running bird."""

    address: str
    port: int
    control: Path
    process: subprocess.Popen[bytes]

    def ask(self, command: str) -> str:
        """What birdc prints."""
        return _asked("birdc", "-s", str(self.control), *command.split())


@contextlib.contextmanager
def bird(directory: Path, config: str, address: str, port: int) -> Iterator[Bird]:
    """BIRD 2 with this configuration."""
    directory.mkdir(parents=True, exist_ok=True)
    file, log, control = directory / "bird.conf", directory / "bird.out", directory / "bird.ctl"
    file.write_text(f'log "{directory}/bird.log" all;\n{config}')
    command = ["bird", "-f", "-c", str(file), "-s", str(control), "-P", str(directory / "bird.pid")]
    with running(command, log) as process:
        eventually(lambda: listens(address, port, log))
        yield Bird(address, port, control, process)


@dataclass(frozen=True, slots=True)
class OpenBgpd:
    """A running bgpd of OpenBSD's."""

    address: str
    port: int
    control: Path
    log: Path
    process: subprocess.Popen[bytes]

    def ask(self, command: str) -> str:
        """What bgpctl prints."""
        return _asked("bgpctl", "-s", str(self.control), *shlex.split(command))


@contextlib.contextmanager
def openbgpd(directory: Path, config: str, address: str, port: int) -> Iterator[OpenBgpd]:
    """OpenBGPD with this configuration."""
    directory.mkdir(parents=True, exist_ok=True)
    OPENBGPD_CAGE.mkdir(mode=0o755, exist_ok=True)
    # No longer than a unix socket's name may be, wherever the test's own folder is.
    control = OPENBGPD_CAGE / f"{address}.{port}.sock"
    file, log = directory / "bgpd.conf", directory / "bgpd.out"
    file.write_text(f'socket "{control}"\n{config}')
    file.chmod(0o600)
    with running(["/usr/sbin/bgpd", "-d", "-v", "-f", str(file)], log) as process:
        try:
            eventually(lambda: listens(address, port, log))
            yield OpenBgpd(address, port, control, log, process)
        finally:
            control.unlink(missing_ok=True)


RELAY = """\
#!/bin/sh
# What ExaBGP says goes to a file, what it is to do comes out of one, and both end with it.
exec 3<&0
cat <&3 >>EVENTS &
exec tail --pid=$PPID -n +1 -s 0.05 -f COMMANDS
"""


@dataclass(frozen=True, slots=True)
class ExaBgp:
    """A running exabgp."""

    address: str
    port: int
    directory: Path
    log: Path
    process: subprocess.Popen[bytes]

    def tell(self, command: str) -> None:
        """A command of its API."""
        with (self.directory / "commands").open("a") as commands:
            commands.write(f"{command}\n")

    def events(self) -> list[dict[str, Any]]:
        """What its API has said."""
        lines = (self.directory / "events").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


@contextlib.contextmanager
def exabgp(directory: Path, config: str, address: str, port: int) -> Iterator[ExaBgp]:
    """ExaBGP with this configuration, in which RELAY stands for the process of its API."""
    directory.mkdir(parents=True, exist_ok=True)
    file, log, relay = directory / "exabgp.conf", directory / "exabgp.out", directory / "relay"
    events, commands = directory / "events", directory / "commands"
    events.touch()
    commands.touch()
    relay.write_text(RELAY.replace("EVENTS", str(events)).replace("COMMANDS", str(commands)))
    relay.chmod(0o755)
    file.write_text(config.replace("RELAY", str(relay)))
    said = {
        "tcp.bind": address,
        "tcp.port": str(port),
        "daemon.user": "root",
        "api.cli": "false",
        "api.ack": "false",
        "log.destination": "stdout",
        "log.short": "true",
    }
    settings = [f"exabgp.{name}={value}" for name, value in said.items()]
    with running(["env", *settings, "exabgp", str(file)], log) as process:
        eventually(lambda: listens(address, port, log))
        yield ExaBgp(address, port, directory, log, process)
