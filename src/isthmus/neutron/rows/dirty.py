"""Attachments that have changed and are still to be written: marked in the transaction that changed them.

A request writes the first few itself; the worker takes the others. A mark is taken away only as it was seen, so one
that is set again meanwhile stays, and whoever dies between leaves it.

Rule: functions that take a session run in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api
from oslo_utils import timeutils, uuidutils
from sqlalchemy.dialects import mysql

from isthmus.neutron.rows import models


def beyond(session: Any, attachments: Collection[str], at_once: int | None) -> set[str]:
    """Those that the request itself may write, `at_once` at most (None: all); the others are marked."""
    names = sorted(attachments)
    if at_once is not None and len(names) > at_once:
        mark(session, names[at_once:])
        names = names[:at_once]
    return set(names)


def mark(session: Any, attachments: Collection[str]) -> None:
    """In the caller's transaction, or on its connection."""
    now = timeutils.utcnow()
    rows = [
        {"attachment_id": name, "mark": uuidutils.generate_uuid(), "marked_at": now} for name in sorted(attachments)
    ]
    if rows:
        put: Any = mysql.insert(models.Dirty).values(rows)
        session.execute(put.on_duplicate_key_update(mark=put.inserted.mark, marked_at=put.inserted.marked_at))


@db_api.retry_if_session_inactive()
def put(context: Any, attachments: Collection[str]) -> None:
    """In a transaction of its own."""
    with db_api.CONTEXT_WRITER.using(context):
        mark(context.session, attachments)


@db_api.retry_if_session_inactive()
def any_is(context: Any) -> bool:
    """Whether anything is marked."""
    with db_api.CONTEXT_READER.using(context):
        return context.session.scalar(sa.select(models.Dirty.attachment_id).limit(1)) is not None


@db_api.retry_if_session_inactive()
def oldest(context: Any, count: int) -> dict[str, str]:
    """So many attachments at most, with their marks."""
    with db_api.CONTEXT_READER.using(context):
        table = models.Dirty
        query: Any = sa.select(table.attachment_id, table.mark).order_by(table.marked_at, table.attachment_id)
        return dict(context.session.execute(query.limit(count)).all())


def among(session: Any, attachments: Collection[str]) -> set[str]:
    """Those of the attachments that are marked."""
    table = models.Dirty
    query: Any = sa.select(table.attachment_id).where(table.attachment_id.in_(attachments))
    return set(session.scalars(query))


@db_api.retry_if_session_inactive()
def clear(context: Any, marks: Mapping[str, str]) -> None:
    """These marks, not those that were set since."""
    if not marks:
        return
    with db_api.CONTEXT_WRITER.using(context):
        table = models.Dirty
        gone = (table.attachment_id.in_(sorted(marks)), table.mark.in_(marks.values()))
        context.session.execute(sa.delete(table).where(*gone))
