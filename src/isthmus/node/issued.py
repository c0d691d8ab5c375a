"""What this hypervisor issues itself: the numbers in its route distinguishers. (Sequences of moves: `claims.py`.)

A route distinguisher is router-id:number, so a number need be unique on one hypervisor only; of a whole cloud there
would be too few. It follows from (attachment, BGPVPN), so that every process comes to the same one; of two pairs that
come to the same, the second takes the next. What the cloud has given to a pair in earlier releases stays.

Rules: what is issued stays so for this run and, remembered, for the next; a restart changes nothing on the wire.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import NUMBER_MAX, NUMBER_MIN, AssociationIntent

NUMBERS_MAX = 32_768
"""Pairs that keep their number: half of what there is. Beyond it those give way that nothing here needs."""

Pair = tuple[str, str]
"""Attachment and BGPVPN."""


class Issued:
    """See the head of the file."""

    def __init__(self, numbers: Mapping[Pair, int] | None = None) -> None:
        """With what the last run issued."""
        self._numbers: dict[Pair, int] = dict(numbers or {})
        self._holders: dict[int, Pair] = {number: pair for pair, number in self._numbers.items()}
        self._used_by: dict[CircuitName, frozenset[Pair]] = {}
        self._uses: Counter[Pair] = Counter()

    @property
    def numbers(self) -> Mapping[Pair, int]:
        return self._numbers

    def use(self, circuit: CircuitName, pairs: Iterable[Pair]) -> None:
        """What a circuit needs numbers for: none of these gives way to another."""
        for pair in self._used_by.pop(circuit, ()):
            self._uses[pair] -= 1
            if not self._uses[pair]:
                del self._uses[pair]
        self._uses.update(used := frozenset(pairs))
        if used:
            self._used_by[circuit] = used

    def number(self, attachment: str, association: AssociationIntent) -> int | None:
        """The same for every association of the pair. What the cloud gives counts, unless another uses it here. None:
        every number is in use."""
        pair, given = (attachment, association.bgpvpn), association.number
        known = self._numbers.get(pair)
        if known is not None and (given is None or given == known or self._is_used(given)):
            return known
        if known is not None:
            self._take_back(pair)
        return self._issue(pair, given)

    def _is_used(self, number: int) -> bool:
        return number in self._holders and self._uses[self._holders[number]] > 0

    def _take_back(self, pair: Pair) -> None:
        del self._holders[self._numbers.pop(pair)]

    def _issue(self, pair: Pair, given: int | None) -> int | None:
        if given is not None and given in self._holders and not self._is_used(given):
            self._take_back(self._holders[given])
        if len(self._numbers) >= NUMBERS_MAX:
            self._make_room()
        if len(self._numbers) > NUMBER_MAX - NUMBER_MIN:
            return None
        number = _wish(pair) if given is None else given
        while number in self._holders:
            number = NUMBER_MIN if number == NUMBER_MAX else number + 1
        self._numbers[pair], self._holders[number] = number, pair
        return number

    def _make_room(self) -> None:
        """Of those that nothing here needs, half of all, the oldest first."""
        idle = [pair for pair in self._numbers if not self._uses[pair]]
        for pair in idle[: max(1, NUMBERS_MAX // 2)]:
            self._take_back(pair)


def _wish(pair: Pair) -> int:
    digest = hashlib.blake2b("\0".join(pair).encode(), digest_size=4).digest()
    return NUMBER_MIN + int.from_bytes(digest, "big") % (NUMBER_MAX - NUMBER_MIN + 1)
