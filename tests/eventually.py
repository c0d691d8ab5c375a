"""Poll with a deadline: the only way a test here waits for the world."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], *, within: float = 40.0, every: float = 0.05) -> T:
    """The first result of `check` that does not raise AssertionError; else the last mismatch, as it stood."""
    deadline = time.monotonic() + within
    while True:
        try:
            return check()
        except AssertionError as mismatch:
            if time.monotonic() >= deadline:
                raise AssertionError(f"not within {within} s: {mismatch}") from mismatch
        time.sleep(every)
