"""A path: one route as one peer told it, what makes it itself, and how far it is to be believed."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.nlri import Distinguisher, Nlri
from isthmus.model.net import IpAddress


class Standing(Enum):
    """How far what a peer said is still to be believed."""

    FRESH = "said in the session that is up"
    STALE = "its session ended: as good as confirmed, until a session in sync contradicts it (RFC 4724)"
    LONG_LIVED = "its session ended long ago: least preferred (RFC 9494)"
    HELD = "its peer withdrew it though whoever announced it did not: least preferred, and nobody contradicts it"


class Channel(NamedTuple):
    """One family of one peer: what is in sync, refreshed, retained and told is so of one of these."""

    peer: IpAddress
    family: Family


class PathKey(NamedTuple):
    """What makes a path to a destination itself and no other."""

    peer: IpAddress
    family: Family
    distinguisher: Distinguisher

    @classmethod
    def of(cls, peer: IpAddress, route: Nlri) -> PathKey:
        return cls(peer, route.family, route.distinguisher)


class Path(NamedTuple):
    """One route as one peer told it."""

    peer: IpAddress
    peer_router_id: IpAddress
    nlri: Nlri
    heard: Heard
    since: float
    """When this very content was first heard (the node's clock, seconds)."""
    standing: Standing = Standing.FRESH
    stale_since: float | None = None
    """When the session ended that it came by, or when it was withdrawn that is held; None while it is fresh."""

    @property
    def attributes(self) -> PathAttributes:
        return self.heard.read()

    @property
    def channel(self) -> Channel:
        return Channel(self.peer, self.nlri.family)

    def came_by(self, channel: Channel) -> bool:
        return self.peer == channel.peer and self.nlri.family == channel.family

    @property
    def key(self) -> PathKey:
        return PathKey.of(self.peer, self.nlri)

    @property
    def stale(self) -> bool:
        return self.standing is not Standing.FRESH

    @property
    def least_preferred(self) -> bool:
        return self.standing in _LEAST_PREFERRED

    def says(self, other: Path) -> bool:
        """Whether the two are the same but for how they stand."""
        return self.heard == other.heard and self.nlri == other.nlri

    def said_since(self, since: float) -> Path:
        return Path(self.peer, self.peer_router_id, self.nlri, self.heard, since, self.standing, self.stale_since)

    def standing_as(self, standing: Standing, since: float | None) -> Path:
        return Path(self.peer, self.peer_router_id, self.nlri, self.heard, self.since, standing, since)


_LEAST_PREFERRED = frozenset({Standing.LONG_LIVED, Standing.HELD})
