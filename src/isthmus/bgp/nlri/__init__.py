"""The families this speaker carries: one file each, and this table.

A route is a value of its family: what makes it itself (`key`), where it leads to (`destination`), and whatever else
the family says of it. Tables of routes, of what peers were told and the packing of messages know these words only.

To add a family: write its file (a value with what `Route` asks for, its key, decode, check, encode, encode_key), widen
the aliases, give it a row in `CODECS`; `mypy --strict` says what is missing. Two families may lead to one destination:
the decision compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from isthmus.bgp.errors import AttributeFault
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN, Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.nlri import evpn, membership
from isthmus.model.net import Prefix

Destination: TypeAlias = Prefix
"""Where a route leads to, and so what candidates are compared for."""
Distinguisher: TypeAlias = evpn.EvpnDistinguisher
"""What tells a peer's routes of one family to one destination apart."""
Nlri: TypeAlias = evpn.EvpnPrefix
NlriKey: TypeAlias = evpn.EvpnKey


class Key(Protocol):
    """What makes two announcements of a peer the same route; hashable, compared by value."""

    @property
    def family(self) -> Family: ...


class Route(Key, Protocol):
    """What every family's route must be able to say; hashable, compared by value."""

    @property
    def destination(self) -> Destination: ...

    @property
    def distinguisher(self) -> Distinguisher: ...

    def key(self) -> NlriKey: ...


R = TypeVar("R", bound=Route)
K = TypeVar("K", bound=Key)


@dataclass(frozen=True, slots=True)
class NlriCodec(Generic[R, K]):
    """How one family's routes are read and written."""

    decode: Callable[[bytes], Any]
    check: Callable[[Sequence[R], Heard], list[tuple[R, AttributeFault]]]
    encode: Callable[[R], bytes]
    encode_key: Callable[[K], bytes]
    next_hop_lengths: frozenset[int]


CODECS: Mapping[Family, NlriCodec[Any, Any]] = {
    # The next hop is a bare address, without an RD in front, whatever the prefix's family (RFC 7432, RFC 9136).
    EVPN: NlriCodec(evpn.decode, evpn.check, evpn.encode, evpn.encode_key, frozenset((4, 16))),
    # Of memberships, which lead nowhere: they never come among the routes (update.py).
    ROUTE_TARGET_CONSTRAIN: NlriCodec(
        membership.decode, membership.check, membership.encode, membership.encode, frozenset((4, 16))
    ),
}


def key_of(route: Nlri | NlriKey) -> NlriKey:
    """The key of a route that may already be one."""
    return route.key() if isinstance(route, evpn.EvpnPrefix) else route
