"""BGPVPNs, associations and the cloud as frozen values: what the plugin hands to the store, and what the store answers.

Rules: no SQLAlchemy row and no dict of the API's is kept in here; everything has been checked for form already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from isthmus.model.intent import AssociationKind, Fallback
from isthmus.model.vpn import SiteOfOrigin


class Cloud(NamedTuple):
    """What every attachment of a cloud has in common."""

    site: SiteOfOrigin
    vpn_mtu: int | None = None
    """Largest IP packet that fits the VPN's path, where that is less than the tenant networks'."""
    keeps_default: bool = False
    """Whether a router's own default route wins over a VPN's."""
    fallback: Fallback = Fallback.PUBLIC
    """Of BGPVPNs that have none of their own."""
    refuses_overlaps: bool = False
    """Whether subnets of one BGPVPN must not overlap."""


@dataclass(frozen=True, slots=True)
class Standard:
    """What Neutron keeps of every resource."""

    description: str
    revision_number: int
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Bgpvpn:
    """A BGPVPN as the API shows it; `lists` and `members` by attribute name."""

    id: str
    project_id: str
    name: str
    type: str
    lists: Mapping[str, Sequence[str]]
    vni: int | None
    local_pref: int | None
    members: Mapping[str, Sequence[str]]
    """Ids in `networks`, `routers` and `ports`."""
    tags: Sequence[str]
    standard: Standard
    shared: bool = False
    """With the project that asks, by an RBAC policy."""
    fallback: str | None = None
    """None: as the cloud has it."""
    families: Sequence[str] | None = None
    """None: all that the hypervisors speak."""


@dataclass(frozen=True, slots=True)
class Route:
    """A route of a port association: `prefix` (as it was given) or `bgpvpn`, the other is None."""

    prefix: str | None
    bgpvpn: str | None
    local_pref: int | None


@dataclass(frozen=True, slots=True)
class Association:
    """An association of any kind; `target` is the network's, router's or port's id."""

    id: str
    kind: AssociationKind
    project_id: str
    bgpvpn: str
    bgpvpn_project_id: str
    """Of the project that owns the BGPVPN: it sees what others have associated with it."""
    target: str
    standard: Standard
    advertise_extra_routes: bool | None = None
    """Of a router association."""
    advertise_fixed_ips: bool | None = None
    """Of a port association."""
    routes: Sequence[Route] = ()
    """Of a port association."""


@dataclass(frozen=True, slots=True)
class AnyAssociation:
    """An association's line in the collection of all of them."""

    id: str
    kind: AssociationKind
    project_id: str
    bgpvpn: str
    bgpvpn_project_id: str
    target: str


@dataclass(frozen=True, slots=True)
class NewBgpvpn:
    project_id: str
    name: str
    type: str
    lists: Mapping[str, Sequence[str]]
    vni: int | None
    local_pref: int | None
    description: str
    vni_auto: bool = False
    """The cloud chooses the VNI, and the API shows it."""
    fallback: str | None = None
    families: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class NewAssociation:
    """`owner` is the project of the network, router or port, as Neutron says it."""

    kind: AssociationKind
    bgpvpn: str
    project_id: str
    target: str
    owner: str
    description: str = ""
    advertise_extra_routes: bool = True
    advertise_fixed_ips: bool = True
    routes: Sequence[Route] = ()


@dataclass(frozen=True, slots=True)
class AssociationChange:
    """What a PUT names of an association; None stays as it is."""

    description: str | None = None
    advertise_extra_routes: bool | None = None
    advertise_fixed_ips: bool | None = None
    routes: Sequence[Route] | None = None


class Ref(NamedTuple):
    """Which association, of what, with which BGPVPN."""

    id: str
    kind: AssociationKind
    bgpvpn: str
    target: str
