"""The two ways a lab command fails, and what the user reads then.

`Refusal`: the lab cannot even begin, and one sentence says what to change (exit code 2). `PartFailed`: a part of the
lab did not do what it should (exit code 1): what was expected, what was seen, where the log is.
"""

from __future__ import annotations

from pathlib import Path


class Refusal(Exception):
    """One sentence for the user; nothing was changed."""


class PartFailed(Exception):
    """A part of the lab is not as it should be."""

    def __init__(self, part: str, expected: str, seen: str, log: Path | None = None) -> None:
        super().__init__(part, expected, seen, log)
        self.part = part
        self.expected = expected
        self.seen = seen
        self.log = log

    def __str__(self) -> str:
        lines = [f"{self.part} failed", f"  expected: {self.expected}", f"  seen:     {self.seen}"]
        if self.log is not None:
            lines.append(f"  log:      {self.log}")
        return "\n".join(lines)


class Interrupted(Exception):
    """The user pressed Ctrl-C, or another part failed: going on is pointless."""
