"""The BGPVPNs and associations of one side as values: networking-bgpvpn's five tables (25.0.0), and ours.

Both sides become the same values, so that what differs is what `!=` says. Rule: their tables are only read, by their
names: none of their code is needed, and none of it is loaded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import standard_attr

from isthmus.model.intent import AssociationKind
from isthmus.neutron.attachments import reading
from isthmus.neutron.rows import models, port_routes
from isthmus.neutron.rows.finding import KINDS
from isthmus.neutron.words import apidef
from isthmus.neutron.words.values import Route, Standard

THEIR_BGPVPNS = "bgpvpns"


@dataclass(frozen=True, slots=True)
class Bgpvpn:
    """A BGPVPN's own attributes."""

    id: str
    project_id: str | None
    name: str
    type: str
    lists: Mapping[str, tuple[str, ...]]
    vni: int | None
    """None when nobody chose one."""
    local_pref: int | None
    standard: Standard


@dataclass(frozen=True, slots=True)
class Association:
    """An association's own attributes; `target` is the network, router or port."""

    id: str
    kind: AssociationKind
    project_id: str
    bgpvpn: str
    target: str
    standard: Standard
    advertise_extra_routes: bool | None = None
    """Of a router association."""
    advertise_fixed_ips: bool | None = None
    """Of a port association."""
    routes: tuple[Route, ...] = ()
    """Of a port association."""


@dataclass(frozen=True, slots=True)
class Contents:
    """One side, by id."""

    bgpvpns: Mapping[str, Bgpvpn]
    associations: Mapping[str, Association]


def _standards() -> Any:
    return standard_attr.StandardAttribute.__table__


def _with_standard(table: Any) -> Any:
    standards = _standards()
    return sa.select(
        table, standards.c.description, standards.c.revision_number, standards.c.created_at, standards.c.updated_at
    ).join(standards, standards.c.id == table.c.standard_attr_id)


def _standard(row: Any) -> Standard:
    return Standard(row.description or "", row.revision_number or 0, row.created_at, row.updated_at)


def ours(session: Any) -> Contents:
    """What is here."""
    table = models.Bgpvpn.__table__
    rows = list(session.execute(_with_standard(table)))
    lists = reading.targets(session, [row.id for row in rows])
    vnis: Any = sa.select(models.Vni.bgpvpn_id, models.Vni.vni).where(models.Vni.explicit)
    chosen = dict(session.execute(vnis).all())
    bgpvpns = {
        row.id: Bgpvpn(
            id=row.id,
            project_id=row.project_id,
            name=row.name,
            type=row.type,
            lists={kind: tuple(values) for kind, values in lists[row.id].items()},
            vni=chosen.get(row.id),
            local_pref=row.local_pref,
            standard=_standard(row),
        )
        for row in rows
    }
    found: dict[str, Association] = {}
    for kind, of in KINDS.items():
        rows = list(session.execute(_with_standard(of.table.__table__)))
        is_port = kind is AssociationKind.PORT
        routes: Mapping[str, list[Route]] = port_routes.read(session, [row.id for row in rows]) if is_port else {}
        found |= {row.id: _association(row, kind, routes.get(row.id, ())) for row in rows}
    return Contents(bgpvpns, found)


def theirs(session: Any) -> Contents:
    """What networking-bgpvpn has in the same database."""
    bgpvpns = {row.id: _their_bgpvpn(row) for row in session.execute(_with_standard(_their_table(THEIR_BGPVPNS)))}
    routes = _their_routes(session)
    found: dict[str, Association] = {}
    for kind in AssociationKind:
        rows = session.execute(_with_standard(_their_table(f"bgpvpn_{kind.value}_associations")))
        found |= {row.id: _association(row, kind, routes.get(row.id, ())) for row in rows}
    return Contents(bgpvpns, found)


_COLUMNS = {
    THEIR_BGPVPNS: ("name", "type", *apidef.TARGET_LISTS, "vni", "local_pref"),
    "bgpvpn_network_associations": ("bgpvpn_id", "network_id"),
    "bgpvpn_router_associations": ("bgpvpn_id", "router_id", "advertise_extra_routes"),
    "bgpvpn_port_associations": ("bgpvpn_id", "port_id", "advertise_fixed_ips"),
}


def _their_table(name: str) -> Any:
    columns = ("id", "project_id", "standard_attr_id", *_COLUMNS[name])
    return sa.table(name, *(sa.column(column) for column in columns))


def _their_bgpvpn(row: Any) -> Bgpvpn:
    return Bgpvpn(
        id=row.id,
        project_id=row.project_id,
        name=row.name or "",
        type=row.type,
        lists={kind: _split(getattr(row, kind)) for kind in apidef.TARGET_LISTS},
        vni=row.vni,
        local_pref=row.local_pref,
        standard=_standard(row),
    )


def _split(joined: str | None) -> tuple[str, ...]:
    """Their lists are texts joined by commas; what stands in one twice means nothing more."""
    return tuple(dict.fromkeys(text.strip() for text in (joined or "").split(",") if text.strip()))


def _their_routes(session: Any) -> dict[str, list[Route]]:
    """They keep no order: prefixes first, as text."""
    columns = ("port_association_id", "type", "local_pref", "prefix", "bgpvpn_id")
    table = sa.table("bgpvpn_port_association_routes", *(sa.column(column) for column in columns))
    found: dict[str, list[Route]] = defaultdict(list)
    rows = session.execute(sa.select(table))
    for row in sorted(rows, key=lambda r: (r.prefix is None, r.prefix or "", r.bgpvpn_id or "")):
        found[row.port_association_id].append(Route(row.prefix, row.bgpvpn_id, row.local_pref))
    return found


def _association(row: Any, kind: AssociationKind, routes: Any) -> Association:
    extra, fixed = getattr(row, "advertise_extra_routes", None), getattr(row, "advertise_fixed_ips", None)
    return Association(
        id=row.id,
        kind=kind,
        project_id=row.project_id,
        bgpvpn=row.bgpvpn_id,
        target=getattr(row, f"{kind.value}_id"),
        standard=_standard(row),
        advertise_extra_routes=None if extra is None else bool(extra),
        advertise_fixed_ips=None if fixed is None else bool(fixed),
        routes=tuple(routes),
    )
