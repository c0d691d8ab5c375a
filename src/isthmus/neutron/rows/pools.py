"""How much of each pool that the whole cloud draws from is used: what rests counts, for nobody else can have it.

Rule: three statements at most a pool, none of which lists what is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api

from isthmus.model.intent import NUMBER_MAX, NUMBER_MIN
from isthmus.neutron.rows import forms, models, numbers
from isthmus.neutron.words.conf import Settings
from isthmus.neutron.words.ranges import Range

NEARLY = 0.8
"""Share that is used of a pool that is nearly empty."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One of them; `remedy` is what gives it more."""

    what: str
    size: int
    used: int
    remedy: str

    @property
    def is_nearly_empty(self) -> bool:
        return self.used >= NEARLY * self.size

    def __str__(self) -> str:
        share = 100 * self.used // self.size
        return f"{self.used} of {self.size} {self.what} ({share} %) are used or rest: {self.remedy}"


@db_api.retry_if_session_inactive()
def nearly_empty(context: Any, settings: Settings) -> list[Pool]:
    """Those of which little is left; of numbers only while the cloud gives them."""
    with db_api.CONTEXT_READER.using(context):
        found = [_vnis(context.session, settings)]
        if settings.route_targets:
            found.append(_targets(context.session, settings))
        if forms.numbered(forms.in_force(context.session)):
            found.append(_numbers(context.session))
        return [pool for pool in found if pool.is_nearly_empty]


def _vnis(session: Any, settings: Settings) -> Pool:
    low, high, vni = settings.vni_min, settings.vni_max, models.Vni.vni
    used = _count(session, sa.select(vni).where(vni.between(low, high)))
    rest = _resting(session, "vni", settings.number_rest_s, models.RestingNumber.value.between(low, high), vni)
    what = f"VNIs from {low} to {high}"
    return Pool(what, high - low + 1, used + rest, "widen [isthmus] vni_min and vni_max")


def _numbers(session: Any) -> Pool:
    number = models.Number.number
    used = _count(session, sa.select(number))
    rest = _resting(session, "number", numbers.NUMBER_REST_S, sa.true(), number)
    remedy = "upgrade the agents that cannot give their own yet"
    return Pool("numbers of routers and networks in BGPVPNs", NUMBER_MAX - NUMBER_MIN + 1, used + rest, remedy)


def _resting(session: Any, kind: str, rest_s: float, which: Any, used: Any) -> int:
    table = models.RestingNumber
    query: Any = sa.select(table.value).where(table.kind == kind, numbers.rests(table.released_at, rest_s), which)
    return _count(session, query.where(sa.not_(sa.exists().where(used == table.value))))


def _targets(session: Any, settings: Settings) -> Pool:
    """What is in a list of a BGPVPN though it has rested is not counted: nobody will miss it before it is released."""
    table = models.PoolTarget
    query: Any = sa.select(table.value).where(
        sa.or_(table.released_at.is_(None), numbers.rests(table.released_at, settings.number_rest_s)),
        sa.or_(*(_within(table.value, r) for r in settings.route_targets)),
    )
    size = sum(r.size for r in settings.route_targets)
    return Pool("route targets of the pool", size, _count(session, query), "widen [isthmus] route_target_pool")


def _within(value: Any, pool: Range) -> Any:
    number = sa.cast(sa.func.substring_index(value, ":", -1), sa.Integer)
    return sa.and_(value.startswith(f"{pool.administrator}:"), number.between(pool.low, pool.high))


def _count(session: Any, query: Any) -> int:
    return int(session.scalar(sa.select(sa.func.count()).select_from(query.subquery())))
