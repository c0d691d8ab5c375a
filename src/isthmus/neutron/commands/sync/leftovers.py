"""Rows of the database that nothing owns, or that lack what they need: found, said in words, righted.

Requests and Neutron's cascades leave none of these; a person with a database client, a restored table or a switched
off foreign key check does. Each check knows nothing of the others, and goes by the models: a table that is new is
checked too. Rule: an attachment without associations is no fault, its revision must be remembered (docs/design).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api
from neutron_lib.db import model_base, standard_attr

from isthmus.neutron.rows import models, numbers
from isthmus.neutron.words.conf import Settings

PREFIX = "isthmus_"
"""Every table of ours begins so."""

_STANDARD = standard_attr.StandardAttribute.__table__


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, in words, and what rights it in a session of the caller's."""

    words: str
    right: Callable[[Any], None]


@db_api.retry_if_session_inactive()
def look(context: Any, settings: Settings) -> list[str]:
    """What is wrong, in words; nothing is changed."""
    with db_api.CONTEXT_READER.using(context):
        return [fault.words for fault in _faults(context.session, settings)]


@db_api.retry_if_session_inactive()
def right(context: Any, settings: Settings) -> list[str]:
    """The same, and it is righted: all in one transaction."""
    with db_api.CONTEXT_WRITER.using(context):
        faults = list(_faults(context.session, settings))
        for fault in faults:
            fault.right(context.session)
        return [fault.words for fault in faults]


def _faults(session: Any, settings: Settings) -> Iterator[Fault]:
    yield from _without_standard_attributes(session)
    yield from _dangling(session)
    yield from _standard_attributes_without_object(session)
    yield from _attachments_of_nothing(session)
    yield from _without_vni(session, settings)


def _ours() -> list[Any]:
    return [t for t in model_base.BASEV2.metadata.sorted_tables if t.name.startswith(PREFIX)]


def _with_standard_attributes() -> list[Any]:
    return [table for table in _ours() if "standard_attr_id" in table.c]


def _executes(statement: Any) -> Callable[[Any], None]:
    def run(session: Any) -> None:
        session.execute(statement)

    return run


def _without_standard_attributes(session: Any) -> Iterator[Fault]:
    """The API cannot show such an object: it gets new ones, under the number it names."""
    for table in _with_standard_attributes():
        there = sa.exists().where(_STANDARD.c.id == table.c.standard_attr_id)
        for found, number in session.execute(sa.select(table.c.id, table.c.standard_attr_id).where(sa.not_(there))):
            made = sa.insert(_STANDARD).values(id=number, resource_type=table.name, revision_number=0)
            yield Fault(f"{table.name} {found}: its row in {_STANDARD.name} is missing", _executes(made))


def _dangling(session: Any) -> Iterator[Fault]:
    """Rows that refer to something that is not there."""
    for table in _ours():
        for key in sorted(table.foreign_keys, key=lambda k: k.parent.name):
            parent = key.column.table
            if parent is _STANDARD:
                continue
            there = sa.exists().where(key.column == key.parent).correlate(table)
            query: Any = sa.select(*table.primary_key, key.parent.label("_refers"))
            for row in session.execute(query.where(key.parent.is_not(None), sa.not_(there))):
                own = row[: len(table.primary_key)]
                same = [c == value for c, value in zip(table.primary_key, own, strict=True)]
                words = f"{table.name} {' '.join(map(str, own))}: {parent.name} {row[-1]} does not exist"
                yield Fault(words, _executes(sa.delete(table).where(*same)))


def _standard_attributes_without_object(session: Any) -> Iterator[Fault]:
    for table in _with_standard_attributes():
        used = sa.exists().where(table.c.standard_attr_id == _STANDARD.c.id)
        query: Any = sa.select(_STANDARD.c.id).where(_STANDARD.c.resource_type == table.name, sa.not_(used))
        for number in session.scalars(query):
            words = f"{_STANDARD.name} {number}: no row of {table.name} has it"
            yield Fault(words, _executes(sa.delete(_STANDARD).where(_STANDARD.c.id == number)))


def _attachments_of_nothing(session: Any) -> Iterator[Fault]:
    table = models.Attachment
    query: Any = sa.select(table.id).where(table.router_id.is_(None), table.network_id.is_(None))
    for name in session.scalars(query):
        words = f"{table.__tablename__} {name}: it belongs to no router and no network"
        yield Fault(words, _executes(sa.delete(table).where(table.id == name)))


def _without_vni(session: Any, settings: Settings) -> Iterator[Fault]:
    """Nothing of such a BGPVPN is forwarded. Which VNI it had, nobody remembers: it gets one as if it were new."""
    table = models.Bgpvpn
    query: Any = sa.select(table.id).outerjoin(models.Vni, models.Vni.bgpvpn_id == table.id)
    for bgpvpn in session.scalars(query.where(models.Vni.vni.is_(None))):
        yield Fault(f"{table.__tablename__} {bgpvpn}: it has no VNI", _gives_vni(bgpvpn, settings))


def _gives_vni(bgpvpn: str, settings: Settings) -> Callable[[Any], None]:
    def run(session: Any) -> None:
        low, high, rest = settings.vni_min, settings.vni_max, settings.number_rest_s
        numbers.claim_vni(session, bgpvpn, None, low, high, rest_s=rest)

    return run
