"""What the decoders of all families give, and what they share."""

from __future__ import annotations

from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from isthmus.bgp.errors import AttributeFault
from isthmus.model.vpn import RouteDistinguisher

REMEMBERED = 8192
"""Route distinguishers and labels that are one object for all routes which have them."""

R = TypeVar("R")


class BoundaryLost(Exception):
    """A length runs over the end, or is none that a route can have: where the next route begins is unknown (RFC 7606
    section 5.3)."""


class Decoded(NamedTuple, Generic[R]):
    """What one attribute's NLRI held."""

    routes: list[R]
    faults: list[AttributeFault]
    skipped: int = 0
    """Routes of types this speaker does not read (RFC 7606 section 5.4: discarded, not an error)."""
    beside: tuple[object, ...] = ()
    """Read, and no way to any address: nothing but their text is asked for."""


distinguisher = lru_cache(REMEMBERED)(RouteDistinguisher)
"""The same object again: all routes of a VRF share it."""


@lru_cache(REMEMBERED)
def shared(number: int) -> int:
    """The same object again: a VPN's routes share their label."""
    return number
