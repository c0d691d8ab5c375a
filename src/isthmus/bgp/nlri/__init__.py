"""The families this speaker carries: one file each, and this table.

To add a family: write its file (a value with `key()`, decode, check, encode, encode_key), give it a row in `CODECS`,
widen the two aliases and `family_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.errors import AttributeFault
from isthmus.bgp.family import EVPN, Family
from isthmus.bgp.nlri import evpn

Nlri: TypeAlias = evpn.EvpnPrefix
NlriKey: TypeAlias = evpn.EvpnKey


@dataclass(frozen=True, slots=True)
class NlriCodec:
    """How one family's routes are read and written."""

    decode: Callable[[bytes], evpn.EvpnRoutes]
    check: Callable[[Sequence[Nlri], PathAttributes], list[tuple[Nlri, AttributeFault]]]
    encode: Callable[[Nlri], bytes]
    encode_key: Callable[[NlriKey], bytes]
    next_hop_lengths: frozenset[int]


CODECS: Mapping[Family, NlriCodec] = {
    # The next hop is a bare address, without an RD in front, whatever the prefix's family (RFC 7432, RFC 9136).
    EVPN: NlriCodec(evpn.decode, evpn.check, evpn.encode, evpn.encode_key, frozenset((4, 16))),
}


def family_of(route: Nlri | NlriKey) -> Family:
    """The family that carries a route. With one family every route is of it."""
    return EVPN


def key_of(route: Nlri | NlriKey) -> NlriKey:
    """The key of a route that may already be one."""
    return route.key() if isinstance(route, evpn.EvpnPrefix) else route
