"""Settling an attachment: its numbers given, what it must be in OVN computed, its revision raised if that has changed.

The attachment's row is locked first: whoever settles later wins (the drawing in docs/design/neutron.md). Rules: a
revision only rises, also when the database was restored from an older copy (then OVN carries a higher one, and ours
goes above it); equal content keeps its revision.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api

from isthmus.model.intent import NUMBER_MAX, BadIntent
from isthmus.model.vpn import SiteOfOrigin
from isthmus.neutron.attachments import reading
from isthmus.neutron.attachments.desired import (
    Attachment,
    Desired,
    Skipped,
    Unserved,
    desired,
    digest,
    network_attachment,
    router_attachment,
)
from isthmus.neutron.rows import models, numbers
from isthmus.neutron.words import exceptions
from isthmus.neutron.words.values import Cloud

_LONGEST = Cloud(SiteOfOrigin.parse("255.255.255.255:65535"))
_LONGEST_REVISION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Settled:
    """What OVN must have for the attachment, and the revision that says so."""

    desired: Desired
    revision: int


def renumber(session: Any, attachment: str, numbered: bool = True) -> None:
    """In the caller's transaction: numbers without use are released and, where the cloud gives them (`numbered`), each
    of the attachment's BGPVPNs has one."""
    bgpvpns = {b.bgpvpn for b in reading.bound(session, [attachment])}
    if bgpvpns and session.get(models.Attachment, attachment) is None:
        kind, uuid = attachment.split(":", 1)
        session.add(models.Attachment(id=attachment, revision=0, digest="", **{f"{kind}_id": uuid}))
        session.flush()
    numbers.assign(session, attachment, bgpvpns, numbered)


def check_sizes(session: Any, attachments: Collection[str]) -> None:
    """Raises BGPVPNTooManyAssociations when an attachment's row would be more than an OVSDB client can bear, once what
    has no number yet has one."""
    for attachment in reading.attachments(session, attachments, numbered=False).values():
        try:
            desired(_longest(attachment), _LONGEST, _LONGEST_REVISION)
        except BadIntent as error:
            raise exceptions.BGPVPNTooManyAssociations(reason=f"{attachment.name}: {error.rule}") from None


def _longest(attachment: Attachment) -> Attachment:
    given = [replace(a, number=NUMBER_MAX if a.number is None else a.number) for a in attachment.associations]
    return replace(attachment, associations=tuple(given))


@db_api.retry_if_session_inactive()
def settle(context: Any, name: str, cloud: Cloud, seen: int, numbered: bool = True) -> Settled:
    """`seen` is the revision that OVN had before this call.

    Without a row of its own (its router or network is gone) the attachment has nothing to be in OVN, at the revision
    that is there: whatever is left goes.
    """
    with db_api.CONTEXT_WRITER.using(context):
        session = context.session
        row = session.get(models.Attachment, name, with_for_update=True)  # first: what is read below is not older
        renumber(session, name, numbered)
        row = row or session.get(models.Attachment, name)
        attachment = reading.attachments(session, [name], numbered).get(name)
        content = digest(_fitting(attachment, cloud, 0))
        if row is None:
            return Settled(desired(None, cloud, 0), seen)
        if row.digest != content or row.revision < seen:
            row.revision, row.digest = max(row.revision, seen) + 1, content
        return Settled(_fitting(attachment, cloud, row.revision), row.revision)


def _fitting(attachment: Attachment | None, cloud: Cloud, revision: int) -> Desired:
    """What OVN must have; nothing, when it would be more than a row can carry: what stood would outlive associations
    that are deleted meanwhile, and connect what nobody wants connected any more."""
    try:
        return desired(attachment, cloud, revision)
    except BadIntent:
        return Desired({}, (Skipped("", Unserved.TOO_LARGE),))


@db_api.retry_if_session_inactive()
def revision(context: Any, name: str) -> int:
    """The revision last given; 0 when there is none."""
    with db_api.CONTEXT_READER.using(context):
        query: Any = sa.select(models.Attachment.revision).where(models.Attachment.id == name)
        return context.session.scalar(query) or 0


@db_api.retry_if_session_inactive()
def survey(context: Any, cloud: Cloud, numbered: bool = True) -> dict[str, Settled | None]:
    """Every attachment with an association or a number, read at once; None for those that must be settled anew."""
    with db_api.CONTEXT_READER.using(context):
        session = context.session
        rows = {r.id: r for r in session.scalars(sa.select(models.Attachment))}
        given = {(n.attachment_id, n.bgpvpn_id) for n in session.scalars(sa.select(models.Number))}
        pairs = {(b.attachment, b.bgpvpn) for b in reading.bound(session, None)}
        wrong = given ^ pairs if numbered else given - pairs
        found: dict[str, Settled | None] = {name: None for name, _bgpvpn in wrong}
        for name, attachment in reading.attachments(session, None, numbered).items():
            if name in found:
                continue
            row = rows.get(name)
            if row is None or digest(_fitting(attachment, cloud, 0)) != row.digest:
                found[name] = None
            else:
                found[name] = Settled(_fitting(attachment, cloud, row.revision), row.revision)
        return found


@db_api.retry_if_session_inactive()
def is_bound(context: Any, name: str) -> bool:
    """Whether any association concerns the attachment."""
    with db_api.CONTEXT_READER.using(context):
        return bool(list(reading.bound(context.session, [name])))


@db_api.retry_if_session_inactive()
def around(
    context: Any, networks: Collection[str], routers: Collection[str], uplinks: Collection[str] = ()
) -> set[str]:
    """The attachments that something about these networks and routers may have changed: those that we know of. Of
    `uplinks` all the routers whose gateway is there: there may be very many."""
    with db_api.CONTEXT_READER.using(context):
        session = context.session
        beside = {p.router for p in reading.places(session, networks=networks)}
        beside |= reading.with_gateway_on(session, uplinks)
        names = {router_attachment(r) for r in beside | set(routers)} | {network_attachment(n) for n in networks}
        known = set(session.scalars(sa.select(models.Attachment.id).where(models.Attachment.id.in_(names))))
        return known | {b.attachment for b in reading.bound(session, names)}
