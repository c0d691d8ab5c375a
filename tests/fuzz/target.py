"""What is fuzzed: a name, inputs to begin with, how they are changed, and what must hold whatever the input.

Rules: `run` returns, or what it raises is a finding: exceptions that are a reader's contract are caught there, what
must hold is asserted there. An input that a reader's caller never hands on (a message too short for its header, text
that is no row) is left out there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.fuzz.mutation import Mutation


@dataclass(frozen=True)
class Target:
    name: str
    seeds: Callable[[], Sequence[bytes]]
    mutate: Mutation
    run: Callable[[bytes], None]
