"""Quotas: what Neutron's quota API knows of us, and the check in the transaction that makes something.

    bgpvpn               BGPVPNs of a project
    bgpvpn_association   its associations of every kind
    bgpvpn_port_route    routes of all its port associations
    bgpvpn_route_target  different route targets of any one of its BGPVPNs; "used" is the most that one has

Things are counted by the database, never listed. Two requests of one project at once are counted one after another:
the first locks a row of the project until it is done. A project without a limit is neither locked nor counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from neutron.quota import QUOTAS, resource, resource_registry
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.db import api as db_api
from sqlalchemy.dialects import mysql

from isthmus.neutron.rows import models, numbers
from isthmus.neutron.words import apidef

ASSOCIATION, PORT_ROUTE, ROUTE_TARGET = "bgpvpn_association", "bgpvpn_port_route", "bgpvpn_route_target"


def _bgpvpns(project: str) -> list[Any]:
    return [_rows(models.Bgpvpn, project)]


def _associations(project: str) -> list[Any]:
    tables = (models.NetworkAssociation, models.RouterAssociation, models.PortAssociation)
    return [_rows(table, project) for table in tables]


def _port_routes(project: str) -> list[Any]:
    table, of = models.PortRoute, models.PortAssociation
    query = sa.select(sa.func.count()).select_from(table).join(of, of.id == table.association_id)
    return [query.where(of.project_id == project)]


def _most_route_targets(project: str) -> list[Any]:
    table = models.Target
    each = sa.select(sa.func.count(sa.distinct(table.value)).label("has"))
    each = each.join(models.Bgpvpn, models.Bgpvpn.id == table.bgpvpn_id)
    each = each.where(models.Bgpvpn.project_id == project, table.kind != numbers.DISTINGUISHERS)
    return [sa.select(sa.func.max(each.group_by(table.bgpvpn_id).subquery().c.has))]


def _rows(table: Any, project: str) -> Any:
    return sa.select(sa.func.count()).select_from(table).where(table.project_id == project)


COUNTS: dict[str, Callable[[str], list[Any]]] = {
    apidef.BGPVPN: _bgpvpns,
    ASSOCIATION: _associations,
    PORT_ROUTE: _port_routes,
    ROUTE_TARGET: _most_route_targets,
}
"""Statements whose results, added up, are what a project has."""


class Counted(resource.TrackedResource):
    """What Neutron counts by our statement. It tracks nothing by events of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(name, None, f"quota_{name}")
        self._track_resource_events = False

    def count_db_registers(self, context: Any, project_id: str) -> int:
        with db_api.CONTEXT_READER.using(context):
            return sum(context.session.scalar(query) or 0 for query in COUNTS[self.name](project_id))

    def count_used(self, context: Any, project_id: str, resync_usage: bool = True) -> int:
        return self.count_db_registers(context, project_id)


def register() -> None:
    """So that `/v2.0/quotas` knows our resources."""
    for name in COUNTS:
        resource_registry.register_resource(Counted(name))


def check(context: Any, project: str, more: Mapping[str, int]) -> None:
    """In the caller's transaction, before `more` of each resource is made. Raises OverQuota (409)."""
    session, limits = context.session, _limits(context, project, [name for name, count in more.items() if count > 0])
    if not limits:
        return
    put: Any = mysql.insert(models.Project).values(id=project)
    session.execute(put.on_duplicate_key_update(id=project))  # waits for others of the project
    over = [name for name, limit in limits.items() if _count(session, name, project) + more[name] > limit]
    if over:
        raise neutron_exceptions.OverQuota(overs=sorted(over))


def _count(session: Any, name: str, project: str) -> int:
    """A locking read: what others have committed since this transaction began is counted."""
    return sum(session.scalar(query.with_for_update(read=True)) or 0 for query in COUNTS[name](project))


def check_route_targets(context: Any, project: str, has: int, had: int) -> None:
    """Before a BGPVPN of the project gets `has` different route targets instead of `had`. Raises OverQuota (409)."""
    if has > had and any(has > limit for limit in _limits(context, project, [ROUTE_TARGET]).values()):
        raise neutron_exceptions.OverQuota(overs=[ROUTE_TARGET])


def _limits(context: Any, project: str, names: list[str]) -> dict[str, int]:
    """The project's limits of these resources, those without limit left out."""
    if not names:
        return {}
    known = QUOTAS.get_driver().get_project_quotas(context, resource_registry.get_all_resources(), project)
    return {name: known[name] for name in names if known.get(name, -1) >= 0}
