"""What this hypervisor issues itself: the numbers in its route distinguishers, the sequences of its ports' moves.

A route distinguisher is router-id:number, so a number need be unique on one hypervisor only; of a whole cloud there
would be too few. It follows from (attachment, BGPVPN), so that every process comes to the same one; of two pairs that
come to the same, the second takes the next. What the cloud has given to a pair in earlier releases stays.

The mobility sequence counts moves (RFC 7432 section 7.7). Neutron's revision of a port rises with every move, and with
much else: what counts is the revision that it had when it came here, or changed its addresses.

Rules: what is issued stays so for this run and, remembered, for the next; a restart changes nothing on the wire.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from isthmus.model.intent import NUMBER_MAX, NUMBER_MIN, AssociationIntent
from isthmus.model.port import LocalPort

NUMBERS_MAX = 32_768
"""Pairs that keep their number though nothing of them is here any more: half of what there is."""

Pair = tuple[str, str]
"""Attachment and BGPVPN."""


class Arrival(NamedTuple):
    """What a port claimed when its sequence was issued: another claim is another arrival."""

    sequence: int
    claim: str
    """Its MAC, network and addresses."""


class Issued:
    """See the head of the file."""

    def __init__(
        self, numbers: Mapping[Pair, int] | None = None, arrivals: Mapping[str, Arrival] | None = None
    ) -> None:
        """With what the last run issued."""
        self._numbers: dict[Pair, int] = dict(numbers or {})
        self._holders: dict[int, Pair] = {number: pair for pair, number in self._numbers.items()}
        self._arrivals: dict[str, Arrival] = dict(arrivals or {})

    @property
    def numbers(self) -> Mapping[Pair, int]:
        return self._numbers

    @property
    def arrivals(self) -> Mapping[str, Arrival]:
        """By the port's name."""
        return self._arrivals

    def number(self, attachment: str, association: AssociationIntent) -> int:
        """The same for every association of the pair. What the cloud gives counts, unless another has it here."""
        pair, given = (attachment, association.bgpvpn), association.number
        known = self._numbers.get(pair)
        if known is not None and (given is None or given == known or given in self._holders):
            return known
        if known is not None:
            del self._holders[self._numbers.pop(pair)]
        return self._issue(pair, given)

    def _issue(self, pair: Pair, given: int | None) -> int:
        number = _wish(pair) if given is None else given
        while number in self._holders:
            number = NUMBER_MIN if number == NUMBER_MAX else number + 1
        if len(self._numbers) >= NUMBERS_MAX:  # the pair that has waited longest for a machine to come back
            oldest = next(iter(self._numbers))
            del self._holders[self._numbers.pop(oldest)]
        self._numbers[pair], self._holders[number] = number, pair
        return number

    def use(self, pairs: Iterable[Pair]) -> None:
        """These have something here: they are not those that give way."""
        for pair in pairs:
            if (number := self._numbers.pop(pair, None)) is not None:
                self._numbers[pair] = number

    def sequence(self, port: LocalPort) -> int:
        found = self._arrivals.get(port.name)
        return port.revision if found is None else found.sequence

    def look(self, ports: Iterable[LocalPort]) -> None:
        """All that are here now. What was issued stands, if Neutron's revision has not been set back since."""
        before, self._arrivals = self._arrivals, {}
        for port in ports:
            claim = f"{port.mac} {port.network} {' '.join(map(str, port.addresses))}"
            known = before.get(port.name)
            if known is None or known.claim != claim or known.sequence > port.revision:
                known = Arrival(port.revision, claim)
            self._arrivals[port.name] = known


def _wish(pair: Pair) -> int:
    digest = hashlib.blake2b("\0".join(pair).encode(), digest_size=4).digest()
    return NUMBER_MIN + int.from_bytes(digest, "big") % (NUMBER_MAX - NUMBER_MIN + 1)
