"""One line of a view that several PEs share: each pair of addresses keeps to one of them. layout.py has the tables.

The switch makes a number of both addresses (`multipath`, `symmetric_l3`: fragments have them too); which PE has a
number is said here, by highest random weight (rendezvous hashing) of the number and the PE's endpoint. So a PE that
goes leaves its pairs to the others, and theirs stay where they are. The switch's own highest random weight does not do
that: it weighs places in a list, and behind one that goes the others move up.

Rules: nothing is allocated. A set's number is 64 bits of a hash of what its flows do. Who has which pair depends on
endpoints alone, so another label moves nobody, and the sets of the same endpoints share one choice, however many labels
their PEs give out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from isthmus.flows.layout import ENTRY, Table
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress

NUMBERS = 64
"""What pairs are told apart by: a flow each for every set of endpoints, and with eight PEs eight numbers for each."""

_PAIR = f"multipath(symmetric_l3,0,modulo_n,{NUMBERS},0,NXM_NX_REG3[0..5])"


def choose(endpoints: Sequence[IpAddress], ways: Iterable[str]) -> str:
    """What the line does. `ways`: what is done for each."""
    high, low = _halves(endpoints)
    which = f"set_field:{high:#x}->reg4,set_field:{low:#x}->reg5,set_field:{_number(ways):#x}->metadata"
    return f"{_PAIR},{which},goto_table:{Table.CHOICE.value}"


@lru_cache(256)
def choice(endpoints: tuple[IpAddress, ...]) -> dict[FlowKey, str]:
    """Which of them has each number; for all sets of hops that end there. Not to be changed."""
    high, low = _halves(endpoints)
    which = f"reg4={_shown(high)},reg5={_shown(low)}"
    return {
        FlowKey(Table.CHOICE, ENTRY, f"reg3={_shown(number)},{which}"): (
            f"set_field:{_heaviest(number, endpoints) + 1:#x}->reg3,goto_table:{Table.SPREAD.value}"
        )
        for number in range(NUMBERS)
    }


def members(ways: Sequence[str]) -> dict[FlowKey, str]:
    """What is done for each of a set, by its place."""
    number = _number(ways)
    return {
        FlowKey(Table.SPREAD, ENTRY, f"reg3={place:#x},metadata={number:#x}"): way for place, way in enumerate(ways, 1)
    }


def _heaviest(number: int, endpoints: Sequence[IpAddress]) -> int:
    return max(range(len(endpoints)), key=lambda i: _hash(f"{number} {endpoints[i]}"))


def _number(ways: Iterable[str]) -> int:
    return _hash("\n".join(ways)) or 1


def _halves(endpoints: Iterable[IpAddress]) -> tuple[int, int]:
    return divmod(_hash(" ".join(map(str, endpoints))), 1 << 32)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _shown(number: int) -> str:
    """In a match."""
    return f"{number:#x}" if number else "0"
