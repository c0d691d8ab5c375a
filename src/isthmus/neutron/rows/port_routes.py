"""The routes of port associations: a prefix behind the port, or the routes of another BGPVPN leaked through it.

Rule: functions here run in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from isthmus.neutron.rows import finding, models
from isthmus.neutron.words import apidef, exceptions
from isthmus.neutron.words.values import Route


def read(session: Any, associations: Collection[str]) -> dict[str, list[Route]]:
    """Each association's routes in the order in which they were given: one statement for all of them."""
    found: dict[str, list[Route]] = {a: [] for a in associations}
    table = models.PortRoute
    query: Any = sa.select(table.association_id, table.prefix, table.bgpvpn_id, table.local_pref)
    query = query.where(table.association_id.in_(associations)).order_by(table.position)
    for association, prefix, bgpvpn, local_pref in session.execute(query):
        found[association].append(Route(prefix, bgpvpn, local_pref))
    return found


def write(session: Any, association: str, routes: Sequence[Route]) -> None:
    """These routes and no others."""
    table = models.PortRoute
    session.execute(sa.delete(table).where(table.association_id == association))
    new = [
        {
            "association_id": association,
            "position": position,
            "prefix": route.prefix,
            "bgpvpn_id": route.bgpvpn,
            "local_pref": route.local_pref,
        }
        for position, route in enumerate(routes)
    ]
    if new:
        session.execute(sa.insert(table), new)


def check(context: Any, bgpvpn: Any, project: str, routes: Sequence[Route]) -> None:
    """Whether each BGPVPN that is leaked may be. `bgpvpn` is the association's row. Raises what the API answers.

    A guest in a shared BGPVPN must not draw the others' traffic to itself: no preferences, nothing leaked.
    """
    guest = bgpvpn.project_id != project and not context.is_admin
    for route in routes:
        if guest and (route.bgpvpn is not None or route.local_pref is not None):
            raise exceptions.BGPVPNPortAssocRouteNotForGuests(bgpvpn_id=bgpvpn.id)
        if route.bgpvpn is None:
            continue
        try:
            leaked = finding.find_bgpvpn(context, route.bgpvpn)
        except exceptions.BGPVPNNotFound:
            raise exceptions.BGPVPNPortAssocRouteNoSuchBGPVPN(bgpvpn_id=route.bgpvpn) from None
        if leaked.project_id != project:
            raise exceptions.BGPVPNPortAssocRouteWrongBGPVPNProject(bgpvpn_id=leaked.id)
        if leaked.type != bgpvpn.type:
            raise exceptions.BGPVPNPortAssocRouteBGPVPNTypeDiffer(
                bgpvpn_id=leaked.id, type=leaked.type, other=bgpvpn.type
            )
        if leaked.id == bgpvpn.id:
            raise exceptions.BGPVPNPortAssocRouteToItself(bgpvpn_id=leaked.id)


def from_api(routes: Sequence[dict[str, Any]]) -> list[Route]:
    """The API's objects, checked for form already."""
    return [Route(r.get("prefix"), r.get("bgpvpn_id"), r["local_pref"]) for r in routes]


def to_api(routes: Sequence[Route]) -> list[dict[str, Any]]:
    """As they can be given back in a PUT."""
    return [
        {"type": apidef.PREFIX_ROUTE, "prefix": r.prefix, "local_pref": r.local_pref}
        if r.prefix is not None
        else {"type": apidef.BGPVPN_ROUTE, "bgpvpn_id": r.bgpvpn, "local_pref": r.local_pref}
        for r in routes
    ]
