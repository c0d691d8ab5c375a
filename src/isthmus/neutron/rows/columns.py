"""What of a BGPVPN or an association can be compared and sorted, as SQL, by the API's names.

A list attribute matches when it has one of the values asked for, and sorts by its smallest member. Rule: builds
statements only; no session, no rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db.models import tag
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.db import standard_attr
from oslo_utils import timeutils

from isthmus.model.intent import AssociationKind
from isthmus.neutron.rows import models
from isthmus.neutron.rows.finding import KINDS, scoped, shared
from isthmus.neutron.words import apidef

_STANDARD = standard_attr.StandardAttribute
TAG_FILTERS = ("tags", "tags-any", "not-tags", "not-tags-any")
CHANGED_SINCE = "changed_since"
_LONG_AGO = sa.cast(sa.literal("1970-01-01"), sa.DateTime)
"""Of rows without a time (imported ones, repaired ones): null has no place in an order."""


def bgpvpn_columns(context: Any) -> dict[str, Any]:
    """`context` says whose resources the lists are compared by, and with whom a BGPVPN is shared."""
    row = models.Bgpvpn
    vni = sa.select(models.Vni.vni).where(models.Vni.bgpvpn_id == row.id, models.Vni.explicit).scalar_subquery()
    return {
        "id": row.id,
        "name": row.name,
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "type": row.type,
        "vni": sa.func.coalesce(vni, 0),
        "local_pref": sa.func.coalesce(row.local_pref, -1),
        "fallback": sa.func.coalesce(row.fallback, ""),
        "families": sa.func.coalesce(row.families, ""),
        "shared": shared(context),
        **_standard_columns(row),
        **{kind: _least(_target_values(kind)) for kind in apidef.TARGET_LISTS},
        **{members: _least(_member_ids(context, kind)) for members, kind in apidef.MEMBER_LISTS.items()},
    }


def association_columns(kind: AssociationKind) -> dict[str, Any]:
    of = KINDS[kind]
    columns = {
        "id": of.table.id,
        "project_id": of.table.project_id,
        "tenant_id": of.table.project_id,
        f"{kind.value}_id": of.target,
        **_standard_columns(of.table),
    }
    if kind is AssociationKind.ROUTER:
        columns["advertise_extra_routes"] = _flag(models.RouterAssociation.advertise_extra_routes)
    if kind is AssociationKind.PORT:
        columns["advertise_fixed_ips"] = _flag(models.PortAssociation.advertise_fixed_ips)
    return columns


def _flag(column: Any) -> Any:
    """As a number: a page starts behind a value, and what is behind True no database says."""
    return sa.cast(column, sa.Integer)


def _standard_columns(row: Any) -> dict[str, Any]:
    def of(column: Any) -> Any:
        return sa.select(column).where(_STANDARD.id == row.standard_attr_id).scalar_subquery()

    return {
        "description": sa.func.coalesce(of(_STANDARD.description), ""),
        "revision_number": of(_STANDARD.revision_number),
        "created_at": sa.func.coalesce(of(_STANDARD.created_at), _LONG_AGO),
        "updated_at": sa.func.coalesce(of(_STANDARD.updated_at), of(_STANDARD.created_at), _LONG_AGO),
    }


def _target_values(kind: str) -> Any:
    table = models.Target
    return sa.select(table.value).where(table.bgpvpn_id == models.Bgpvpn.id, table.kind == kind)


def _member_ids(context: Any, kind: str) -> Any:
    of = KINDS[AssociationKind(kind)]
    return scoped(context, sa.select(of.target), of.table).where(of.table.bgpvpn_id == models.Bgpvpn.id)


def _least(values: Any) -> Any:
    [column] = values.selected_columns
    return sa.func.coalesce(values.with_only_columns(sa.func.min(column)).scalar_subquery(), "")


def matching(
    context: Any, query: Any, filters: Mapping[str, Sequence[Any]], columns: Mapping[str, Any], table: Any
) -> Any:
    """Each filter is met when one of its values is; those of lists when the list has one of the values.

    What is no attribute of the resource is no filter: a Neutron that does not validate filters lets it through.
    """
    for attribute, values in filters.items():
        if not _is_filter(attribute, columns, table):
            continue
        # What the database cannot hold it does not have either, and asking for it would be an error there.
        plain = [v for v in values if not isinstance(v, str) or apidef.text_rule(v) is None]
        if attribute == "vni":
            plain = [v for v in plain if v != apidef.AUTO]  # no number, and MariaDB would take it for zero
        if attribute in apidef.TARGET_LISTS:
            rows = models.Target
            holders: Any = sa.select(rows.bgpvpn_id).where(rows.kind == attribute, rows.value.in_(plain))
            query = query.where(models.Bgpvpn.id.in_(holders))
        elif attribute in apidef.MEMBER_LISTS:
            of = KINDS[AssociationKind(apidef.MEMBER_LISTS[attribute])]
            holders = scoped(context, sa.select(of.table.bgpvpn_id), of.table).where(of.target.in_(plain))
            query = query.where(models.Bgpvpn.id.in_(holders))
        elif attribute == "families":
            query = query.where(sa.or_(sa.false(), *(_among(columns[attribute], str(v)) for v in plain)))
        elif attribute in TAG_FILTERS:
            query = query.where(_tagged(attribute, values, table))
        elif attribute == CHANGED_SINCE:
            query = query.where(columns["updated_at"] >= _moment(plain))
        elif attribute in ("created_at", "updated_at"):
            query = query.where(columns[attribute].in_([_moment([v]) for v in plain]))
        else:
            query = query.where(columns[attribute].in_(plain))
    return query


def _among(column: Any, word: str) -> Any:
    """Whether it is one of the column's, which are separated by blanks."""
    return (" " + column + " ").contains(f" {word} ", autoescape=True)


def _is_filter(attribute: str, columns: Mapping[str, Any], table: Any) -> bool:
    if attribute in TAG_FILTERS:
        return hasattr(table, "standard_attr_id")
    return ("updated_at" if attribute == CHANGED_SINCE else attribute) in columns


def _tagged(attribute: str, values: Sequence[str], table: Any) -> Any:
    """Neutron's four ways to ask for tags; several may stand in one value, separated by commas."""
    words = sorted({word for value in values for word in value.split(",")})
    tags = {word: sa.select(tag.Tag.standard_attr_id).where(tag.Tag.tag == word) for word in words}
    # What the database cannot hold nobody has as a tag.
    has = [sa.false() if apidef.text_rule(w) else table.standard_attr_id.in_(tags[w]) for w in words]
    found = sa.or_(*has) if attribute.endswith("-any") else sa.and_(*has)
    return sa.not_(found) if attribute.startswith("not-") else found


def _moment(values: Sequence[Any]) -> Any:
    try:
        return timeutils.normalize_time(timeutils.parse_isotime(values[0]))
    except (ValueError, IndexError, OverflowError):
        raise neutron_exceptions.InvalidInput(
            error_message=f"{CHANGED_SINCE}: {list(values)} is not a time like 2026-01-31T12:00:00Z"
        ) from None
