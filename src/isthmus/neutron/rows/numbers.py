"""Numbers that the cloud gives out: one per (attachment, BGPVPN), a VNI per BGPVPN, route targets of the pool.

The primary key of each table makes them unique, whoever asks at the same time. A choice is made among free values at
random, so that two workers rarely choose the same; when they do, one insert fails and its transaction is tried again
by Neutron's retry. When chance finds none, the lowest free value is looked for.

A number that was released rests before it is given again: routes with it may linger in the tables of others. Who names
a number does not wait; so the owner of a number can take it again.

Rule: functions here run inside the caller's transaction and never commit.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_utils import timeutils
from sqlalchemy.dialects import mysql

from isthmus.model.intent import NUMBER_MAX, NUMBER_MIN
from isthmus.neutron.rows import models
from isthmus.neutron.words import exceptions
from isthmus.neutron.words.ranges import Range

ATTEMPTS = 16
"""Values tried at random in one statement; with half of a range taken, one in 65,000 calls falls back to the search."""
SEARCHED = 1000
"""Values looked at by one statement of the search."""
NUMBER_REST_S = 3600.0
"""Rest of the number of an (attachment, BGPVPN): no option, because there is nobody who gives them away in pools."""
DISTINGUISHERS = "route_distinguishers"
"""The list of a BGPVPN that has no route targets in it."""

V = TypeVar("V", int, str)


def _free(span: int, value_at: Callable[[int], V], taken: Callable[[Collection[V]], Collection[V]]) -> V | None:
    """One of `span` values that is not taken, or None."""
    for places in itertools.chain([random.sample(range(span), min(ATTEMPTS, span))], _batches(span)):
        values = [value_at(place) for place in places]
        used = set(taken(values))
        for value in values:
            if value not in used:
                return value
    return None


def _batches(span: int) -> Iterator[Sequence[int]]:
    return (range(start, min(start + SEARCHED, span)) for start in range(0, span, SEARCHED))


def _rested(rest_s: float) -> datetime:
    """What was released before has rested."""
    return timeutils.utcnow() - timedelta(seconds=rest_s)


def _free_number(session: Any, kind: str, column: Any, low: int, high: int, rest_s: float) -> int | None:
    resting = models.RestingNumber

    def taken(values: Collection[int]) -> Collection[int]:
        recent = sa.select(resting.value).where(resting.kind == kind, resting.value.in_(values))
        recent = recent.where(resting.released_at > _rested(rest_s))
        return list(session.scalars(sa.select(column).where(column.in_(values)).union_all(recent)))

    return _free(high - low + 1, lambda place: low + place, taken)


def claim_vni(
    session: Any, bgpvpn: str, asked: int | None, low: int, high: int, shown: bool = False, rest_s: float = 0.0
) -> None:
    """Give the BGPVPN the VNI that was asked for, or one of the range, which the API shows or not.

    Raises BGPVPNVniInUse, BGPVPNNoVniLeft.
    """
    vni = asked
    if asked is not None:
        if session.scalar(sa.select(models.Vni.vni).where(models.Vni.vni == asked)) is not None:
            raise exceptions.BGPVPNVniInUse(vni=asked)
    else:
        vni = _free_number(session, "vni", models.Vni.vni, low, high, rest_s)
        if vni is None:
            raise exceptions.BGPVPNNoVniLeft(low=low, high=high)
    session.add(models.Vni(vni=vni, bgpvpn_id=bgpvpn, explicit=shown or asked is not None))
    session.flush()


def assign(session: Any, attachment: str, bgpvpns: Collection[str]) -> None:
    """Exactly one number for each of the attachment's BGPVPNs: missing ones are given, others released."""
    number = models.Number
    have = set(session.scalars(sa.select(number.bgpvpn_id).where(number.attachment_id == attachment)))
    released = have - set(bgpvpns)
    if released:
        gone = (number.attachment_id == attachment, number.bgpvpn_id.in_(released))
        _lay_down(session, "number", session.scalars(sa.select(number.number).where(*gone)))
        session.execute(sa.delete(number).where(*gone))
    for bgpvpn in sorted(set(bgpvpns) - have):
        value = _free_number(session, "number", number.number, NUMBER_MIN, NUMBER_MAX, NUMBER_REST_S)
        if value is None:
            raise exceptions.BGPVPNNoNumberLeft(low=NUMBER_MIN, high=NUMBER_MAX)
        session.add(number(number=value, attachment_id=attachment, bgpvpn_id=bgpvpn))
        session.flush()


def release_bgpvpn(session: Any, bgpvpn: str) -> None:
    """Before the BGPVPN's row goes, and its numbers with it."""
    _lay_down(session, "vni", session.scalars(sa.select(models.Vni.vni).where(models.Vni.bgpvpn_id == bgpvpn)))
    gone: Any = sa.select(models.Number.number).where(models.Number.bgpvpn_id == bgpvpn)
    _lay_down(session, "number", session.scalars(gone))
    target = models.Target
    release_targets(session, session.scalars(sa.select(target.value).where(target.bgpvpn_id == bgpvpn, _is_target())))


def release_attachment(session: Any, attachment: str) -> None:
    """Before Neutron deletes the router or network, and the attachment with it."""
    gone: Any = sa.select(models.Number.number).where(models.Number.attachment_id == attachment)
    _lay_down(session, "number", session.scalars(gone))


def _lay_down(session: Any, kind: str, values: Iterable[int]) -> None:
    now = timeutils.utcnow()
    rows = [{"kind": kind, "value": value, "released_at": now} for value in values]
    if rows:
        put: Any = mysql.insert(models.RestingNumber).values(rows)
        session.execute(put.on_duplicate_key_update(released_at=now))


# ------------------------------------------------------------------------------------ route targets of the pool


def _is_target() -> Any:
    return models.Target.kind != DISTINGUISHERS


def given_target(session: Any, bgpvpn: str) -> str | None:
    """What the pool has given to the BGPVPN already; it is not given to others until the transaction ends."""
    table = models.PoolTarget
    found: Any = sa.select(table.value).where(table.bgpvpn_id == bgpvpn).order_by(table.value).limit(1)
    value = session.scalar(found)
    if value is None:
        return None
    # It may have rested and been given to another since. Locked by its key: a gap of the index would hold up others.
    holder: Any = sa.select(table.bgpvpn_id).where(table.value == value).with_for_update()
    return value if session.scalar(holder) == bgpvpn else None


def given_to_project(session: Any, project: str, values: Collection[str]) -> set[str]:
    """Those of the route targets that the pool has given to BGPVPNs of the project: they are not given to others until
    the transaction ends."""
    table = models.PoolTarget
    query: Any = sa.select(table.value, table.project_id).where(table.value.in_(values)).order_by(table.value)
    return {value for value, owner in session.execute(query.with_for_update()) if owner == project}


def give_target(session: Any, bgpvpn: str, project: str, pool: Sequence[Range], rest_s: float) -> str:
    """A free route target of the pool. Raises BGPVPNNoRouteTargetLeft."""
    table, ends = models.PoolTarget, list(itertools.accumulate(r.size for r in pool))

    def value_at(place: int) -> str:
        which = next(i for i, end in enumerate(ends) if place < end)
        return pool[which].written(pool[which].high + 1 - (ends[which] - place))

    def taken(values: Collection[str]) -> Collection[str]:
        resting = sa.or_(table.released_at.is_(None), table.released_at > _rested(rest_s))
        known: Any = sa.select(table.value).where(table.value.in_(values), resting)
        used: Any = sa.select(models.Target.value).where(models.Target.value.in_(values), _is_target())
        return list(session.scalars(known.union_all(used)))

    value = _free(ends[-1], value_at, taken) if ends else None
    if value is None:
        raise exceptions.BGPVPNNoRouteTargetLeft(pool=", ".join(map(str, pool)) or "nothing")
    if session.scalar(sa.select(table.value).where(table.value == value)) is None:
        row = table(value=value)
        session.add(row)
    else:
        row = session.get(table, value, with_for_update=True)
        if row.released_at is None or row.released_at > _rested(rest_s):
            raise db_exc.RetryRequest(exceptions.BGPVPNNoRouteTargetLeft(pool=value))  # somebody was faster
    row.project_id, row.bgpvpn_id, row.released_at = project, bgpvpn, None
    session.flush()
    return value


def use_targets(session: Any, project: str, values: Collection[str], pool: Sequence[Range]) -> None:
    """Somebody has named these for a BGPVPN of the project: those of the pool are not free from now on.

    Whom the pool gave one to stays known while that BGPVPN has it; afterwards only to the same project.
    """
    table = models.PoolTarget
    rows = [{"value": value} for value in sorted(values) if any(r.holds(value) for r in pool)]
    if rows:
        put: Any = mysql.insert(table).values(rows)
        stays = sa.or_(table.released_at.is_(None), table.project_id == project)
        kept: list[tuple[str, Any]] = [  # in this order: the last assignment is what the others look at
            ("bgpvpn_id", sa.case((stays, table.bgpvpn_id), else_=sa.null())),
            ("project_id", sa.case((stays, table.project_id), else_=sa.null())),
            ("released_at", sa.null()),
        ]
        session.execute(put.on_duplicate_key_update(kept))


def release_targets(session: Any, values: Iterable[str]) -> None:
    """They begin to rest; whoever else has one keeps it, and it stays taken."""
    table, gone = models.PoolTarget, sorted(set(values))
    if gone:
        session.execute(sa.update(table).where(table.value.in_(gone)).values(released_at=timeutils.utcnow()))
