"""Numbers that the cloud gives out: one per (attachment, BGPVPN), a VNI per BGPVPN, route targets of the pool.

The primary key of each table makes them unique, whoever asks at the same time. A choice is made among free values at
random, so that two workers rarely choose the same; when they do, one insert fails and its transaction is tried again
by Neutron's retry. When chance finds none, the lowest free value is looked for.

A number that was released rests before it is given again: routes with it may linger in the tables of others. Who names
a number does not wait; so the owner of a number can take it again. The number of a pair goes back to that pair at any
time, and rest keeps it from others only while there is another: who lays down many takes nothing from anybody.

Numbers of pairs are the cloud's to give only while agents are alive that cannot give their own; otherwise (`numbered`
is false) a pair without one stays so, and a pair that has one keeps it: its routes do not change.

Rule: functions here run inside the caller's transaction and never commit.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3
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


def rests(released_at: Any, rest_s: float) -> Any:
    """As SQL: whether what was released then rests still."""
    return released_at > _rested(rest_s)


def _rested(rest_s: float) -> datetime:
    """What was released before has rested."""
    return timeutils.utcnow() - timedelta(seconds=rest_s)


def _resting(kind: str, rest_s: float) -> Any:
    """What of the kind rests still, or is used again."""
    table = models.RestingNumber
    return sa.select(table.value).where(table.kind == kind, rests(table.released_at, rest_s))


def _free_vni(session: Any, low: int, high: int, rest_s: float) -> int | None:
    def taken(values: Collection[int]) -> Collection[int]:
        recent = _resting("vni", rest_s).where(models.RestingNumber.value.in_(values))
        used: Any = sa.select(models.Vni.vni).where(models.Vni.vni.in_(values))
        return list(session.scalars(used.union_all(recent)))

    return _free(high - low + 1, lambda place: low + place, taken)


def claim_vni(
    session: Any, bgpvpn: str, asked: int | None, low: int, high: int, shown: bool = False, rest_s: float = 0.0
) -> int | None:
    """Give the BGPVPN the VNI that was asked for, or one of the range, which the API shows or not. What it shows.

    Raises BGPVPNVniInUse, BGPVPNNoVniLeft.
    """
    vni = asked
    if asked is not None:
        if session.scalar(sa.select(models.Vni.vni).where(models.Vni.vni == asked)) is not None:
            raise exceptions.BGPVPNVniInUse(vni=asked)
    else:
        vni = _free_vni(session, low, high, rest_s)
        if vni is None:
            raise exceptions.BGPVPNNoVniLeft(low=low, high=high)
    explicit = shown or asked is not None
    session.execute(sa.insert(models.Vni).values(vni=vni, bgpvpn_id=bgpvpn, explicit=explicit))
    return vni if explicit else None


Pair = tuple[str, str]
"""An attachment and a BGPVPN."""


def assign(session: Any, wanted: Mapping[str, Collection[str]], numbered: bool = True) -> dict[Pair, int]:
    """At most one number for each BGPVPN of each of these attachments, which are returned: others are released and,
    when the cloud gives numbers (`numbered`), missing ones given. Raises BGPVPNNoNumberLeft."""
    table = models.Number
    query: Any = sa.select(table.attachment_id, table.bgpvpn_id, table.number)
    rows = session.execute(query.where(table.attachment_id.in_(wanted)))
    have = {(attachment, bgpvpn): number for attachment, bgpvpn, number in rows}
    pairs = {(attachment, bgpvpn) for attachment, bgpvpns in wanted.items() for bgpvpn in bgpvpns}
    released = [number for pair, number in have.items() if pair not in pairs]
    if released:
        _lay_down_numbers(session, table.number.in_(released))
        session.execute(sa.delete(table).where(table.number.in_(released)))
    kept = {pair: number for pair, number in have.items() if pair in pairs}
    missing = sorted(pairs - have.keys())
    if not missing or not numbered:
        return kept
    given = _own_again(session, missing)
    new = [pair for pair in missing if pair not in given]
    given |= zip(new, _free_numbers(session, len(new)), strict=True) if new else ()
    rows_of = [{"number": given[a, b], "attachment_id": a, "bgpvpn_id": b} for a, b in missing]
    session.execute(sa.insert(table), rows_of)
    return kept | given


def _own_again(session: Any, pairs: Collection[Pair]) -> dict[Pair, int]:
    """What those pairs had last, where nobody else has it since."""
    old, number = models.RestingNumber, models.Number
    query: Any = sa.select(old.attachment_id, old.bgpvpn_id, old.value)
    query = query.outerjoin(number, number.number == old.value).where(number.number.is_(None), old.kind == "number")
    query = query.where(old.attachment_id.in_({a for a, _b in pairs}), old.bgpvpn_id.in_({b for _a, b in pairs}))
    rows = session.execute(query.order_by(old.released_at))
    return {(attachment, bgpvpn): value for attachment, bgpvpn, value in rows if (attachment, bgpvpn) in pairs}


def _free_numbers(session: Any, count: int) -> list[int]:
    """So many different ones. Four statements at most, however full it is."""
    number, old = models.Number.number, models.RestingNumber
    every = range(NUMBER_MIN, NUMBER_MAX + 1)
    tried = random.sample(every, min(ATTEMPTS * count, len(every)))
    recent = _resting("number", NUMBER_REST_S)
    taken = sa.select(number).where(number.in_(tried)).union_all(recent.where(old.value.in_(tried)))
    free = list(set(tried) - set(session.scalars(taken)))
    if len(free) < count:
        free = list(set(every) - set(session.scalars(sa.select(number).union_all(recent))))
        random.shuffle(free)
    if len(free) < count:
        longest: Any = sa.select(old.value).outerjoin(models.Number, number == old.value)
        longest = longest.where(old.kind == "number", number.is_(None)).order_by(old.released_at, old.value)
        free += [value for value in session.scalars(longest.limit(count)) if value not in set(free)]
    if len(free) < count:
        raise exceptions.BGPVPNNoNumberLeft(low=NUMBER_MIN, high=NUMBER_MAX)
    return free[:count]


def release_bgpvpn(session: Any, bgpvpn: str, project: str | None) -> None:
    """Before the BGPVPN's row goes, and its numbers with it."""
    vnis: Any = sa.select(models.Vni.vni).where(models.Vni.bgpvpn_id == bgpvpn)
    _lay_down(session, [{"kind": "vni", "value": vni, "project_id": project} for vni in session.scalars(vnis)])
    _lay_down_numbers(session, models.Number.bgpvpn_id == bgpvpn)
    target = models.Target
    release_targets(session, session.scalars(sa.select(target.value).where(target.bgpvpn_id == bgpvpn, _is_target())))


def release_attachment(session: Any, attachment: str) -> None:
    """Before Neutron deletes the router or network, and the attachment with it."""
    _lay_down_numbers(session, models.Number.attachment_id == attachment)


def _lay_down_numbers(session: Any, *which: Any) -> None:
    number = models.Number
    query = of_projects(number.number, number.attachment_id, number.bgpvpn_id, PROJECT).where(*which)
    _lay_down(
        session,
        [
            {"kind": "number", "value": value, "project_id": project, "attachment_id": attachment, "bgpvpn_id": bgpvpn}
            for value, attachment, bgpvpn, project in session.execute(query)
        ],
    )


PROJECT: Any = sa.func.coalesce(l3.Router.project_id, models_v2.Network.project_id)
"""In a query `of_projects`: the project of the router or network that has the number."""


def of_projects(*columns: Any) -> Any:
    """A query of pairs' numbers."""
    at, router, network = models.Attachment, l3.Router, models_v2.Network
    query: Any = sa.select(*columns).select_from(models.Number).join(at, at.id == models.Number.attachment_id)
    query = query.outerjoin(router, router.id == at.router_id)
    return query.outerjoin(network, network.id == at.network_id)


def _lay_down(session: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        now, table = timeutils.utcnow(), models.RestingNumber
        put: Any = mysql.insert(table).values([row | {"released_at": now} for row in rows])
        whose = {name: put.inserted[name] for name in ("project_id", "attachment_id", "bgpvpn_id") if name in rows[0]}
        session.execute(put.on_duplicate_key_update(released_at=now, **whose))


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
