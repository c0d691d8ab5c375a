"""Quotas: what Neutron's quota API knows of us, and the check in the transaction that makes something.

    bgpvpn               BGPVPNs of a project
    bgpvpn_association   its associations of every kind
    bgpvpn_port_route    routes of all its port associations
    bgpvpn_route_target  different route targets of any one of its BGPVPNs; "used" is the most that one has

    bgpvpn_number        numbers of its routers and networks, those that rest still included
    bgpvpn_vni           VNIs and route targets of the cloud's pools, the same: what a project's members draw; who may
    bgpvpn_pool_target   name any number is not held up

Things are counted by the database, never listed. Two requests of one project at once are counted one after another:
the first locks a row of the project until it is done. A project without a limit is neither locked nor counted; what is
drawn from a pool is counted without a lock while the limit is far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3
from neutron.db.quota import models as quota_models
from neutron.db.quota.driver import DbQuotaDriver
from neutron.quota import QUOTAS, resource, resource_registry
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.db import api as db_api
from sqlalchemy.dialects import mysql

from isthmus.neutron.rows import models, numbers
from isthmus.neutron.words import apidef
from isthmus.neutron.words.conf import Settings

ASSOCIATION, PORT_ROUTE, ROUTE_TARGET = "bgpvpn_association", "bgpvpn_port_route", "bgpvpn_route_target"
VNI, POOL_TARGET, NUMBER = "bgpvpn_vni", "bgpvpn_pool_target", "bgpvpn_number"
NEAR = 64
"""So near to the limit of a pool requests are counted one after another; more than so many at once are not expected."""


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


def _vnis(project: str, settings: Settings) -> list[Any]:
    table = models.Vni
    used = sa.select(sa.func.count()).select_from(table).join(models.Bgpvpn, models.Bgpvpn.id == table.bgpvpn_id)
    used = used.where(models.Bgpvpn.project_id == project, table.vni.between(settings.vni_min, settings.vni_max))
    again = sa.exists().where(table.vni == models.RestingNumber.value)
    return [used, _laid_down("vni", project, settings.number_rest_s, again)]


def _pool_targets(project: str, settings: Settings) -> list[Any]:
    table = models.PoolTarget
    rests = numbers.rests(table.released_at, settings.number_rest_s)
    return [_rows(table, project).where(sa.or_(table.released_at.is_(None), rests))]


def _numbers(project: str) -> list[Any]:
    again = sa.exists().where(models.Number.number == models.RestingNumber.value)
    laid_down = _laid_down("number", project, numbers.NUMBER_REST_S, again)
    at = models.Attachment
    used = sa.select(sa.func.count()).select_from(models.Number).join(at, at.id == models.Number.attachment_id)
    places = ((l3.Router, at.router_id), (models_v2.Network, at.network_id))
    return [laid_down, *(used.join(of, of.id == key).where(of.project_id == project) for of, key in places)]


def _laid_down(kind: str, project: str, rest_s: float, again: Any) -> Any:
    """What rests, unless somebody has taken it up `again`."""
    table = models.RestingNumber
    return _rows(table, project).where(table.kind == kind, numbers.rests(table.released_at, rest_s), sa.not_(again))


COUNTS: dict[str, Callable[[str], list[Any]]] = {
    apidef.BGPVPN: _bgpvpns,
    ASSOCIATION: _associations,
    PORT_ROUTE: _port_routes,
    ROUTE_TARGET: _most_route_targets,
    NUMBER: _numbers,
}
"""Statements whose results, added up, are what a project has."""
POOLS: dict[str, Callable[[str, Settings], list[Any]]] = {VNI: _vnis, POOL_TARGET: _pool_targets}
"""The same, where it depends on what the pools are."""


class Counted(resource.TrackedResource):
    """What Neutron counts by our statement. It tracks nothing by events of its own."""

    def __init__(self, name: str, statements: Callable[[str], list[Any]]) -> None:
        super().__init__(name, None, f"quota_{name}")
        self._track_resource_events = False
        self._statements = statements

    def __deepcopy__(self, memo: Any) -> Counted:
        """Nothing of it changes, and Neutron copies every resource for each reservation."""
        return self

    def count_db_registers(self, context: Any, project_id: str) -> int:
        with db_api.CONTEXT_READER.using(context):
            return sum(context.session.scalar(query) or 0 for query in self._statements(project_id))

    def count_used(self, context: Any, project_id: str, resync_usage: bool = True) -> int:
        return self.count_db_registers(context, project_id)


def register(settings: Settings) -> None:
    """So that `/v2.0/quotas` knows our resources."""
    for name, count in COUNTS.items():
        resource_registry.register_resource(Counted(name, count))
    for name, of in POOLS.items():
        resource_registry.register_resource(Counted(name, lambda project, of=of: of(project, settings)))  # type: ignore[misc]


def check(context: Any, project: str, more: Mapping[str, int], known: Mapping[str, int] | None = None) -> None:
    """In the caller's transaction, before `more` of each resource is made. `known` are the project's limits, if they
    have been read. Raises OverQuota (409)."""
    asked = [name for name, count in more.items() if count > 0]
    session, limits = context.session, _of(known, asked) if known else _limits(context, project, asked)
    if not limits:
        return
    _queue(session, project)
    over = [name for name, limit in limits.items() if _count(session, COUNTS[name](project)) + more[name] > limit]
    if over:
        raise neutron_exceptions.OverQuota(overs=sorted(over))


def check_pool(context: Any, project: str, name: str, settings: Settings) -> None:
    """In the caller's transaction, after something was drawn from the pool. Raises OverQuota (409)."""
    limits = _limits(context, project, [name])
    _check_drawn(context, project, name, limits, POOLS[name](project, settings))


def check_numbers(context: Any, project: str, known: Mapping[str, int]) -> None:
    """The same, after numbers were given to routers or networks of the project; `known` are its limits."""
    _check_drawn(context, project, NUMBER, _of(known, [NUMBER]), COUNTS[NUMBER](project))


def _check_drawn(context: Any, project: str, name: str, limits: Mapping[str, int], statements: list[Any]) -> None:
    session = context.session
    for limit in limits.values():
        if session.scalar(sa.select(sum(s.scalar_subquery() for s in statements))) <= limit - NEAR:
            continue
        _queue(session, project)
        if _count(session, statements) > limit:
            raise neutron_exceptions.OverQuota(overs=[name])


def _queue(session: Any, project: str) -> None:
    """Wait for others of the project."""
    put: Any = mysql.insert(models.Project).values(id=project)
    session.execute(put.on_duplicate_key_update(id=project))


def _count(session: Any, statements: list[Any]) -> int:
    """Locking reads: what others have committed since this transaction began is counted."""
    return sum(session.scalar(query.with_for_update(read=True)) or 0 for query in statements)


def check_route_targets(context: Any, project: str, has: int, had: int) -> None:
    """Before a BGPVPN of the project gets `has` different route targets instead of `had`. Raises OverQuota (409)."""
    if has > had and any(has > limit for limit in _limits(context, project, [ROUTE_TARGET]).values()):
        raise neutron_exceptions.OverQuota(overs=[ROUTE_TARGET])


def _limits(context: Any, project: str, names: list[str]) -> dict[str, int]:
    """The project's limits of these resources, those without limit left out."""
    return _of(limits(context, project), names) if names else {}


def limits(context: Any, project: str) -> Mapping[str, int]:
    """All limits of the project, as Neutron's quota engine has them: one statement."""
    driver, resources = QUOTAS.get_driver(), resource_registry.get_all_resources()
    if getattr(type(driver), "get_project_quotas", None) is not DbQuotaDriver.get_project_quotas:
        other: Mapping[str, int] = driver.get_project_quotas(context, resources, project)
        return other
    # What Neutron's own drivers do; they copy every resource and make an object of every row.
    query: Any = sa.select(quota_models.Quota.resource, quota_models.Quota.limit)
    rows = context.session.execute(query.where(quota_models.Quota.project_id == project))
    return {name: resource.default for name, resource in resources.items()} | dict(rows.all())


def _of(known: Mapping[str, int], names: list[str]) -> dict[str, int]:
    return {name: known[name] for name in names if known.get(name, -1) >= 0}
