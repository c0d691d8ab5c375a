"""Finding rows: who may see which, and what differs between the kinds of association.

Rule: functions here run in the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import utils as db_utils
from oslo_utils import uuidutils

from isthmus.model.intent import AssociationKind
from isthmus.neutron import exceptions, models
from isthmus.neutron.values import Standard


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
    """Only the caller's own rows, unless the caller may see all."""
    if db_utils.model_query_scope_is_project(context, table):
        return query.where(table.project_id == context.project_id)
    return query


def find_bgpvpn(context: Any, bgpvpn_id: str) -> Any:
    """The row, if the caller may know of it. Raises BGPVPNNotFound."""
    row = None
    if uuidutils.is_uuid_like(bgpvpn_id):
        query = scoped(context, sa.select(models.Bgpvpn), models.Bgpvpn)
        row = context.session.scalar(query.where(models.Bgpvpn.id == bgpvpn_id))
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


def revise(row: Any) -> None:
    """Something of the row's own has changed, in its columns or in rows of another table: its revision rises, and the
    caller's If-Match is looked at (Neutron does both when a changed row is flushed)."""
    sa.orm.attributes.flag_modified(row, "project_id")
