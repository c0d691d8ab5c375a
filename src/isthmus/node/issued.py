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
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import NUMBER_MAX, NUMBER_MIN, AssociationIntent
from isthmus.model.port import LocalPort

NUMBERS_MAX = 32_768
"""Pairs that keep their number: half of what there is. Beyond it those give way that nothing here needs."""

Pair = tuple[str, str]
"""Attachment and BGPVPN."""


class Arrival(NamedTuple):
    """What a port claimed when its sequence was issued: another claim is another arrival."""

    sequence: int
    claim: str
    """Its MAC, network and addresses."""


def claim_of(port: LocalPort) -> str:
    return f"{port.mac} {port.network} {' '.join(map(str, port.addresses))}"


class _Seen(NamedTuple):
    port: LocalPort
    arrival: Arrival


class Issued:
    """See the head of the file."""

    def __init__(
        self, numbers: Mapping[Pair, int] | None = None, arrivals: Mapping[str, Arrival] | None = None
    ) -> None:
        """With what the last run issued."""
        self._numbers: dict[Pair, int] = dict(numbers or {})
        self._holders: dict[int, Pair] = {number: pair for pair, number in self._numbers.items()}
        self._used_by: dict[CircuitName, frozenset[Pair]] = {}
        self._uses: Counter[Pair] = Counter()
        self._seen: dict[str, _Seen] = {}
        self._left = dict(arrivals or {})

    @property
    def numbers(self) -> Mapping[Pair, int]:
        return self._numbers

    @property
    def arrivals(self) -> Mapping[str, Arrival]:
        """By the port's name; before any was seen, what the last run left."""
        return self._left | {name: one.arrival for name, one in self._seen.items()}

    def use(self, circuit: CircuitName, pairs: Iterable[Pair]) -> None:
        """What a circuit needs numbers for: none of these gives way to another."""
        self._uses.subtract(self._used_by.pop(circuit, ()))
        self._uses += Counter(used := frozenset(pairs))
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

    def sequence(self, port: LocalPort) -> int:
        found = self._seen.get(port.name)
        return port.revision if found is None else found.arrival.sequence

    def look(self, ports: Iterable[LocalPort]) -> set[str]:
        """All that are here now. What was issued stands, unless Neutron's revision has been set back: the networks of
        such ports."""
        before, self._seen, set_back = self._seen, {}, set[str]()
        for port in ports:
            known = before.get(port.name)
            same = known is not None and _claims_the_same(known.port, port)
            arrival = known.arrival if known is not None and same else self._arrival(port)
            if arrival.sequence > port.revision:
                arrival = arrival._replace(sequence=port.revision)
                set_back.add(port.network)
            self._seen[port.name] = _Seen(port, arrival)
        self._left = {}
        return set_back

    def _arrival(self, port: LocalPort) -> Arrival:
        """Of one that is here for the first time in this run, or claims something else."""
        claim, left = claim_of(port), self._left.get(port.name)
        return left if left is not None and left.claim == claim else Arrival(port.revision, claim)


def _claims_the_same(one: LocalPort, other: LocalPort) -> bool:
    return one is other or (one.mac, one.network, one.addresses) == (other.mac, other.network, other.addresses)


def _wish(pair: Pair) -> int:
    digest = hashlib.blake2b("\0".join(pair).encode(), digest_size=4).digest()
    return NUMBER_MIN + int.from_bytes(digest, "big") % (NUMBER_MAX - NUMBER_MIN + 1)
