"""Attributes as they were heard: octets, until somebody imports a route of theirs.

A hypervisor hears of every route of all clouds and imports a hundredth. What the others' attributes say in full nobody
asks; kept as octets a set takes a tenth of what it takes as values. Extended communities stand apart, because they are
nearly all that differs from set to set: the rest (path, preference, reflectors) is the same octets for all that come
the same way. Only what the table of routes is indexed by, the targets, is worked out at once.

Rules: octets are in one form, whatever the session was like: four octets a number, no AS4_PATH, nothing malformed, and
nothing that had no business there. So they can be handed to another process, and read without the session.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from isthmus.bgp.attribute import COMMUNITY_OCTETS, PathAttributes
from isthmus.bgp.attribute_reader import (
    COMMUNITIES,
    EXTENDED_COMMUNITIES,
    AttributeReader,
    Rules,
    combine,
    communities_of,
)
from isthmus.bgp.attribute_writer import keep
from isthmus.bgp.capability import Agreed
from isthmus.bgp.iana import AttributeType
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget

T = TypeVar("T", covariant=True)


class Cached(Protocol[T]):
    """A function that remembers, as `lru_cache` makes them."""

    @property
    def __wrapped__(self) -> Callable[..., T]: ...

    def __call__(self, *asked: Hashable) -> T: ...


AS_PATH = AttributeType.AS_PATH.value

FEW_TARGETS, IN_A_SET_OCTETS = 8, 128
"""With so many a route costs little more than its octets; one target more takes so much in the sets that lead to it."""

READ_MAX, REMEMBERED_OCTETS_MAX = 4096, 512
"""Sets kept as values beside their octets, and how long they may be for that; what is imported is read more than once,
but not by many at a time."""

LONG_MAX = 8
"""And of those that are longer: very many routes may share one of them."""

WITHIN_AN_AS = Agreed(
    local_as=1,
    peer_as=1,
    families=(),
    hold_time_s=0,
    four_octet_as=True,
    route_refresh=False,
    router_id=IpAddress(bytes(4)),
    peer_router_id=IpAddress(bytes(4)),
)
"""An imaginary session within an AS: everything that a route may carry is welcome in it."""
_READER = AttributeReader(Rules.of(WITHIN_AN_AS))


@dataclass(frozen=True, slots=True)
class Heard:
    """One set of attributes, shared by the routes that were told with it."""

    common: bytes
    """All attributes but these two."""
    communities: bytes
    """The extended communities, eight octets each."""
    next_hop: IpAddress | None
    """MP_REACH_NLRI's."""
    route_targets: frozenset[RouteTarget]

    @classmethod
    def of(cls, attributes: PathAttributes) -> Heard:
        """Of attributes as values: ours, or a test's."""
        communities = b"".join(attributes.extended_communities)
        return cls(keep(attributes), communities, attributes.next_hop, attributes.route_targets)

    @property
    def octets(self) -> int:
        """How many are kept, and what a set of many targets takes besides."""
        many = len(self.route_targets) - FEW_TARGETS
        return len(self.common) + len(self.communities) + (many * IN_A_SET_OCTETS if many > 0 else 0)

    def read(self) -> PathAttributes:
        """What they say."""
        read = remembering(_read, len(self.common) + len(self.communities))
        return read(self.common, self.communities, self.next_hop)

    def has_community(self, community: int) -> bool:
        """Of RFC 1997's."""
        return community in (read_common(self.common).get(COMMUNITIES) or ())


def remembering(cached: Cached[T], octets: int) -> Callable[..., T]:
    """The function as it remembers, or, asked about so many octets that their sender would fill our memory with them,
    as it does not."""
    return cached if octets <= REMEMBERED_OCTETS_MAX else cached.__wrapped__


@lru_cache(READ_MAX)
def _read(common: bytes, communities: bytes, next_hop: IpAddress | None) -> PathAttributes:
    return combine({**read_common(common), EXTENDED_COMMUNITIES: communities_of(communities)}, next_hop)


def is_kept_form(common: bytes, communities: bytes) -> bool:
    """Whether octets that somebody else wrote down are what `Heard` has. Raises MessageError."""
    read = _READER.read(common)
    return not read.faults and EXTENDED_COMMUNITIES not in read.values and len(communities) % COMMUNITY_OCTETS == 0


def ases(common: bytes) -> frozenset[int]:
    """Every AS that a route with these attributes has come through, as its path says."""
    return frozenset(asn for segment in read_common(common).get(AS_PATH) or () for asn in segment.numbers)


def read_common(common: bytes) -> Mapping[int, Any]:
    """What `Heard.common` says, by the attributes' codes (`combine`)."""
    return (_values if len(common) <= REMEMBERED_OCTETS_MAX else _long_values)(common)


@lru_cache(READ_MAX)
def _values(common: bytes) -> Mapping[int, Any]:
    return _READER.read(common).values


_long_values = lru_cache(LONG_MAX)(_values.__wrapped__)
