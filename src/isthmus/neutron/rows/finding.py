"""Finding rows: who may see which, and what differs between the kinds of association.

A project sees its own BGPVPNs and those shared with it; of associations its own, and those of others in BGPVPNs of its
own. Who may see all is Neutron's to say. Rule: functions here run in the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from neutron.db import rbac_db_models
from neutron_lib.db import utils as db_utils
from oslo_utils import uuidutils

from isthmus.model.intent import AssociationKind
from isthmus.neutron.rows import models
from isthmus.neutron.words import exceptions
from isthmus.neutron.words.values import Standard

EVERYBODY = "*"
"""The target of an RBAC policy that shares with every project."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between the kinds of association."""

    table: Any
    target: Any
    not_found: Any


KINDS = {
    AssociationKind.NETWORK: Kind(
        models.NetworkAssociation, models.NetworkAssociation.network_id, exceptions.BGPVPNNetAssocNotFound
    ),
    AssociationKind.ROUTER: Kind(
        models.RouterAssociation, models.RouterAssociation.router_id, exceptions.BGPVPNRouterAssocNotFound
    ),
    AssociationKind.PORT: Kind(
        models.PortAssociation, models.PortAssociation.port_id, exceptions.BGPVPNPortAssocNotFound
    ),
}


def scoped(context: Any, query: Any, table: Any) -> Any:
    """Only the rows that the caller may know of; `table` is that of BGPVPNs or of a kind of association."""
    if not db_utils.model_query_scope_is_project(context, table):
        return query
    if table is models.Bgpvpn:
        others = table.id.in_(_policies(models.BgpvpnRbac.object_id, context.project_id))
    else:
        own: Any = sa.select(models.Bgpvpn.id).where(models.Bgpvpn.project_id == context.project_id)
        others = table.bgpvpn_id.in_(own)
    return query.where(sa.or_(table.project_id == context.project_id, others))


def shared(context: Any) -> Any:
    """Whether a BGPVPN is shared with the caller's project, as an expression beside the BGPVPN's row."""
    found = _policies(models.BgpvpnRbac.id, context.project_id).where(models.BgpvpnRbac.object_id == models.Bgpvpn.id)
    return sa.case((found.exists(), 1), else_=0)


def lock_sharing(session: Any, bgpvpn_id: str, project_id: str) -> bool:
    """Whether the BGPVPN is shared with the project. The policies that say so stay until the transaction ends."""
    query = _policies(models.BgpvpnRbac.id, project_id).where(models.BgpvpnRbac.object_id == bgpvpn_id)
    return bool(session.scalars(query.with_for_update(read=True)).all())


def _policies(column: Any, project_id: str) -> Any:
    table = models.BgpvpnRbac
    return sa.select(column).where(
        table.action == rbac_db_models.ACCESS_SHARED, table.target_project.in_([project_id or "", EVERYBODY])
    )


def find_bgpvpn(context: Any, bgpvpn_id: str) -> Any:
    """The row, if the caller may know of it. Raises BGPVPNNotFound."""
    row = None
    if uuidutils.is_uuid_like(bgpvpn_id):
        query = scoped(context, sa.select(models.Bgpvpn), models.Bgpvpn)
        row = context.session.scalar(query.where(models.Bgpvpn.id == bgpvpn_id))
    if row is None:
        raise exceptions.BGPVPNNotFound(id=bgpvpn_id)
    return row


def bgpvpn_line(context: Any, bgpvpn_id: str, *more: Any) -> Any:
    """Its id, project_id and type, and `more` beside them, if the caller may know of it: one statement, no object.
    Raises BGPVPNNotFound."""
    row, table = None, models.Bgpvpn
    if uuidutils.is_uuid_like(bgpvpn_id):
        query = scoped(context, sa.select(table.id, table.project_id, table.type, *more), table)
        row = context.session.execute(query.where(table.id == bgpvpn_id)).first()
    if row is None:
        raise exceptions.BGPVPNNotFound(id=bgpvpn_id)
    return row


def find_association(context: Any, kind: AssociationKind, bgpvpn_id: str, association_id: str) -> Any:
    """The row, if the caller may know of it. Raises the kind's not found."""
    of, row = KINDS[kind], None
    if uuidutils.is_uuid_like(bgpvpn_id) and uuidutils.is_uuid_like(association_id):
        query = scoped(context, sa.select(of.table), of.table)
        row = context.session.scalar(query.where(of.table.id == association_id, of.table.bgpvpn_id == bgpvpn_id))
    if row is None:
        raise of.not_found(id=association_id, bgpvpn_id=bgpvpn_id)
    return row


def standard(row: Any) -> Standard:
    return Standard(row.description or "", row.revision_number or 0, row.created_at, row.updated_at or row.created_at)


def without_tags(table: Any) -> Any:
    """How a list of rows is loaded: Neutron's models would read its tags, 500 rows a statement."""
    return sa.orm.defaultload(table.standard_attr).lazyload("*")


def revise(row: Any) -> None:
    """Something of the row's own has changed, in its columns or in rows of another table: its revision rises, and the
    caller's If-Match is looked at (Neutron does both when a changed row is flushed)."""
    sa.orm.attributes.flag_modified(row, "project_id")
