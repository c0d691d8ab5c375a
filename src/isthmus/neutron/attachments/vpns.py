"""BGPVPNs as rows of their own in OVN, from form 2 on: what every attachment of one has in common, written once.

A BGPVPN is settled and reconciled as an attachment is, by a name of its own (`bgpvpn:<uuid>`), with its own revision.
It has a row while an attachment that is in it is written in a form that refers to it, whatever the form in force. The
rows hang on sixteen switches, chosen by the first digit of the uuid, which have a name together (`bgpvpns`). Their
ports are not enabled and have no address: no packet has to do with them.

Rule: a revision is above those of all the rows that nodes read together with this one, because a node reports one
revision for each attachment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api

from isthmus.model import intent
from isthmus.model.intent import BgpvpnIntent
from isthmus.neutron.attachments import reading
from isthmus.neutron.attachments.desired import (
    KIND_KEY,
    Attachment,
    Desired,
    Key,
    Row,
    Settled,
    Table,
    digest,
    settled_by,
)
from isthmus.neutron.rows import forms, models
from isthmus.neutron.words import apidef

FORM = 2
"""Of these rows."""
SWITCHES = "bgpvpns"
"""The name of what the rows hang on."""
PREFIX = "bgpvpn:"


def name_of(bgpvpn: str) -> str:
    return PREFIX + bgpvpn


def is_one(name: str) -> bool:
    return name.startswith(PREFIX)


def switch(bgpvpn: str) -> str:
    """The switch that a BGPVPN's row hangs on."""
    return f"isthmus-vpns-{bgpvpn[0]}"


def switches() -> list[str]:
    return [switch(digit) for digit in "0123456789abcdef"]


def holders(form: int) -> Settled:
    """The switches, or none in form 1. Only who makes the full passes makes them: OVN forbids no two of one name."""
    ids = (("external_ids", ((KIND_KEY, "vpns"),)),)
    return Settled(Desired({Key(Table.SWITCH, "", s): ids for s in switches()} if form > 1 else {}, form=form), 0)


def desired(vpn: BgpvpnIntent | None, form: int, revision: int) -> Desired:
    """The row of one BGPVPN; none if it needs none."""
    if vpn is None:
        return Desired({}, form=form)
    ids = intent.bgpvpn_external_ids(replace(vpn, revision=revision))
    row: Row = (
        ("enabled", frozenset({False})),
        ("external_ids", tuple(sorted(ids.items()))),
        ("type", "localport"),
    )
    return Desired({Key(Table.SWITCH_PORT, switch(vpn.bgpvpn), intent.bgpvpn_port(vpn.bgpvpn)): row}, form=form)


def holders_now(session: Any) -> Settled:
    """The same as it must be now: while a row hangs there they stay."""
    form, table = forms.in_force(session), models.BgpvpnRow
    query: Any = sa.select(table.bgpvpn_id).where(table.digest != "").limit(1)
    return holders(FORM if form == 1 and session.scalar(query) is not None else form)


@db_api.retry_if_session_inactive()
def settle_holders(context: Any) -> Settled:
    with db_api.CONTEXT_READER.using(context):
        return holders_now(context.session)


@db_api.retry_if_session_inactive()
def settle(context: Any, seen: Mapping[str, int]) -> dict[str, Settled]:
    """As `settling.settle`: one that is gone has nothing to be in OVN."""
    ids = {name.removeprefix(PREFIX): name for name in seen}
    with db_api.CONTEXT_WRITER.using(context):
        session, table = context.session, models.BgpvpnRow
        query: Any = sa.select(table).where(table.bgpvpn_id.in_(ids)).order_by(table.bgpvpn_id).with_for_update()
        rows = {row.bgpvpn_id: row for row in session.scalars(query)}
        form, vpns = forms.in_force(session), _read(session, ids)
        return {
            name: _settled(session, rows.get(bgpvpn), bgpvpn, vpns.get(bgpvpn), form, seen[name])
            for bgpvpn, name in sorted(ids.items())
        }


def _settled(session: Any, row: Any, bgpvpn: str, vpn: BgpvpnIntent | None, form: int, seen: int) -> Settled:
    if forms.is_newer(max(form, settled_by("" if row is None else row.digest))):
        return Settled(desired(None, form, 0), 0 if row is None else row.revision, left=True)
    names = reading.behind(session, bgpvpn) if vpn is not None else set()
    wanted = vpn if _is_referred(session, names) else None
    content = digest(desired(wanted, FORM, 0))
    if row is None and not content:
        return Settled(desired(None, FORM, 0), seen)
    if row is None:
        # Nothing refers to it in OVN yet: what will is settled after it, or written with it.
        session.add(models.BgpvpnRow(bgpvpn_id=bgpvpn, revision=seen + 1, digest=content))
        return Settled(desired(wanted, FORM, seen + 1), seen + 1)
    if row.digest != content or row.revision < seen:
        row.revision, row.digest = max(row.revision, seen, _highest_beside(session, names)) + 1, content
    return Settled(desired(wanted, FORM, row.revision), row.revision)


def _is_referred(session: Any, names: Collection[str]) -> bool:
    """Whether one of its attachments is written in a form that refers to it, whatever the form in force."""
    table = models.Attachment
    query: Any = sa.select(table.id).where(table.id.in_(names), table.digest.like("%:%"))
    return bool(names) and session.scalar(query.limit(1)) is not None


def _highest_beside(session: Any, names: Collection[str]) -> int:
    """The highest revision of what is read together with this row: its attachments, and their other BGPVPNs."""
    attachment, row = models.Attachment, models.BgpvpnRow
    own: Any = sa.select(sa.func.max(attachment.revision)).where(attachment.id.in_(names))
    beside = {member.bgpvpn for member in reading.bound(session, names)}
    others: Any = sa.select(sa.func.max(row.revision)).where(row.bgpvpn_id.in_(beside))
    return max(session.scalar(own) or 0, session.scalar(others) or 0)


def highest_of(session: Any, attachments: Mapping[str, Attachment]) -> dict[str, int]:
    """The highest revision of the BGPVPNs that each attachment refers to."""
    bgpvpns = {a.bgpvpn for attachment in attachments.values() for a in attachment.associations}
    rows = revisions(session, bgpvpns) if bgpvpns else {}
    return {
        name: max((rows[a.bgpvpn][0] for a in attachment.associations if a.bgpvpn in rows), default=0)
        for name, attachment in attachments.items()
    }


def revisions(session: Any, bgpvpns: Collection[str]) -> dict[str, tuple[int, str]]:
    """Revision and digest of those that have them."""
    table = models.BgpvpnRow
    query: Any = sa.select(table.bgpvpn_id, table.revision, table.digest).where(table.bgpvpn_id.in_(bgpvpns))
    return {bgpvpn: (revision, content) for bgpvpn, revision, content in session.execute(query)}


@db_api.retry_if_session_inactive()
def latest(context: Any, names: Collection[str]) -> dict[str, int]:
    """The revisions last given; 0 where there is none."""
    if not names:
        return {}
    with db_api.CONTEXT_READER.using(context):
        rows = revisions(context.session, [name.removeprefix(PREFIX) for name in names])
    return {name: rows.get(name.removeprefix(PREFIX), (0, ""))[0] for name in names}


def survey(session: Any, referred: Collection[str]) -> dict[str, Settled | None]:
    """Every BGPVPN that has a row in OVN, or must because it is `referred` to; None for those that must be settled
    anew."""
    rows = {r.bgpvpn_id: r for r in session.scalars(sa.select(models.BgpvpnRow))}
    vpns = _read(session, referred)
    found: dict[str, Settled | None] = {}
    for bgpvpn in vpns.keys() | {b for b, row in rows.items() if row.digest}:
        vpn, row = vpns.get(bgpvpn), rows.get(bgpvpn)
        settled = row is not None and row.digest == digest(desired(vpn, FORM, 0))
        found[name_of(bgpvpn)] = Settled(desired(vpn, FORM, row.revision), row.revision) if settled and row else None
    return found


def are_settled(session: Any, rows: Mapping[str, tuple[int, str]]) -> dict[str, bool]:
    """Whether what was settled last (revision and digest) is what each must be."""
    there = {bgpvpn for bgpvpn, (_revision, content) in rows.items() if content}
    vpns = _read(session, there)
    return {b: rows[b][1] == digest(desired(vpns.get(b), FORM, 0)) for b in there}


def _read(session: Any, bgpvpns: Collection[str]) -> dict[str, BgpvpnIntent]:
    """Those of type l3."""
    table = models.Bgpvpn
    query: Any = (
        sa.select(table.id, models.Vni.vni, table.local_pref, table.families)
        .join(models.Vni, models.Vni.bgpvpn_id == table.id)
        .where(table.type == apidef.L3, table.id.in_(bgpvpns))
    )
    rows = session.execute(query).all() if bgpvpns else []
    lists = reading.targets(session, [bgpvpn for bgpvpn, *_rest in rows]) if rows else {}
    return {
        bgpvpn: BgpvpnIntent(
            bgpvpn,
            0,
            vni,
            reading.union(lists[bgpvpn], "import_targets"),
            reading.union(lists[bgpvpn], "export_targets"),
            preference,
            reading.families(families),
        )
        for bgpvpn, vni, preference, families in rows
    }
