"""Whether a guest starts on this machine at all: its kernel is tried once, without network and without a program."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from isthmus.lab.guests import guest

PRELOAD_SOURCE = Path(__file__).parent / "xstate.c"
WELL = "Attempted to kill init! exitcode=0x00000000"
"""The last words of a kernel whose only program has ended as it should."""
WITHIN_S = 60.0


def preload(target: Path) -> list[str]:
    """The command that compiles what lets a guest run on processors with a larger state than it knows."""
    return ["tcc", "-shared", "-nostdlib", "-o", str(target), str(PRELOAD_SOURCE)]


def fails() -> str | None:
    """Why no guest starts here, in its last words; None if one does."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        try:
            subprocess.run(preload(home / guest.PRELOAD), check=True, capture_output=True, text=True)
            done = subprocess.run(
                guest.kernel(home, "try", Path("/bin/true")),
                env={**os.environ, **guest.environment(home)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=WITHIN_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
    if WELL in done.stdout:
        return None
    panics = [line for line in done.stdout.splitlines() if "panic" in line] or done.stdout.splitlines()[-1:]
    return " | ".join(panics) or done.stderr.strip() or f"it ended with {done.returncode}"
