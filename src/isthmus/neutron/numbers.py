"""Numbers that the cloud gives out: one per (attachment, BGPVPN), and a VNI per BGPVPN.

The primary key of each table makes them unique, whoever asks at the same time. A choice is made among free values at
random, so that two workers rarely choose the same; when they do, one insert fails and its transaction is tried again
by Neutron's retry. When chance finds none, the lowest free value is looked for.

Rule: functions here run inside the caller's transaction and never commit.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from isthmus.model.intent import NUMBER_MAX, NUMBER_MIN
from isthmus.neutron import exceptions, models

ATTEMPTS = 16
"""Values tried at random in one statement; with half of a range taken, one in 65,000 calls falls back to the search."""


def _free(session: Any, column: Any, low: int, high: int) -> int | None:
    """A value of `column` between low and high that no row has, or None."""
    span = high - low + 1
    candidates = random.sample(range(low, high + 1), min(ATTEMPTS, span))
    taken = set(session.scalars(sa.select(column).where(column.in_(candidates))))
    free = [c for c in candidates if c not in taken]
    if free:
        return free[0]
    return _lowest_free(session, column, low, high)


def _lowest_free(session: Any, column: Any, low: int, high: int) -> int | None:
    if session.scalar(sa.select(column).where(column == low)) is None:
        return low
    other = sa.orm.aliased(column.class_)
    follows = sa.select(other).where(getattr(other, column.key) == column + 1).exists()
    gap = session.scalar(sa.select(sa.func.min(column) + 1).where(column >= low, column < high, sa.not_(follows)))
    return None if gap is None else int(gap)


def claim_vni(session: Any, bgpvpn: str, asked: int | None, low: int, high: int) -> None:
    """Give the BGPVPN the VNI that was asked for, or one of the range. Raises BGPVPNVniInUse, BGPVPNNoVniLeft."""
    vni = asked
    if asked is not None:
        if session.scalar(sa.select(models.Vni.vni).where(models.Vni.vni == asked)) is not None:
            raise exceptions.BGPVPNVniInUse(vni=asked)
    else:
        vni = _free(session, models.Vni.vni, low, high)
        if vni is None:
            raise exceptions.BGPVPNNoVniLeft(low=low, high=high)
    session.add(models.Vni(vni=vni, bgpvpn_id=bgpvpn, explicit=asked is not None))
    session.flush()


def assign(session: Any, attachment: str, bgpvpns: Collection[str]) -> None:
    """Exactly one number for each of the attachment's BGPVPNs: missing ones are given, others released."""
    number = models.Number
    have = set(session.scalars(sa.select(number.bgpvpn_id).where(number.attachment_id == attachment)))
    released = have - set(bgpvpns)
    if released:
        session.execute(sa.delete(number).where(number.attachment_id == attachment, number.bgpvpn_id.in_(released)))
    for bgpvpn in sorted(set(bgpvpns) - have):
        value = _free(session, number.number, NUMBER_MIN, NUMBER_MAX)
        if value is None:
            raise exceptions.BGPVPNNoNumberLeft(low=NUMBER_MIN, high=NUMBER_MAX)
        session.add(number(number=value, attachment_id=attachment, bgpvpn_id=bgpvpn))
        session.flush()
