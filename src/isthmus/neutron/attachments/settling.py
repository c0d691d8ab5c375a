"""Settling an attachment: its numbers given, what it must be in OVN computed, its revision raised if that has changed.

The attachment's row is locked first: whoever settles later wins (the drawing in docs/design/neutron.md). Rules: a
revision only rises, also when the database was restored from an older copy (then OVN carries a higher one, and ours
goes above it); equal content keeps its revision.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import sqlalchemy as sa
from neutron_lib.db import api as db_api

from isthmus.neutron.attachments import reading, vpns
from isthmus.neutron.attachments.desired import (
    Attachment,
    Settled,
    desired,
    digest,
    network_attachment,
    router_attachment,
    settled_by,
)
from isthmus.neutron.attachments.fitting import broken, fitting, is_overfull
from isthmus.neutron.rows import dirty, forms, models, numbers
from isthmus.neutron.words import exceptions
from isthmus.neutron.words.values import Cloud


class Renumbered(NamedTuple):
    """What was read and given, for what looks at the same attachments next."""

    members: Sequence[reading.Bound]
    numbers: Mapping[numbers.Pair, int]


def renumber(session: Any, attachments: Collection[str], numbered: bool, there: Collection[str] = ()) -> Renumbered:
    """In the caller's transaction: numbers without use are released and, where the cloud gives them (`numbered`), each
    BGPVPN of these attachments has one there. `there` are those that are known to have a row."""
    wanted: dict[str, set[str]] = {name: set() for name in attachments}
    members = reading.bound(session, attachments)
    for member in members:
        wanted[member.attachment].add(member.bgpvpn)
    _make_rows(session, {name for name, bgpvpns in wanted.items() if bgpvpns} - set(there))
    return Renumbered(members, numbers.assign(session, wanted, numbered))


def _make_rows(session: Any, names: Collection[str]) -> None:
    if not names:
        return
    table = models.Attachment
    there = set(session.scalars(sa.select(table.id).where(table.id.in_(names))))
    for name in sorted(set(names) - there):
        kind, uuid = name.split(":", 1)
        session.add(table(id=name, revision=0, digest="", **{f"{kind}_id": uuid}))
    session.flush()


def check_sizes(
    session: Any,
    attachments: Collection[str],
    project: str | None = None,
    known: Renumbered | None = None,
    form: int | None = None,
) -> None:
    """Raises BGPVPNTooManyAssociations when an attachment's row would be more than an OVSDB client can bear, once what
    has no number yet has one. With `project`, only of attachments that are in BGPVPNs by this project alone: where
    others have a part in it the surplus is left out instead (fitting)."""
    form = forms.in_force(session) if form is None else form
    if known is None:
        found = reading.attachments(session, attachments, numbered=False)
    else:
        found = reading.of_members(session, known.members, known.numbers, numbered=False)
    for attachment in found.values():
        if project is not None and {a.project for a in attachment.associations} != {project}:
            continue
        if rule := broken(attachment, form=form):
            raise exceptions.BGPVPNTooManyAssociations(reason=f"{attachment.name}: {rule}")


@db_api.retry_if_session_inactive()
def settle(
    context: Any,
    seen: Mapping[str, int],
    cloud: Cloud,
    beside: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Settled]:
    """`seen` has the attachments, each with the revision that OVN had before this call; `beside` the highest revision
    of what nodes read together with each.

    Without a row of its own (its router or network is gone) an attachment has nothing to be in OVN, at the revision
    that is there: whatever is left goes.
    """
    with db_api.CONTEXT_WRITER.using(context):
        session, table = context.session, models.Attachment
        query: Any = sa.select(table).where(table.id.in_(seen)).order_by(table.id)
        # First of all: what is read below is not older.
        rows = {row.id: row for row in session.scalars(query.with_for_update())}
        form = forms.in_force(session)
        numbered = forms.numbered(form)
        known = renumber(session, seen, numbered, rows.keys())
        if len(rows) < len(seen):
            rows = {row.id: row for row in session.scalars(query)}
        found = reading.of_members(session, known.members, known.numbers, numbered)
        above = dict(beside)
        for name, highest in vpns.highest_of(session, found if form > 1 else {}).items():
            above[name] = max(highest, above.get(name, 0))
        return {
            name: _settled(rows.get(name), found.get(name), cloud, form, seen[name], above.get(name, 0))
            for name in seen
        }


def _settled(row: Any, attachment: Attachment | None, cloud: Cloud, form: int, seen: int, above: int) -> Settled:
    if row is None:
        return Settled(desired(None, cloud, 0, form), seen)
    if forms.is_newer(max(form, settled_by(row.digest))):
        return Settled(desired(None, cloud, 0, form), row.revision, left=True)
    made = fitting(attachment, cloud, 0, form)
    content, overfull = digest(made), is_overfull(made)
    if row.digest != content or row.revision < seen:
        row.revision, row.digest = max(row.revision, seen, above) + 1, content
    if row.overfull != overfull:
        row.overfull = overfull
    return Settled(fitting(attachment, cloud, row.revision, form), row.revision)


@db_api.retry_if_session_inactive()
def revisions(context: Any, names: Collection[str]) -> dict[str, int]:
    """The revisions last given; 0 where there is none."""
    with db_api.CONTEXT_READER.using(context):
        table = models.Attachment
        query: Any = sa.select(table.id, table.revision).where(table.id.in_(names))
        return dict.fromkeys(names, 0) | dict(context.session.execute(query).all())


@db_api.retry_if_session_inactive()
def survey(context: Any, cloud: Cloud) -> dict[str, Settled | None]:
    """Every attachment with an association or a number, and every BGPVPN that has a row of its own or should, read at
    once; None for those that must be settled anew. Nothing when a newer release has decided how rows are written."""
    with db_api.CONTEXT_READER.using(context):
        session = context.session
        form = forms.in_force(session)
        if forms.is_newer(form):
            return {}
        rows = {r.id: r for r in session.scalars(sa.select(models.Attachment))}
        given = {(n.attachment_id, n.bgpvpn_id) for n in session.scalars(sa.select(models.Number))}
        pairs = {(b.attachment, b.bgpvpn) for b in reading.bound(session, None)}
        numbered = forms.numbered(form)
        wrong = given ^ pairs if numbered else given - pairs
        left = {name for name, row in rows.items() if row.digest} - {name for name, _bgpvpn in pairs}
        found: dict[str, Settled | None] = dict.fromkeys({name for name, _bgpvpn in wrong} | left)
        referred = {b for a, b in pairs if a in rows and settled_by(rows[a].digest) > 1}
        found |= vpns.survey(session, referred) | {vpns.SWITCHES: vpns.holders_now(session)}
        for name, attachment in reading.attachments(session, None, numbered).items():
            if name in found:
                continue
            row = rows.get(name)
            if row is None or digest(fitting(attachment, cloud, 0, form)) != row.digest:
                found[name] = None
            else:
                found[name] = Settled(fitting(attachment, cloud, row.revision, form), row.revision)
        return found


@db_api.retry_if_session_inactive()
def is_bound(context: Any, name: str) -> bool:
    """Whether any association concerns the attachment."""
    with db_api.CONTEXT_READER.using(context):
        return bool(list(reading.bound(context.session, [name])))


@db_api.retry_if_session_inactive()
def around(
    context: Any,
    networks: Collection[str],
    routers: Collection[str],
    uplinks: Collection[str] = (),
    at_once: int | None = None,
) -> set[str]:
    """The attachments that something about these networks and routers may have changed: those that we know of. Of
    `uplinks` all the routers whose gateway is there: there may be very many, so what is more than `at_once` is marked,
    unless it is already (`mark_uplinks`)."""
    with db_api.CONTEXT_READER.using(context):
        session = context.session
        beside = {p.router for p in reading.places(session, networks=networks)}
        beside |= reading.with_gateway_on(session, uplinks)
        names = {router_attachment(r) for r in beside | set(routers)} | {network_attachment(n) for n in networks}
        known = set(session.scalars(sa.select(models.Attachment.id).where(models.Attachment.id.in_(names))))
        known |= {b.attachment for b in reading.bound(session, names)}
    if at_once is None or len(known) <= at_once:
        return known
    with db_api.CONTEXT_WRITER.using(context):
        return dirty.beyond(context.session, known - dirty.among(context.session, known), at_once)


def mark_uplinks(connection: Any, network: str, at_once: int) -> None:
    """In the transaction that changes the network's gateway: of the routers with a gateway there, all but `at_once`."""
    names = {router_attachment(router) for router in reading.with_gateway_on(connection, [network])}
    if len(names) <= at_once:
        return
    table = models.Attachment
    known: Any = sa.select(table.id).where(table.id.in_(names))
    dirty.beyond(connection, set(connection.scalars(known)), at_once)


def concerned(session: Any, bgpvpn: str) -> set[str]:
    """What must be written when the targets or the preference of the BGPVPN change: its own row, where it has one."""
    return reading.behind(session, bgpvpn) if forms.held(session) == 1 else {vpns.name_of(bgpvpn)}
