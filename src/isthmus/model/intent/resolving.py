"""An attachment's row and the rows of the BGPVPNs it refers to, made one intent.

Rules: a BGPVPN that cannot be looked up costs its associations, with the reason, and never the attachment. One whose
row is there and cannot be read was written by a newer Isthmus, or is nonsense: then what stands stays, as with an
attachment's own row, and `carried` says how. The revision is the highest of all the rows: their writer gives a row
that changes one above those of all the rows that it is read with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from isthmus.model.intent.values import (
    AssociationIntent,
    AssociationKind,
    AttachmentIntent,
    BadIntent,
    BgpvpnIntent,
    Fallback,
)
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import SiteOfOrigin

MISSING = "the row of this BGPVPN is not in the database"


@dataclass(frozen=True, slots=True)
class Reference:
    """An association as an AC row of form 2 has it."""

    association: str
    kind: AssociationKind
    bgpvpn: str
    networks: tuple[str, ...] | None
    """None: all of the attachment's."""
    number: int | None
    shared: bool = False


@dataclass(frozen=True, slots=True)
class ReadAttachment:
    """What an AC row says, before anything is looked up."""

    attachment: str
    revision: int
    site: SiteOfOrigin
    networks: tuple[str, ...]
    subnets: tuple[Prefix, ...]
    fallback: Fallback
    outside: tuple[Prefix, ...] = ()
    whole: tuple[AssociationIntent, ...] = ()
    """Form 1: nothing is to be looked up."""
    references: tuple[Reference, ...] = ()
    """Form 2."""
    ignored: int = 0
    lanes: tuple[int, ...] = ()
    routes: tuple[Prefix, ...] = ()
    own_defaults: tuple[int, ...] = ()
    addresses: tuple[IpAddress, ...] = ()

    @property
    def bgpvpns(self) -> frozenset[str]:
        """Whose rows are needed."""
        return frozenset(r.bgpvpn for r in self.references)


def resolve(row: ReadAttachment, vpns: Mapping[str, BgpvpnIntent | BadIntent]) -> AttachmentIntent:
    """`vpns`: what is known of BGPVPNs, by uuid; one that is not in it has no row."""
    found, unresolved, unread = list(row.whole), dict[str, str](), list[str]()
    for reference in row.references:
        vpn = vpns.get(reference.bgpvpn)
        if isinstance(vpn, BgpvpnIntent):
            found.append(_association(reference, vpn, row.networks))
            continue
        unresolved[reference.bgpvpn] = MISSING if vpn is None else str(vpn)
        if vpn is not None:
            unread.append(reference.association)
    used = [vpn for b in row.bgpvpns if isinstance(vpn := vpns.get(b), BgpvpnIntent)]
    return AttachmentIntent(
        attachment=row.attachment,
        revision=max([row.revision, *(vpn.revision for vpn in used)]),
        site=row.site,
        networks=row.networks,
        subnets=row.subnets,
        associations=tuple(sorted(found, key=lambda a: a.association)),
        fallback=row.fallback,
        outside=row.outside,
        unresolved=tuple(sorted(unresolved.items())),
        unread=tuple(sorted(unread)),
        ignored=row.ignored + sum(vpn.ignored for vpn in used),
        lanes=row.lanes,
        routes=row.routes,
        own_defaults=row.own_defaults,
        addresses=row.addresses,
    )


def carried(intent: AttachmentIntent, before: AttachmentIntent | None) -> AttachmentIntent:
    """With what stood of the associations whose BGPVPN's row cannot be read; `before`: the attachment as last known."""
    if before is None or not intent.unread:
        return intent
    stood = (a for a in before.associations if a.association in intent.unread)
    both = {a.association: a for a in (*stood, *intent.associations)}
    return replace(intent, associations=tuple(both[name] for name in sorted(both)))


def _association(reference: Reference, vpn: BgpvpnIntent, networks: tuple[str, ...]) -> AssociationIntent:
    return AssociationIntent(
        association=reference.association,
        kind=reference.kind,
        bgpvpn=reference.bgpvpn,
        number=reference.number,
        vni=vpn.vni,
        imports=vpn.imports,
        exports=vpn.exports,
        networks=networks if reference.networks is None else reference.networks,
        local_pref=vpn.local_pref,
        shared=reference.shared,
        families=vpn.families,
    )
