"""Ranges of numbers as an operator writes them: `64512:100000-199999` for route targets, `5000-5999` for VNIs.

Pure. A route target's text is unique (no leading zeros; a two-byte AS is never written as a four-byte one), so text is
compared where bytes would be. A single number is a range of one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from isthmus.model.net import VNI_MAX
from isthmus.model.vpn import RouteTarget

RULE = "it must be <administrator>:<low>-<high> of route targets (64512:1000-1999) or <low>-<high> of VNIs (5000-5999)"


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Numbers from `low` to `high`, both included; `administrator` is that of route targets, empty for VNIs."""

    administrator: str
    low: int
    high: int

    @classmethod
    def parse(cls, text: str) -> Range:
        """Raises ValueError with the rule."""
        administrator, colon, numbers = text.strip().rpartition(":")
        low, dash, high = numbers.partition("-")
        made = cls(administrator, _number(text, low), _number(text, high if dash else low))
        if colon and not administrator:
            raise ValueError(f"'{text}' is not a range: {RULE}")
        if made.low > made.high:
            raise ValueError(f"'{text}' is not a range: its first number is above its last")
        made._check()
        return made

    def _check(self) -> None:
        if self.is_of_vnis:
            if not 1 <= self.low <= self.high <= VNI_MAX:
                raise ValueError(f"'{self}' is not a range: a VNI is 1 to {VNI_MAX}")
            return
        for number in (self.low, self.high):
            RouteTarget.parse(self.written(number))

    @property
    def is_of_vnis(self) -> bool:
        return not self.administrator

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    def written(self, number: int) -> str:
        return f"{self.administrator}:{number}" if self.administrator else str(number)

    def holds(self, written: str) -> bool:
        """Whether a route target, a route distinguisher or a VNI, as the API writes it, is one of these."""
        administrator, _colon, number = written.rpartition(":")
        return administrator == self.administrator and self.low <= int(number) <= self.high

    def meets(self, other: Range) -> bool:
        return self.administrator == other.administrator and self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        return self.written(self.low) if self.low == self.high else f"{self.written(self.low)}-{self.high}"


def _number(text: str, digits: str) -> int:
    if not digits.isascii() or not digits.isdigit() or len(digits) > 10 or (digits[0] == "0" and digits != "0"):
        raise ValueError(f"'{text}' is not a range: {RULE}")
    return int(digits)


def first_overlap(ranges: Iterable[Range]) -> tuple[Range, Range] | None:
    """Two that have a number in common, or None."""
    ordered = sorted(ranges)
    for one, other in itertools.pairwise(ordered):
        if one.meets(other):
            return one, other
    return None
