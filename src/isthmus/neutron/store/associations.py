"""Associations of networks, routers and ports: read, made, changed, deleted, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron_lib.db import api as db_api
from neutron_lib.db import standard_attr
from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from isthmus.model.intent import AssociationKind
from isthmus.neutron.attachments import reading, settling
from isthmus.neutron.attachments.desired import network_attachment, router_attachment
from isthmus.neutron.rows import columns, dirty, forms, making, models, numbers, pages, port_routes, quotas
from isthmus.neutron.rows.finding import (
    KINDS,
    bgpvpn_line,
    find_association,
    find_bgpvpn,
    lock_sharing,
    revise,
    scoped,
    standard,
    without_tags,
)
from isthmus.neutron.rows.paging import Listing
from isthmus.neutron.store import conflicts
from isthmus.neutron.words import apidef, exceptions
from isthmus.neutron.words.conf import Overlapping
from isthmus.neutron.words.values import AnyAssociation, Association, AssociationChange, NewAssociation

_EXISTS: dict[AssociationKind, Any] = {
    AssociationKind.NETWORK: exceptions.BGPVPNNetAssocAlreadyExists,
    AssociationKind.ROUTER: exceptions.BGPVPNRouterAssocAlreadyExists,
    AssociationKind.PORT: exceptions.BGPVPNPortAssocAlreadyExists,
}


@db_api.retry_if_session_inactive()
def list_associations(context: Any, kind: AssociationKind, bgpvpn_id: str, listing: Listing) -> list[Association]:
    """Nothing for a BGPVPN that the caller does not know: so the API has always answered."""
    with db_api.CONTEXT_READER.using(context):
        if not uuidutils.is_uuid_like(bgpvpn_id):
            return []
        of, known = KINDS[kind], columns.association_columns(kind)
        visible = scoped(context, sa.select(of.table), of.table)
        missing = of.not_found(id=listing.marker, bgpvpn_id=bgpvpn_id)
        where, options = [of.table.bgpvpn_id == bgpvpn_id], [without_tags(of.table)]
        found = pages.rows(context, visible, listing, known, of.table, missing, where=where, options=options)
        return _values(context.session, kind, [row for (row,) in found])


@db_api.retry_if_session_inactive()
def get_any(context: Any, association_id: str) -> AnyAssociation:
    """Raises BGPVPNAssociationNotFound."""
    with db_api.CONTEXT_READER.using(context):
        table = _all_lines(context)
        found = context.session.execute(sa.select(table).where(table.c.id == association_id)).first()
        if found is None:
            raise exceptions.BGPVPNAssociationNotFound(id=association_id)
        return _line(found)


@db_api.retry_if_session_inactive()
def list_all(context: Any, listing: Listing) -> list[AnyAssociation]:
    """Associations of every kind and every BGPVPN."""
    with db_api.CONTEXT_READER.using(context):
        table = _all_lines(context)
        known = {
            "id": table.c.id,
            "project_id": table.c.project_id,
            "tenant_id": table.c.project_id,
            "bgpvpn_id": table.c.bgpvpn_id,
            "type": table.c.type,
            "resource_id": table.c.target,
        }
        missing = exceptions.BGPVPNAssociationNotFound(id=listing.marker)
        return [_line(row) for row in pages.rows(context, sa.select(table), listing, known, table, missing)]


def _line(row: Any) -> AnyAssociation:
    return AnyAssociation(
        row.id, AssociationKind(row.type), row.project_id, row.bgpvpn_id, row.bgpvpn_project_id, row.target
    )


def _all_lines(context: Any) -> Any:
    return sa.union_all(*(_lines(context, kind) for kind in KINDS)).subquery()


def _lines(context: Any, kind: AssociationKind) -> Any:
    of = KINDS[kind]
    query = sa.select(
        of.table.id,
        of.table.project_id,
        of.table.bgpvpn_id,
        models.Bgpvpn.project_id.label("bgpvpn_project_id"),
        sa.literal(kind.value).label("type"),
        of.target.label("target"),
    )
    return scoped(context, query.join(models.Bgpvpn, models.Bgpvpn.id == of.table.bgpvpn_id), of.table)


@db_api.retry_if_session_inactive()
def get_association(context: Any, kind: AssociationKind, bgpvpn_id: str, association_id: str) -> Association:
    with db_api.CONTEXT_READER.using(context):
        row = find_association(context, kind, bgpvpn_id, association_id)
        return _values(context.session, kind, [row])[0]


@db_api.retry_if_session_inactive()
def create_associations(
    context: Any,
    news: Sequence[NewAssociation],
    policy: Overlapping,
    at_once: int | None = None,
) -> tuple[list[Association], set[str]]:
    """All of one kind; all of them or none. What of their attachments the request may write itself is returned,
    `at_once` at most."""
    with _anew_when_something_went(), db_api.CONTEXT_WRITER.using(context):
        session = context.session
        conflicts.queue(session, news, policy)
        limits = {project: quotas.limits(context, project) for project in sorted({new.project_id for new in news})}
        for project, known in limits.items():
            own = [new for new in news if new.project_id == project]
            more = {quotas.ASSOCIATION: len(own), quotas.PORT_ROUTE: sum(len(new.routes) for new in own)}
            quotas.check(context, project, more, known)
        created = [_create(context, new) for new in news]
        made, touched = [value for value, _home in created], {home for _value, home in created}
        conflicts.check_overlaps(context, {m.bgpvpn for m in made}, {m.id for m in made}, policy)
        form = forms.in_force(session)
        numbered = forms.numbered(form)
        given = settling.renumber(session, touched, numbered)
        if numbered and news[0].kind is not AssociationKind.PORT:
            for project, known in limits.items():
                quotas.check_numbers(context, project, known)
        settling.check_sizes(session, touched, news[0].project_id, given, form)
        return made, dirty.beyond(session, touched, at_once)


@db_api.retry_if_session_inactive()
def update_association(
    context: Any,
    kind: AssociationKind,
    bgpvpn_id: str,
    association_id: str,
    change: AssociationChange,
    policy: Overlapping = Overlapping.WARN,
) -> tuple[Association, set[str]]:
    with _anew_when_something_went(), db_api.CONTEXT_WRITER.using(context):
        session = context.session
        if change.advertise_fixed_ips:
            conflicts.queue_for_overlaps(session, {bgpvpn_id}, policy)
        row = find_association(context, kind, bgpvpn_id, association_id)
        claims = change.advertise_fixed_ips and not row.advertise_fixed_ips
        for attribute in ("description", "advertise_extra_routes", "advertise_fixed_ips"):
            value = getattr(change, attribute)
            if value is not None:
                setattr(row, attribute, value)
        if change.routes is not None:
            grown = len(change.routes) - len(port_routes.read(session, [row.id])[row.id])
            quotas.check(context, row.project_id, {quotas.PORT_ROUTE: grown})
            port_routes.check(context, find_bgpvpn(context, row.bgpvpn_id), row.project_id, change.routes)
            port_routes.write(session, row.id, change.routes)
        revise(row)
        session.flush()
        if claims:
            conflicts.check_overlaps(context, {row.bgpvpn_id}, {row.id}, policy)
        touched = _homes(session, kind, getattr(row, f"{kind.value}_id"))
        session.expire(row)
        return _values(session, kind, [row])[0], touched


@db_api.retry_if_session_inactive()
def delete_association(context: Any, kind: AssociationKind, bgpvpn_id: str, association_id: str) -> set[str]:
    with _anew_when_something_went(), db_api.CONTEXT_WRITER.using(context):
        row = find_association(context, kind, bgpvpn_id, association_id)
        touched = _homes(context.session, kind, getattr(row, f"{kind.value}_id"))
        context.session.delete(row)
        context.session.flush()
        settling.renumber(context.session, touched, forms.numbered(forms.in_force(context.session)))
        return touched


def _anew_when_something_went() -> Any:
    """A BGPVPN, network, router or port that was there when the transaction began, and is not when a row refers to it:
    begun anew, the transaction finds it gone and says so."""
    return db_api.exc_to_retry(db_exc.DBReferenceError)


def forget(session: Any, kind: AssociationKind, target: str) -> None:
    """In the caller's transaction: what Neutron keeps of the associations of a network, router or port that goes (and
    by its key the associations)."""
    if kind is not AssociationKind.PORT:
        name = router_attachment(target) if kind is AssociationKind.ROUTER else network_attachment(target)
        numbers.release_attachment(session, name)
    of, standards = KINDS[kind], standard_attr.StandardAttribute
    gone: Any = sa.select(of.table.standard_attr_id).where(of.target == target)
    found = list(session.scalars(gone))
    if found:
        session.execute(sa.delete(standards).where(standards.id.in_(found)))


def _create(context: Any, new: NewAssociation) -> tuple[Association, str]:
    """It, and the attachment that it belongs to."""
    session, of = context.session, KINDS[new.kind]
    same = sa.exists().where(of.table.bgpvpn_id == models.Bgpvpn.id, of.target == new.target)
    bgpvpn = bgpvpn_line(context, new.bgpvpn, same.label("same"))
    _check_projects(context, bgpvpn, new)
    if new.kind is AssociationKind.ROUTER and bgpvpn.type != apidef.L3:
        raise exceptions.BGPVPNRouterAssociationNotSupported(bgpvpn_id=bgpvpn.id)
    if bgpvpn.same:
        raise _EXISTS[new.kind](**{f"{new.kind.value}_id": new.target, "bgpvpn_id": bgpvpn.id})
    home, flags = _checked(context, bgpvpn, new)
    made = Association(
        id=uuidutils.generate_uuid(),
        kind=new.kind,
        project_id=new.project_id,
        bgpvpn=bgpvpn.id,
        bgpvpn_project_id=bgpvpn.project_id,
        target=new.target,
        standard=making.new(new.description),
        routes=tuple(new.routes),
        **flags,
    )
    columns = {"id": made.id, "project_id": made.project_id, "bgpvpn_id": made.bgpvpn, of.target.key: made.target}
    making.insert(session, of.table, made.standard, **columns, **flags)
    if new.routes:
        port_routes.write(session, made.id, new.routes)
    return made, home


def _check_projects(context: Any, bgpvpn: Any, new: NewAssociation) -> None:
    """The association belongs to the project of what is associated, which owns the BGPVPN or has it shared with it."""
    usable = bgpvpn.project_id == new.project_id or lock_sharing(context.session, bgpvpn.id, new.project_id)
    if usable and new.owner == new.project_id:
        return
    if not context.is_admin:
        raise exceptions.BGPVPNOfAnotherProject(kind=new.kind.value, id=new.target)
    raise exceptions.BGPVPNProjectMismatch(bgpvpn=bgpvpn.project_id, resource=new.owner, association=new.project_id)


def _checked(context: Any, bgpvpn: Any, new: NewAssociation) -> tuple[str, dict[str, Any]]:
    """The attachment of what may be associated, and the flags of such an association. Raises what the API answers."""
    session = context.session
    match new.kind:
        case AssociationKind.NETWORK:
            return conflicts.check_network(session, new.target), {}
        case AssociationKind.ROUTER:
            conflicts.check_router(session, new.target)
            return router_attachment(new.target), {"advertise_extra_routes": new.advertise_extra_routes}
        case AssociationKind.PORT:
            network = conflicts.check_port(session, new.target)
            port_routes.check(context, bgpvpn, new.project_id, new.routes)
            return reading.homes(session, {network})[network], {"advertise_fixed_ips": new.advertise_fixed_ips}


def _homes(session: Any, kind: AssociationKind, target: str) -> set[str]:
    """The attachment that an association of this network, router or port belongs to."""
    if kind is AssociationKind.ROUTER:
        return {router_attachment(target)}
    if kind is AssociationKind.PORT:
        network = session.scalar(sa.select(models_v2.Port.network_id).where(models_v2.Port.id == target))
        return set(reading.homes(session, {network}).values()) if network else set()
    return set(reading.homes(session, {target}).values())


def _values(session: Any, kind: AssociationKind, rows: Sequence[Any]) -> list[Association]:
    """Values of the rows: two more statements, for their BGPVPNs and for the routes of all of them."""
    bgpvpn = models.Bgpvpn
    owners: Any = sa.select(bgpvpn.id, bgpvpn.project_id).where(bgpvpn.id.in_({r.bgpvpn_id for r in rows}))
    projects: dict[str, str] = dict(session.execute(owners).all())
    routes = port_routes.read(session, [r.id for r in rows]) if kind is AssociationKind.PORT else {}
    return [
        Association(
            id=row.id,
            kind=kind,
            project_id=row.project_id,
            bgpvpn=row.bgpvpn_id,
            bgpvpn_project_id=projects[row.bgpvpn_id],
            target=getattr(row, f"{kind.value}_id"),
            standard=standard(row),
            advertise_extra_routes=getattr(row, "advertise_extra_routes", None),
            advertise_fixed_ips=getattr(row, "advertise_fixed_ips", None),
            routes=routes.get(row.id, ()),
        )
        for row in rows
    ]
