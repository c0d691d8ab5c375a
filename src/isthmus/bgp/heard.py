"""Attributes as they were heard: octets, until somebody imports a route of theirs.

A hypervisor hears of every route of all clouds and imports a hundredth. What the others' attributes say in full nobody
asks; kept as octets a set takes a hundred of them instead of a thousand. Only what the table of routes is indexed by,
the targets, is worked out at once.

Rules: octets are in one form, whatever the session was like: four octets a number, no AS4_PATH, nothing malformed, and
nothing that had no business there. So they can be handed to another process, and read without the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.attribute_reader import AttributeReader, Rules, combine
from isthmus.bgp.attribute_writer import keep
from isthmus.bgp.capability import Agreed
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget

READ_MAX = 4096
"""Sets kept as values beside their octets; what is imported is read more than once, but not by many at a time."""

_SESSION = Agreed(
    local_as=1,
    peer_as=1,
    families=(),
    hold_time_s=0,
    four_octet_as=True,
    route_refresh=False,
    router_id=IpAddress(bytes(4)),
    peer_router_id=IpAddress(bytes(4)),
)
"""An imaginary one within an AS: everything that a route may carry is welcome in it."""
_READER = AttributeReader(Rules.of(_SESSION))


@dataclass(frozen=True, slots=True)
class Heard:
    """One set of attributes, shared by the routes that were told with it."""

    octets: bytes
    next_hop: IpAddress | None
    """MP_REACH_NLRI's, which the octets do not have."""
    route_targets: frozenset[RouteTarget]

    @classmethod
    def of(cls, attributes: PathAttributes) -> Heard:
        """Of attributes as values: ours, or a test's."""
        return cls(keep(attributes), attributes.next_hop, attributes.route_targets)

    def read(self) -> PathAttributes:
        """What they say."""
        return read(self.octets, self.next_hop)


@lru_cache(READ_MAX)
def read(octets: bytes, next_hop: IpAddress | None) -> PathAttributes:
    """What octets in the kept form say, with this next hop."""
    return combine(_READER.read(octets).values, next_hop)
