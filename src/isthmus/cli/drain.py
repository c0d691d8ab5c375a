"""`isthmus drain`: take this hypervisor out of use before maintenance, wait until it is, and undo it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TextIO

from isthmus.cli.ask import NotAnswered, ask, tell

WAIT_S = 60.0
POLL_S = 0.5


def drain(path: Path, out: TextIO, *, undo: bool) -> None:
    """Say it, and return when it is so. Raises NotAnswered."""
    tell(path, "/drain", "false" if undo else "true")
    wanted = "in use" if undo else "drained"
    deadline, said = time.monotonic() + WAIT_S, ""
    while (state := _state(path)) != wanted:
        if state != said:
            print(f"{state}: other hypervisors are asked to prefer another way", file=out, flush=True)
            said = state
        if time.monotonic() >= deadline:
            raise NotAnswered(f"after {WAIT_S:.0f} s it is still '{state}': see isthmus show")
        time.sleep(POLL_S)


def _state(path: Path) -> str:
    """An agent that does not know the question says all it has, and that too."""
    return str(json.loads(ask(path, "/status?detail=states"))["drain"])
