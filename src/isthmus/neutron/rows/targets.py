"""Route targets and route distinguishers of a BGPVPN: who may name which, and what "auto" becomes.

A caller who may not name any number (policy `bgpvpn_any_number`) may name those of the project's ranges, and route
targets that the pool has given to BGPVPNs of the project; what stands in a list already may stay. Two BGPVPNs have no
route distinguisher in common: with it, routes of one would hide those of the other.

Rule: functions here run in the caller's transaction, which has locked the BGPVPN's row, and raise what the API answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from isthmus.neutron.rows import models, numbers, quotas
from isthmus.neutron.words import apidef, exceptions
from isthmus.neutron.words.conf import Settings

Lists = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Choice:
    """What the caller may name."""

    settings: Settings
    any_number: bool


def write(context: Any, bgpvpn: Any, before: Lists, asked: Lists, choice: Choice) -> dict[str, list[str]]:
    """The lists that are asked for take the place of those before; the others stay. What became of them."""
    session = context.session
    new = {kind: [v for v in values if v not in before.get(kind, ())] for kind, values in asked.items()}
    check_targets(session, bgpvpn.project_id, new, choice)
    _check_distinguishers(session, bgpvpn.id, new.get(numbers.DISTINGUISHERS, ()))
    lists = {kind: _with_given(context, bgpvpn, values, choice) for kind, values in asked.items()}
    had, has = _route_targets(before), _route_targets({**before, **lists})
    quotas.check_route_targets(context, bgpvpn.project_id, len(has), len(had))
    table = models.Target
    if any(before.get(kind) for kind in lists):
        session.execute(sa.delete(table).where(table.bgpvpn_id == bgpvpn.id, table.kind.in_(lists)))
    rows = [
        {"bgpvpn_id": bgpvpn.id, "kind": kind, "value": value, "position": position}
        for kind, values in lists.items()
        for position, value in enumerate(values)
    ]
    if rows:
        session.execute(sa.insert(table), rows)
    numbers.use_targets(session, bgpvpn.project_id, has - had, choice.settings.route_targets)
    numbers.release_targets(session, had - has)
    return lists


def check_vni(project: str, vni: int | None, choice: Choice) -> None:
    """Whether the caller may name the VNI. Raises BGPVPNNumberNotAllowed."""
    ranges = [r for r in choice.settings.projects.get(project, ()) if r.is_of_vnis]
    if vni is not None and not choice.any_number and not any(r.holds(str(vni)) for r in ranges):
        allowed = ", ".join([apidef.AUTO, *map(str, ranges)])
        raise exceptions.BGPVPNNumberNotAllowed(attribute="vni", value=vni, project=project, allowed=allowed)


def check_targets(session: Any, project: str, named: Lists, choice: Choice) -> None:
    """Whether the caller may name these. Raises BGPVPNNumberNotAllowed."""
    if choice.any_number:
        return
    ranges = [r for r in choice.settings.projects.get(project, ()) if not r.is_of_vnis]
    for kind, values in named.items():
        outside = [v for v in values if v != apidef.AUTO and not any(r.holds(v) for r in ranges)]
        if outside and kind != numbers.DISTINGUISHERS:
            given = numbers.given_to_project(session, project, outside)
            outside = [v for v in outside if v not in given]
        if outside:
            allowed = ", ".join([*_words(kind), *map(str, ranges)]) or "none"
            raise exceptions.BGPVPNNumberNotAllowed(attribute=kind, value=outside[0], project=project, allowed=allowed)


def _words(kind: str) -> list[str]:
    """What the project may choose beside its ranges."""
    if kind == numbers.DISTINGUISHERS:
        return []
    own = "route targets that were given to BGPVPNs of the project"
    return [apidef.AUTO, own] if kind == "route_targets" else [own]


def _check_distinguishers(session: Any, bgpvpn: str, new: Collection[str]) -> None:
    """A locking read: of two who name the same one at once, the second sees the first."""
    if not new:
        return
    table = models.Target
    query: Any = sa.select(table.value).where(
        table.value.in_(new), table.kind == numbers.DISTINGUISHERS, table.bgpvpn_id != bgpvpn
    )
    taken = session.scalars(query.order_by(table.value).limit(1).with_for_update(read=True)).first()
    if taken is not None:
        raise exceptions.BGPVPNRouteDistinguisherInUse(value=taken)


def _with_given(context: Any, bgpvpn: Any, values: Sequence[str], choice: Choice) -> list[str]:
    """ "auto" is what the pool has given to this BGPVPN already, else a free one."""
    if apidef.AUTO not in values:
        return list(values)
    session, settings = context.session, choice.settings
    if not settings.route_targets:
        raise exceptions.BGPVPNNoRouteTargetPool()
    given = numbers.given_target(session, bgpvpn.id)
    if given is None:
        given = numbers.give_target(
            session, bgpvpn.id, bgpvpn.project_id, settings.route_targets, settings.number_rest_s
        )
        if not choice.any_number:
            quotas.check_pool(context, bgpvpn.project_id, quotas.POOL_TARGET, settings)
    return list(dict.fromkeys(given if value == apidef.AUTO else value for value in values))


def _route_targets(lists: Lists) -> set[str]:
    return {value for kind, values in lists.items() if kind != numbers.DISTINGUISHERS for value in values}
