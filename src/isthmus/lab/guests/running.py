"""A guest that runs: from nothing to a kernel that takes commands, and commands into it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from isthmus.lab.fault import PartFailed
from isthmus.lab.guests import boot, channel, guest
from isthmus.lab.ladder.probe import inside
from isthmus.lab.plan import Daemon
from isthmus.lab.process import Processes, Started

READY_WITHIN_S, ANSWER_WITHIN_S = 60.0, 60.0


def start(
    part: str, daemon: Daemon, network: Iterable[str], processes: Processes, files: Mapping[str, str] | None = None
) -> Started:
    """A kernel, `network` run in it by its shell; `files` are laid into its directory."""
    assert daemon.node is not None
    node = daemon.node
    home = processes.places.of(node)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    ours = Path(__file__).parent
    for name in (guest.INIT, guest.CHANNEL):
        shutil.copy(ours / name, home / name)
    (home / guest.INIT).chmod(0o755)
    (home / guest.FILTER).write_bytes(guest.INWARD)
    (home / guest.NETWORK).write_text("\n".join([*network, ""]))
    for name, text in (files or {}).items():
        (home / name).write_text(text)
    processes.run(part, boot.preload(home / guest.PRELOAD))
    started = processes.start(daemon)
    processes.until(part, "its kernel to start", lambda: _silent(part, node), within_s=READY_WITHIN_S, watch=[started])
    return started


def run(part: str, node: str, argv: Sequence[str], stdin: str = "") -> str:
    """The output of a command in the guest. Raises PartFailed with its last words if it ends badly."""
    answer = ask(part, node, argv, stdin)
    if answer["code"] != 0:
        words = (str(answer["err"]).strip() or str(answer["out"]).strip() or "nothing was said").splitlines()
        raise PartFailed(part, f"`{' '.join(argv)[:160]}` to succeed", " | ".join(words[-6:]))
    return str(answer["out"])


def ask(part: str, node: str, argv: Sequence[str], stdin: str = "") -> dict[str, Any]:
    """What a command in the guest has said: `code`, `out`, `err`."""

    def talk() -> dict[str, Any]:
        with socket.create_connection((channel.GUEST, channel.PORT), timeout=ANSWER_WITHIN_S) as connection:
            return channel.ask(connection, argv, stdin)

    try:
        return inside(node, talk)
    except OSError as error:
        raise PartFailed(part, f"an answer to `{' '.join(argv)[:160]}`", str(error)) from error


def _silent(part: str, node: str) -> str | None:
    try:
        run(part, node, ["true"])
    except PartFailed as failure:
        return failure.seen
    return None
