"""BGPVPNs: read, made, changed, deleted, each in a transaction of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from neutron.db.models import tag
from neutron_lib.db import api as db_api
from neutron_lib.db import standard_attr
from oslo_utils import uuidutils

from isthmus.model.intent import AssociationKind
from isthmus.neutron.attachments import reading, settling
from isthmus.neutron.rows import columns, dirty, making, models, numbers, pages, quotas, targets
from isthmus.neutron.rows.finding import KINDS, find_bgpvpn, revise, scoped, shared, standard, without_tags
from isthmus.neutron.rows.paging import Listing
from isthmus.neutron.rows.targets import Choice
from isthmus.neutron.words import apidef, exceptions
from isthmus.neutron.words.values import Bgpvpn, NewBgpvpn


@db_api.retry_if_session_inactive()
def list_bgpvpns(context: Any, listing: Listing) -> list[Bgpvpn]:
    with db_api.CONTEXT_READER.using(context):
        table, known = models.Bgpvpn, columns.bgpvpn_columns(context)
        visible = scoped(context, sa.select(table), table)
        missing = exceptions.BGPVPNNotFound(id=listing.marker)
        found = pages.rows(context, visible, listing, known, table, missing, options=[without_tags(table)])
        return _values(context, [row for (row,) in found])


@db_api.retry_if_session_inactive()
def get_bgpvpn(context: Any, bgpvpn_id: str) -> Bgpvpn:
    with db_api.CONTEXT_READER.using(context):
        return _values(context, [find_bgpvpn(context, bgpvpn_id)])[0]


@db_api.retry_if_session_inactive()
def create_bgpvpns(context: Any, news: Sequence[NewBgpvpn], choice: Choice) -> list[Bgpvpn]:
    """All of them or none."""
    with db_api.CONTEXT_WRITER.using(context):
        for project, count in sorted(Counter(new.project_id for new in news).items()):
            quotas.check(context, project, {apidef.BGPVPN: count})
        return [_create(context, new, choice) for new in news]


def _create(context: Any, new: NewBgpvpn, choice: Choice) -> Bgpvpn:
    """What is there of a new one is known, so nothing is read again."""
    session, settings = context.session, choice.settings
    made = Bgpvpn(
        id=uuidutils.generate_uuid(),
        project_id=new.project_id,
        name=new.name,
        type=new.type,
        lists={},
        vni=None,
        local_pref=new.local_pref,
        members={name: [] for name in apidef.MEMBER_LISTS},
        tags=[],
        standard=making.new(new.description),
        shared=False,
        fallback=new.fallback,
        families=new.families,
    )
    columns = {"id": made.id, "project_id": made.project_id, "name": made.name, "type": made.type}
    choices = {"local_pref": made.local_pref, "fallback": made.fallback, "families": _stored(made.families)}
    making.insert(session, models.Bgpvpn, made.standard, **choices, **columns)
    lists = targets.write(context, made, {}, new.lists, choice)
    targets.check_vni(made.project_id, new.vni, choice)
    low, high = settings.vni_min, settings.vni_max
    vni = numbers.claim_vni(session, made.id, new.vni, low, high, new.vni_auto, settings.number_rest_s)
    if new.vni is None and not choice.any_number:
        quotas.check_pool(context, made.project_id, quotas.VNI, settings)
    return replace(made, lists=lists, vni=vni)


@db_api.retry_if_session_inactive()
def update_bgpvpn(
    context: Any,
    bgpvpn_id: str,
    plain: Mapping[str, Any],
    lists: Mapping[str, Sequence[str]],
    choice: Choice,
    at_once: int | None = None,
) -> tuple[Bgpvpn, set[str]]:
    """Change the columns and the lists that are named; the others stay. What of its attachments the request may write
    itself is returned, `at_once` at most."""
    with db_api.CONTEXT_WRITER.using(context):
        session = context.session
        if lists:
            _lock(session, bgpvpn_id)
        row = find_bgpvpn(context, bgpvpn_id)
        for attribute, value in plain.items():
            setattr(row, attribute, _stored(value) if attribute == "families" else value)
        revise(row)
        if lists:
            targets.write(context, row, reading.targets(session, [row.id])[row.id], lists, choice)
        session.flush()
        touched = set()
        if lists or plain.keys() & {"local_pref", "families"}:
            touched = settling.concerned(session, row.id)
            settling.check_sizes(session, touched, row.project_id)
        if "fallback" in plain:  # it stands in the rows of its attachments
            touched |= reading.behind(session, row.id)
        written = dirty.beyond(session, touched, at_once)
        session.expire(row)
        return _values(context, [row])[0], written


@db_api.retry_if_session_inactive()
def delete_bgpvpn(context: Any, bgpvpn_id: str, at_once: int | None = None) -> set[str]:
    """Its associations and numbers go with it."""
    with db_api.CONTEXT_WRITER.using(context):
        session = context.session
        _lock(session, bgpvpn_id)
        row = find_bgpvpn(context, bgpvpn_id)
        numbers.release_bgpvpn(session, row.id, row.project_id)
        touched = reading.behind(session, row.id)
        standards = standard_attr.StandardAttribute
        for of in KINDS.values():
            gone: Any = sa.select(of.table.standard_attr_id).where(of.table.bgpvpn_id == row.id)
            # The key of an association's attributes cascades to the association; the other way round it does not.
            session.execute(sa.delete(standards).where(standards.id.in_(gone)))
        session.delete(row)
        session.flush()  # here, where Neutron still knows whose transaction it is: the caller's If-Match is looked at
        return dirty.beyond(session, touched, at_once)


def _stored(families: Sequence[str] | None) -> str | None:
    return None if families is None else " ".join(families)


def _lock(session: Any, bgpvpn_id: str) -> None:
    """First of all: what is read of the BGPVPN afterwards is what those before have left."""
    if uuidutils.is_uuid_like(bgpvpn_id):
        session.execute(sa.select(models.Bgpvpn.id).where(models.Bgpvpn.id == bgpvpn_id).with_for_update())


def _values(context: Any, rows: Sequence[Any]) -> list[Bgpvpn]:
    """Values of the rows: one more statement for each kind of thing that belongs to them, however many they are."""
    session, ids = context.session, [row.id for row in rows]
    lists = reading.targets(session, ids)
    vnis = _explicit_vnis(session, ids)
    members = {name: _members(context, AssociationKind(kind), ids) for name, kind in apidef.MEMBER_LISTS.items()}
    sharing = _shared(context, ids)
    tags = _tags(session, [row.standard_attr_id for row in rows])
    return [
        Bgpvpn(
            id=row.id,
            project_id=row.project_id,
            name=row.name,
            type=row.type,
            lists=lists[row.id],
            vni=vnis.get(row.id),
            local_pref=row.local_pref,
            members={name: of[row.id] for name, of in members.items()},
            tags=tags.get(row.standard_attr_id, []),
            standard=standard(row),
            shared=row.id in sharing,
            fallback=row.fallback,
            families=reading.families(row.families),
        )
        for row in rows
    ]


def _explicit_vnis(session: Any, ids: Sequence[str]) -> dict[str, int]:
    table = models.Vni
    query: Any = sa.select(table.bgpvpn_id, table.vni).where(table.bgpvpn_id.in_(ids), table.explicit)
    return dict(session.execute(query).all())


def _shared(context: Any, ids: Sequence[str]) -> set[str]:
    query: Any = sa.select(models.Bgpvpn.id).where(models.Bgpvpn.id.in_(ids), shared(context) == 1)
    return set(context.session.scalars(query))


def _members(context: Any, kind: AssociationKind, ids: Sequence[str]) -> dict[str, list[str]]:
    """Those that the caller may know of: in a BGPVPN that is shared with a project, the project's own."""
    of = KINDS[kind]
    found: dict[str, list[str]] = {i: [] for i in ids}
    query: Any = sa.select(of.table.bgpvpn_id, of.target).where(of.table.bgpvpn_id.in_(ids))
    query = scoped(context, query, of.table)
    for bgpvpn, target in context.session.execute(query.order_by(of.target)):
        found[bgpvpn].append(target)
    return found


def _tags(session: Any, standards: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    query: Any = sa.select(tag.Tag.standard_attr_id, tag.Tag.tag).where(tag.Tag.standard_attr_id.in_(standards))
    for owner, word in session.execute(query.order_by(tag.Tag.tag)):
        found.setdefault(owner, []).append(word)
    return found
