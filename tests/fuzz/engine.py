"""Two ways to inputs. With coverage: atheris, which is libFuzzer for Python, keeps every input that reaches something
new and goes on from it. Without: mutations of seeds, and of mutations, from a number; the same number, the same run.

Rules: a finding is whatever a target raises; it is printed with its octets, so that `--again` shows it again.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random
from typing import NoReturn

from tests.fuzz.measure import within_bounds
from tests.fuzz.target import Target

MEASURED_EVERY = 2_000
"""Inputs of which one is counted (measure.py)."""
KEPT = 64
"""Mutations that are mutated further where coverage does not say which are worth it."""

STUCK_S = 120
"""An input that takes so long on the busiest machine never ends."""


class Finding(Exception):
    """What must not be."""

    def __init__(self, target: Target, raw: bytes, error: BaseException) -> None:
        shown = "".join(traceback.format_exception(error))
        super().__init__(f"{shown}\nagain: python -m tests.fuzz --target {target.name} --again {raw.hex()}")


def once(target: Target, raw: bytes, *, measured: bool = True) -> None:
    """Raises Finding."""
    try:
        if measured:
            within_bounds(target.run, raw)
        else:
            target.run(raw)
    except Exception as error:  # noqa: BLE001 - whatever it is, it was looked for
        raise Finding(target, raw, error) from None


def plainly(target: Target, number: int, inputs: int, until: float = float("inf")) -> int:
    """How many were tried. Raises Finding."""
    chance, seeds = Random(f"{target.name} {number}"), list(target.seeds())
    for seed in seeds:
        once(target, seed)
    pool = [b""] * KEPT
    for done in range(1, inputs + 1):
        # Every other time from a seed: what was changed often is refused at its first octet.
        raw = target.mutate(chance, chance.choice(seeds if done % 2 else pool))
        once(target, raw, measured=done % MEASURED_EVERY == 0)
        if chance.randrange(3) == 0:
            pool[chance.randrange(KEPT)] = raw if chance.randrange(20) else b""
        if done % 256 == 0 and time.monotonic() > until:
            return done
    return inputs


def with_coverage(target: Target, number: int, inputs: int, until: float, kept: Path | None) -> NoReturn:
    """Ends the process: with 0 when inputs or time are over, with 1 at a finding; its last line is `tried N`. What
    reaches something new is in a folder, which goes unless it is `kept`, or libFuzzer itself has something to say."""
    import atheris  # a library of `.venv-fuzz` only

    corpus = kept or Path(tempfile.mkdtemp(prefix="isthmus-fuzz-"))
    for at, seed in enumerate(target.seeds()):
        (corpus / f"seed-{at}").write_bytes(seed)
    tried, chance = 0, Random(number)

    def one(raw: bytes) -> None:
        nonlocal tried
        tried += 1
        try:
            once(target, raw, measured=tried % MEASURED_EVERY == 0)
        except Finding as finding:
            end(1, f"{finding}\ntried {tried}")
        if tried >= inputs or time.monotonic() > until:
            end(0, f"tried {tried}")

    def end(code: int, text: str) -> NoReturn:
        """Past libFuzzer, which has no way back."""
        if kept is None:
            shutil.rmtree(corpus)
        print(text, flush=True)
        os._exit(code)

    def mutate(raw: bytes, longest: int, seed: int) -> bytes:
        chance.seed(seed)
        if chance.randrange(4) == 0:
            return bytes(atheris.Mutate(raw, longest))
        return target.mutate(chance, raw)[:longest]

    limits = ("-max_len=5000", f"-timeout={STUCK_S}", "-rss_limit_mb=1024", "-verbosity=0")
    atheris.Setup(
        [sys.argv[0], *limits, f"-seed={number}", f"-artifact_prefix={corpus}/found-", str(corpus)],
        one,
        custom_mutator=mutate,
    )
    atheris.Fuzz()
    raise AssertionError("libFuzzer goes on until it is ended")
