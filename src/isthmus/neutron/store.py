"""The rows of ours: each function owns its transaction (tried again on a deadlock or a lost race) and returns values.

What the API hands in is checked for form already; what needs the database (who exists, who conflicts, what is taken)
is checked here, in the transaction that writes. Functions that change what OVN must know also return the names of the
attachments concerned. Conflicts are looked up by locking reads: of two requests at once, one waits and sees the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api
from neutron_lib.db import standard_attr
from neutron_lib.db import utils as db_utils
from oslo_utils import uuidutils

from isthmus.model.intent import AssociationKind
from isthmus.neutron import apidef, exceptions, models, numbers, reading, settling
from isthmus.neutron.conf import Settings
from isthmus.neutron.desired import router_attachment
from isthmus.neutron.paging import Listing, order, page


@dataclass(frozen=True, slots=True)
class Bgpvpn:
    """A BGPVPN as the API shows it; `lists` by attribute name."""

    id: str
    project_id: str
    name: str
    type: str
    lists: Mapping[str, Sequence[str]]
    vni: int | None
    networks: Sequence[str]
    routers: Sequence[str]
    description: str
    revision_number: int
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Association:
    """A network or router association; `target` is the network's or router's id."""

    id: str
    project_id: str
    bgpvpn: str
    target: str
    advertise_extra_routes: bool | None = None
    """Of a router association."""


@dataclass(frozen=True, slots=True)
class NewBgpvpn:
    project_id: str
    name: str
    type: str
    lists: Mapping[str, Sequence[str]]
    vni: int | None
    description: str


@dataclass(frozen=True, slots=True)
class NewAssociation:
    """`owner` is the project of the network or router, as Neutron says it."""

    kind: AssociationKind
    bgpvpn: str
    project_id: str
    target: str
    owner: str
    advertise_extra_routes: bool = True


@dataclass(frozen=True, slots=True)
class _Kind:
    """What differs between the kinds of association."""

    table: Any
    target: Any
    not_found: Any


_KINDS = {
    AssociationKind.NETWORK: _Kind(
        models.NetworkAssociation, models.NetworkAssociation.network_id, exceptions.BGPVPNNetAssocNotFound
    ),
    AssociationKind.ROUTER: _Kind(
        models.RouterAssociation, models.RouterAssociation.router_id, exceptions.BGPVPNRouterAssocNotFound
    ),
}


# ------------------------------------------------------------------------------------------------ BGPVPNs


@db_api.retry_if_session_inactive()
def list_bgpvpns(context: Any, listing: Listing) -> list[Bgpvpn]:
    with db_api.CONTEXT_READER.using(context):
        columns = _bgpvpn_columns()
        query = _scoped(context, sa.select(models.Bgpvpn), models.Bgpvpn)
        query = _matching(query, listing.filters, columns)
        keys = order(listing, columns)
        marker = _marker(context, listing, keys, models.Bgpvpn, exceptions.BGPVPNNotFound(id=listing.marker))
        rows = list(context.session.scalars(page(query, listing, keys, marker)))
        if listing.reverse:
            rows.reverse()
        return _bgpvpns(context.session, rows)


@db_api.retry_if_session_inactive()
def get_bgpvpn(context: Any, bgpvpn_id: str) -> Bgpvpn:
    with db_api.CONTEXT_READER.using(context):
        return _bgpvpns(context.session, [_bgpvpn(context, bgpvpn_id)])[0]


@db_api.retry_if_session_inactive()
def create_bgpvpns(context: Any, news: Sequence[NewBgpvpn], settings: Settings) -> list[Bgpvpn]:
    """All of them or none."""
    with db_api.CONTEXT_WRITER.using(context):
        session, rows = context.session, []
        for new in news:
            row = models.Bgpvpn(
                id=uuidutils.generate_uuid(),
                project_id=new.project_id,
                name=new.name,
                type=new.type,
                description=new.description,
            )
            session.add(row)
            session.flush()
            _set_targets(session, row.id, new.lists)
            numbers.claim_vni(session, row.id, new.vni, settings.vni_min, settings.vni_max)
            rows.append(row)
        return _bgpvpns(session, rows)


@db_api.retry_if_session_inactive()
def update_bgpvpn(
    context: Any, bgpvpn_id: str, texts: Mapping[str, str], lists: Mapping[str, Sequence[str]]
) -> tuple[Bgpvpn, set[str]]:
    """Change name and description, and the lists that are named; the others stay."""
    with db_api.CONTEXT_WRITER.using(context):
        session = context.session
        row = _bgpvpn(context, bgpvpn_id)
        for attribute, text in texts.items():
            setattr(row, attribute, text)
        # The targets are rows of another table: the BGPVPN's revision must rise with them.
        sa.orm.attributes.flag_modified(row, "name")
        _set_targets(session, bgpvpn_id, lists)
        session.flush()
        touched = _attachments_of(session, bgpvpn_id)
        settling.check_sizes(session, touched)
        session.expire(row)
        return _bgpvpns(session, [row])[0], touched


@db_api.retry_if_session_inactive()
def delete_bgpvpn(context: Any, bgpvpn_id: str) -> set[str]:
    """Its associations and numbers go with it."""
    with db_api.CONTEXT_WRITER.using(context):
        row = _bgpvpn(context, bgpvpn_id)
        touched = _attachments_of(context.session, bgpvpn_id)
        context.session.delete(row)
        return touched


def _attachments_of(session: Any, bgpvpn_id: str) -> set[str]:
    query: Any = sa.select(models.Number.attachment_id).where(models.Number.bgpvpn_id == bgpvpn_id)
    return set(session.scalars(query))


def _set_targets(session: Any, bgpvpn_id: str, lists: Mapping[str, Sequence[str]]) -> None:
    table = models.Target
    if lists:
        session.execute(sa.delete(table).where(table.bgpvpn_id == bgpvpn_id, table.kind.in_(lists)))
    rows = [
        {"bgpvpn_id": bgpvpn_id, "kind": kind, "value": value, "position": position}
        for kind, values in lists.items()
        for position, value in enumerate(values)
    ]
    if rows:
        session.execute(sa.insert(table), rows)


def _bgpvpn(context: Any, bgpvpn_id: str) -> Any:
    """The row, if the caller may know of it. Raises BGPVPNNotFound."""
    row = None
    if uuidutils.is_uuid_like(bgpvpn_id):
        query = _scoped(context, sa.select(models.Bgpvpn), models.Bgpvpn)
        row = context.session.scalar(query.where(models.Bgpvpn.id == bgpvpn_id))
    if row is None:
        raise exceptions.BGPVPNNotFound(id=bgpvpn_id)
    return row


def _bgpvpns(session: Any, rows: Sequence[Any]) -> list[Bgpvpn]:
    """Values of the rows: one more statement for each kind of thing that belongs to them, however many they are."""
    ids = [row.id for row in rows]
    lists = reading.targets(session, ids)
    vnis = _explicit_vnis(session, ids)
    networks = _associated(session, _KINDS[AssociationKind.NETWORK], ids)
    routers = _associated(session, _KINDS[AssociationKind.ROUTER], ids)
    return [
        Bgpvpn(
            id=row.id,
            project_id=row.project_id,
            name=row.name,
            type=row.type,
            lists=lists[row.id],
            vni=vnis.get(row.id),
            networks=networks[row.id],
            routers=routers[row.id],
            description=row.description or "",
            revision_number=row.revision_number or 0,
            created_at=row.created_at,
            updated_at=row.updated_at or row.created_at,
        )
        for row in rows
    ]


def _explicit_vnis(session: Any, ids: Sequence[str]) -> dict[str, int]:
    table = models.Vni
    query: Any = sa.select(table.bgpvpn_id, table.vni).where(table.bgpvpn_id.in_(ids), table.explicit)
    return dict(session.execute(query).all())


def _associated(session: Any, kind: _Kind, ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {i: [] for i in ids}
    query: Any = sa.select(kind.table.bgpvpn_id, kind.target).where(kind.table.bgpvpn_id.in_(ids))
    for bgpvpn, target in session.execute(query.order_by(kind.target)):
        found[bgpvpn].append(target)
    return found


# ------------------------------------------------------------------------------------------------ associations


@db_api.retry_if_session_inactive()
def list_associations(context: Any, kind: AssociationKind, bgpvpn_id: str, listing: Listing) -> list[Association]:
    """Nothing for a BGPVPN that the caller does not know: so the API has always answered."""
    with db_api.CONTEXT_READER.using(context):
        if not uuidutils.is_uuid_like(bgpvpn_id):
            return []
        of = _KINDS[kind]
        columns = _association_columns(kind)
        query = _scoped(context, sa.select(of.table), of.table).where(of.table.bgpvpn_id == bgpvpn_id)
        query = _matching(query, listing.filters, columns)
        keys = order(listing, columns)
        missing = of.not_found(id=listing.marker, bgpvpn_id=bgpvpn_id)
        rows = list(
            context.session.scalars(page(query, listing, keys, _marker(context, listing, keys, of.table, missing)))
        )
        if listing.reverse:
            rows.reverse()
        return [_association(kind, row) for row in rows]


@db_api.retry_if_session_inactive()
def get_association(context: Any, kind: AssociationKind, bgpvpn_id: str, association_id: str) -> Association:
    with db_api.CONTEXT_READER.using(context):
        return _association(kind, _association_row(context, kind, bgpvpn_id, association_id))


@db_api.retry_if_session_inactive()
def create_associations(context: Any, news: Sequence[NewAssociation]) -> tuple[list[Association], set[str]]:
    """All of them or none."""
    with db_api.CONTEXT_WRITER.using(context):
        made, touched = [], set()
        for new in news:
            row = _create_association(context, new)
            made.append(_association(new.kind, row))
            touched |= _homes(context.session, new.kind, new.target)
        for attachment in touched:
            settling.renumber(context.session, attachment)
        settling.check_sizes(context.session, touched)
        return made, touched


@db_api.retry_if_session_inactive()
def update_router_association(
    context: Any, bgpvpn_id: str, association_id: str, advertise_extra_routes: bool | None
) -> Association:
    """None leaves it as it is. No agent reads the flag yet, so no attachment is touched."""
    with db_api.CONTEXT_WRITER.using(context):
        row = _association_row(context, AssociationKind.ROUTER, bgpvpn_id, association_id)
        if advertise_extra_routes is not None:
            row.advertise_extra_routes = advertise_extra_routes
        context.session.flush()
        return _association(AssociationKind.ROUTER, row)


@db_api.retry_if_session_inactive()
def delete_association(context: Any, kind: AssociationKind, bgpvpn_id: str, association_id: str) -> set[str]:
    with db_api.CONTEXT_WRITER.using(context):
        row = _association_row(context, kind, bgpvpn_id, association_id)
        touched = _homes(context.session, kind, _association(kind, row).target)
        context.session.delete(row)
        context.session.flush()
        for attachment in touched:
            settling.renumber(context.session, attachment)
        return touched


def _create_association(context: Any, new: NewAssociation) -> Any:
    session, of = context.session, _KINDS[new.kind]
    bgpvpn = _bgpvpn(context, new.bgpvpn)
    if len({bgpvpn.project_id, new.owner, new.project_id}) != 1:
        raise exceptions.BGPVPNProjectMismatch(bgpvpn=bgpvpn.project_id, resource=new.owner, association=new.project_id)
    same = sa.select(of.table.id).where(of.table.bgpvpn_id == bgpvpn.id, of.target == new.target)
    if new.kind is AssociationKind.NETWORK:
        if session.scalar(same) is not None:
            raise exceptions.BGPVPNNetAssocAlreadyExists(network_id=new.target, bgpvpn_id=bgpvpn.id)
        _check_network(session, new.target)
        row = models.NetworkAssociation(network_id=new.target)
    else:
        if bgpvpn.type != apidef.L3:
            raise exceptions.BGPVPNRouterAssociationNotSupported(bgpvpn_id=bgpvpn.id)
        if session.scalar(same) is not None:
            raise exceptions.BGPVPNRouterAssocAlreadyExists(router_id=new.target, bgpvpn_id=bgpvpn.id)
        _check_router(session, new.target)
        row = models.RouterAssociation(router_id=new.target, advertise_extra_routes=new.advertise_extra_routes)
    row.id = uuidutils.generate_uuid()
    row.project_id, row.bgpvpn_id = new.project_id, bgpvpn.id
    session.add(row)
    session.flush()
    return row


def _check_network(session: Any, network: str) -> None:
    for refused, reason in reading.centralised(session, {network}).items():
        raise exceptions.BGPVPNNetworkNotSupported(network_id=refused, reason=reason)
    routers = {p.router for p in reading.places(session, networks={network})}
    for router in _associated_routers(session, routers):
        raise exceptions.BGPVPNNetworkRouterConflict(network_id=network, router_id=router, other="router")


def _check_router(session: Any, router: str) -> None:
    networks = {p.network for p in reading.places(session, routers={router})}
    for refused, reason in reading.centralised(session, networks).items():
        raise exceptions.BGPVPNNetworkNotSupported(network_id=refused, reason=reason)
    for network in _associated_networks(session, networks):
        raise exceptions.BGPVPNNetworkRouterConflict(network_id=network, router_id=router, other="network")


def _associated_routers(session: Any, routers: set[str]) -> list[str]:
    column: Any = models.RouterAssociation.router_id
    return sorted(session.scalars(sa.select(column).where(column.in_(routers)).with_for_update(read=True)))


def _associated_networks(session: Any, networks: set[str]) -> list[str]:
    column: Any = models.NetworkAssociation.network_id
    return sorted(session.scalars(sa.select(column).where(column.in_(networks)).with_for_update(read=True)))


@db_api.retry_if_session_inactive()
def check_interface(context: Any, router: str, network: str) -> None:
    """Before Neutron attaches the router to the network. Raises what the API answers when that must not be."""
    with db_api.CONTEXT_READER.using(context):
        session = context.session
        if not session.scalar(
            sa.select(models.RouterAssociation.id).where(models.RouterAssociation.router_id == router)
        ):
            return
        for refused, reason in reading.centralised(session, {network}).items():
            raise exceptions.BGPVPNNetworkNotSupported(network_id=refused, reason=reason)
        table = models.NetworkAssociation
        if session.scalar(sa.select(table.id).where(table.network_id == network).limit(1)):
            raise exceptions.BGPVPNNetworkRouterConflict(
                network_id=network, router_id=router, other="router and the network"
            )


def _homes(session: Any, kind: AssociationKind, target: str) -> set[str]:
    """The attachment that an association of this network or router belongs to."""
    if kind is AssociationKind.ROUTER:
        return {router_attachment(target)}
    return set(reading.homes(session, {target}).values())


def _association_row(context: Any, kind: AssociationKind, bgpvpn_id: str, association_id: str) -> Any:
    of, row = _KINDS[kind], None
    if uuidutils.is_uuid_like(bgpvpn_id) and uuidutils.is_uuid_like(association_id):
        query = _scoped(context, sa.select(of.table), of.table)
        row = context.session.scalar(query.where(of.table.id == association_id, of.table.bgpvpn_id == bgpvpn_id))
    if row is None:
        raise of.not_found(id=association_id, bgpvpn_id=bgpvpn_id)
    return row


def _association(kind: AssociationKind, row: Any) -> Association:
    if kind is AssociationKind.NETWORK:
        return Association(row.id, row.project_id, row.bgpvpn_id, row.network_id)
    return Association(row.id, row.project_id, row.bgpvpn_id, row.router_id, row.advertise_extra_routes)


# ------------------------------------------------------------------------------------------------ lists


def _scoped(context: Any, query: Any, table: Any) -> Any:
    """Only the caller's own rows, unless the caller may see all."""
    if db_utils.model_query_scope_is_project(context, table):
        return query.where(table.project_id == context.project_id)
    return query


def _bgpvpn_columns() -> dict[str, Any]:
    """What can be compared and sorted, by attribute name."""
    row, standard = models.Bgpvpn, standard_attr.StandardAttribute
    vni = (
        sa.select(sa.func.coalesce(models.Vni.vni, 0))
        .where(models.Vni.bgpvpn_id == row.id, models.Vni.explicit)
        .scalar_subquery()
    )

    def of_standard(column: Any) -> Any:
        return sa.select(column).where(standard.id == row.standard_attr_id).scalar_subquery()

    return {
        "id": row.id,
        "name": row.name,
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "type": row.type,
        "vni": sa.func.coalesce(vni, 0),
        "description": sa.func.coalesce(of_standard(standard.description), ""),
        "revision_number": of_standard(standard.revision_number),
        "created_at": of_standard(standard.created_at),
        "updated_at": of_standard(standard.updated_at),
    }


def _association_columns(kind: AssociationKind) -> dict[str, Any]:
    of = _KINDS[kind]
    columns = {
        "id": of.table.id,
        "project_id": of.table.project_id,
        "tenant_id": of.table.project_id,
        f"{kind.value}_id": of.target,
    }
    if kind is AssociationKind.ROUTER:
        columns["advertise_extra_routes"] = models.RouterAssociation.advertise_extra_routes
    return columns


def _matching(query: Any, filters: Mapping[str, Sequence[Any]], columns: Mapping[str, Any]) -> Any:
    """Each filter is met when one of its values is; those of lists when the list has one of the values."""
    for attribute, values in filters.items():
        plain = [v for v in values if not isinstance(v, str) or apidef.text_rule(v) is None]
        if attribute in columns:
            query = query.where(columns[attribute].in_(plain))
        elif attribute in apidef.TARGET_LISTS:
            table = models.Target
            holders: Any = sa.select(table.bgpvpn_id).where(table.kind == attribute, table.value.in_(plain))
            query = query.where(models.Bgpvpn.id.in_(holders))
        elif attribute in ("networks", "routers"):
            of = _KINDS[AssociationKind(attribute.removesuffix("s"))]
            query = query.where(models.Bgpvpn.id.in_(sa.select(of.table.bgpvpn_id).where(of.target.in_(plain))))
    return query


def _marker(context: Any, listing: Listing, keys: Sequence[tuple[Any, bool]], table: Any, missing: Exception) -> Any:
    """The sort values of the row behind which the page starts."""
    if not listing.marker:
        return None
    found = None
    if uuidutils.is_uuid_like(listing.marker):
        query = _scoped(context, sa.select(*(column for column, _ascending in keys)).select_from(table), table)
        found = context.session.execute(query.where(table.id == listing.marker)).first()
    if found is None:
        raise missing
    return tuple(found)
