"""The door to what forwards: a backend is told which attachments may have changed, and says what it can do.

An *attachment* is a router, or a network behind which no router holds a gateway: `router:<uuid>`, `network:<uuid>`.
The backend reads what it must be (`reading.attachments`, `settling.settle`), as it is now; being told twice, late or
of several at once must not matter, and a call that got lost is made good by the backend's own full pass.

A backend is an entry point of the group `isthmus.backends`: a callable that takes the settings and returns an object
with the methods of `Backend`. docs/design/backend.md shows one.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from importlib.metadata import entry_points
from typing import Any, Protocol

from isthmus.neutron.words import exceptions
from isthmus.neutron.words.conf import BadConfiguration, Settings

GROUP = "isthmus.backends"


class Feature(StrEnum):
    """What a backend may or may not be able to do, in the words of the answer that refuses it."""

    L2 = "a BGPVPN of type l2"
    ROUTE_DISTINGUISHERS = "route_distinguishers chosen by the caller"
    LOCAL_PREF = "local_pref"
    FALLBACK = "fallback"
    FAMILIES = "families"
    EXTRA_ROUTES = "advertise_extra_routes"
    PORTS = "a port association"
    PORT_ROUTES = "routes of a port association"


class Support(StrEnum):
    """What becomes of a feature that somebody asks for."""

    SERVED = "served"
    STORED = "kept, but nothing forwards accordingly: the status says so"
    REFUSED = "refused"


class Backend(Protocol):
    """What a backend must have."""

    def support(self, feature: Feature) -> Support:
        """The same answer during the life of the process."""

    @property
    def at_once(self) -> int | None:
        """How many attachments one call of `changed` is given at most. What a request changes beyond is marked
        (rows/dirty.py) for the backend's own worker. None: every attachment is given."""

    def changed(self, attachments: Collection[str]) -> None:
        """After a commit, in the request: something about these attachments may have changed. Must be short, and must
        not raise because of what the backend talks to: the request has succeeded already."""

    def workers(self) -> list[Any]:
        """Neutron workers for what goes on in a process of its own (the full pass)."""


def load(settings: Settings) -> Backend:
    """The configured backend. Raises BadConfiguration."""
    found = entry_points(group=GROUP)
    for point in found:
        if point.name == settings.backend:
            made: Backend = point.load()(settings)
            return made
    known = ", ".join(sorted(p.name for p in found)) or "none is installed"
    raise BadConfiguration(f"[isthmus] backend = {settings.backend}: there is no such backend ({known})")


def require(backend: Backend, features: Collection[Feature]) -> None:
    """Raises BGPVPNNotSupported (400) naming the first feature that the backend refuses."""
    for feature in features:
        if backend.support(feature) is Support.REFUSED:
            raise exceptions.BGPVPNNotSupported(feature=feature.value)
