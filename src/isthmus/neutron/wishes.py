"""What an association, or its BGPVPN, asks for beyond the ordinary, where the backend keeps it and does not serve it.

Rule: a constant number of statements, and none for what nobody here can ask for or the backend serves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db.models import l3

from isthmus.model.intent import AssociationKind
from isthmus.neutron import models, numbers
from isthmus.neutron.backend import Feature
from isthmus.neutron.values import Ref

FEATURES = (Feature.ROUTE_DISTINGUISHERS, Feature.LOCAL_PREF, Feature.EXTRA_ROUTES, Feature.PORT_ROUTES)


def unserved(session: Any, refs: Sequence[Ref], kept: Mapping[Feature, str]) -> dict[str, tuple[str, ...]]:
    """`kept` has the words for each feature that is not served. Those that apply, by association; of a port's routes
    nothing where ports are not served either."""
    found: dict[str, list[str]] = defaultdict(list)
    for feature in FEATURES:
        if feature in kept and not (feature is Feature.PORT_ROUTES and Feature.PORTS in kept):
            for association in _asking(session, feature, refs):
                found[association].append(kept[feature])
    return {association: tuple(words) for association, words in found.items()}


def _asking(session: Any, feature: Feature, refs: Sequence[Ref]) -> Iterator[str]:
    bgpvpns = {r.bgpvpn for r in refs}
    match feature:
        case Feature.ROUTE_DISTINGUISHERS:
            table = models.Target
            mine: Any = sa.select(table.bgpvpn_id).where(table.kind == numbers.DISTINGUISHERS)
            asking = set(session.scalars(mine.where(table.bgpvpn_id.in_(bgpvpns)).distinct()))
        case Feature.LOCAL_PREF:
            preferred: Any = sa.select(models.Bgpvpn.id).where(models.Bgpvpn.local_pref.is_not(None))
            asking = set(session.scalars(preferred.where(models.Bgpvpn.id.in_(bgpvpns))))
        case Feature.EXTRA_ROUTES:
            yield from _with_extra_routes(session, _of(AssociationKind.ROUTER, refs))
            return
        case _:
            yield from _with_routes(session, _of(AssociationKind.PORT, refs))
            return
    yield from (r.id for r in refs if r.bgpvpn in asking)


def _of(kind: AssociationKind, refs: Sequence[Ref]) -> set[str]:
    return {r.id for r in refs if r.kind is kind}


def _with_extra_routes(session: Any, associations: Collection[str]) -> Collection[str]:
    """Whose routers have static routes that should be announced."""
    table = models.RouterAssociation
    query: Any = sa.select(table.id).where(table.id.in_(associations), table.advertise_extra_routes)
    query = query.where(sa.exists().where(l3.RouterRoute.router_id == table.router_id))
    return list(session.scalars(query)) if associations else ()


def _with_routes(session: Any, associations: Collection[str]) -> Collection[str]:
    table = models.PortRoute
    query: Any = sa.select(table.association_id).where(table.association_id.in_(associations)).distinct()
    return list(session.scalars(query)) if associations else ()
