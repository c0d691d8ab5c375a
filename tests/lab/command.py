"""The command as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).parent / "isthmus-lab")


def run(*words: str) -> str:
    """`isthmus-lab` with these words; it must succeed."""
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
