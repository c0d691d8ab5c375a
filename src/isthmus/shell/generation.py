"""Which run of the agent this is: a number in one small file, raised at each start.

It is part of the cookie of every flow, so that a run can tell its own from an earlier one's. It holds nothing else: if
it is lost, a number that no earlier run had is made from the clock.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

FILE = "generation"
GENERATION_MAX = 2**32 - 1
"""The lower half of a cookie."""


def next_generation(directory: Path, clock_s: float) -> int:
    """One more than last time. `clock_s`: seconds since 1970, which no counter of starts will ever reach."""
    file = directory / FILE
    generation = _stored(file) + 1
    if not 1 < generation <= GENERATION_MAX:
        generation = int(clock_s) & GENERATION_MAX or 1
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write(file, f"{generation}\n")
    except OSError as error:
        generation = int(clock_s) & GENERATION_MAX or 1
        log.warning("%s cannot be written (%s); this run is %d by the clock", file, error.strerror, generation)
    return generation


def _stored(file: Path) -> int:
    """0 when there is none; a first start is nothing to speak of, nonsense is."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return 0
    except (OSError, UnicodeDecodeError) as error:
        log.warning("%s cannot be read (%s); a new number is made", file, error)
        return 0
    if not text.isdigit() or not 0 < int(text) <= GENERATION_MAX:
        log.warning("%s holds no number of a run; a new one is made", file)
        return 0
    return int(text)


def _write(file: Path, text: str) -> None:
    """All of it or nothing, also when the machine dies."""
    fresh = file.with_suffix(".new")
    with fresh.open("w", encoding="ascii") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
