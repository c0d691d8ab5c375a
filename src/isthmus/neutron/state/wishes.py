"""What an association, or its BGPVPN, asks for beyond the ordinary, where the backend keeps it and does not serve it.

Rule: a constant number of statements, and none for what nobody here can ask for or the backend serves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db.models import l3

from isthmus.model.intent import AssociationKind
from isthmus.neutron.attachments.backend import Feature
from isthmus.neutron.rows import models, numbers
from isthmus.neutron.words.values import Ref


def unserved(session: Any, refs: Sequence[Ref], kept: Mapping[Feature, str]) -> dict[str, tuple[str, ...]]:
    """`kept` has the words for each feature that is not served. Those that apply, by association; of a port's routes
    nothing where ports are not served either."""
    found: dict[str, list[str]] = defaultdict(list)
    for feature, asking in _ASKING.items():
        if feature in kept and not (feature is Feature.PORT_ROUTES and Feature.PORTS in kept):
            for association in asking(session, refs):
                found[association].append(kept[feature])
    return {association: tuple(words) for association, words in found.items()}


def _with_distinguishers(session: Any, refs: Sequence[Ref]) -> list[str]:
    table = models.Target
    query: Any = sa.select(table.bgpvpn_id).where(table.kind == numbers.DISTINGUISHERS).distinct()
    return _of_bgpvpns(session, query, table.bgpvpn_id, refs)


def _with_local_pref(session: Any, refs: Sequence[Ref]) -> list[str]:
    table = models.Bgpvpn
    return _of_bgpvpns(session, sa.select(table.id).where(table.local_pref.is_not(None)), table.id, refs)


def _with_fallback(session: Any, refs: Sequence[Ref]) -> list[str]:
    table = models.Bgpvpn
    return _of_bgpvpns(session, sa.select(table.id).where(table.fallback.is_not(None)), table.id, refs)


def _with_families(session: Any, refs: Sequence[Ref]) -> list[str]:
    table = models.Bgpvpn
    return _of_bgpvpns(session, sa.select(table.id).where(table.families.is_not(None)), table.id, refs)


def _of_bgpvpns(session: Any, query: Any, column: Any, refs: Sequence[Ref]) -> list[str]:
    asking = set(session.scalars(query.where(column.in_({r.bgpvpn for r in refs}))))
    return [r.id for r in refs if r.bgpvpn in asking]


def _with_extra_routes(session: Any, refs: Sequence[Ref]) -> list[str]:
    """Whose routers have static routes that should be announced."""
    table = models.RouterAssociation
    query: Any = sa.select(table.id).where(table.advertise_extra_routes)
    query = query.where(sa.exists().where(l3.RouterRoute.router_id == table.router_id))
    return _of_kind(session, query, table.id, AssociationKind.ROUTER, refs)


def _with_routes(session: Any, refs: Sequence[Ref]) -> list[str]:
    table = models.PortRoute
    query: Any = sa.select(table.association_id).distinct()
    return _of_kind(session, query, table.association_id, AssociationKind.PORT, refs)


def _of_kind(session: Any, query: Any, column: Any, kind: AssociationKind, refs: Sequence[Ref]) -> list[str]:
    ids = {r.id for r in refs if r.kind is kind}
    return list(session.scalars(query.where(column.in_(ids)))) if ids else []


_ASKING: Mapping[Feature, Callable[[Any, Sequence[Ref]], list[str]]] = {
    Feature.ROUTE_DISTINGUISHERS: _with_distinguishers,
    Feature.LOCAL_PREF: _with_local_pref,
    Feature.FALLBACK: _with_fallback,
    Feature.FAMILIES: _with_families,
    Feature.EXTRA_ROUTES: _with_extra_routes,
    Feature.PORT_ROUTES: _with_routes,
}
