"""What must not be associated with what: a network is in BGPVPNs by itself or by its router, never both.

Conflicts are looked up by locking reads: of two requests at once, one waits and sees the other. Rule: functions here
run in the caller's transaction and raise what the API answers.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api

from isthmus.neutron import exceptions, models, reading


def check_network(session: Any, network: str) -> None:
    for refused, reason in reading.centralised(session, {network}).items():
        raise exceptions.BGPVPNNetworkNotSupported(network_id=refused, reason=reason)
    routers = {p.router for p in reading.places(session, networks={network})}
    for router in _associated_routers(session, routers):
        raise exceptions.BGPVPNNetworkRouterConflict(network_id=network, router_id=router, other="router")


def check_router(session: Any, router: str) -> None:
    networks = {p.network for p in reading.places(session, routers={router})}
    for refused, reason in reading.centralised(session, networks).items():
        raise exceptions.BGPVPNNetworkNotSupported(network_id=refused, reason=reason)
    for network in _associated_networks(session, networks):
        raise exceptions.BGPVPNNetworkRouterConflict(network_id=network, router_id=router, other="network")


def _associated_routers(session: Any, routers: set[str]) -> list[str]:
    column: Any = models.RouterAssociation.router_id
    return sorted(session.scalars(sa.select(column).where(column.in_(routers)).with_for_update(read=True)))


def _associated_networks(session: Any, networks: set[str]) -> list[str]:
    column: Any = models.NetworkAssociation.network_id
    return sorted(session.scalars(sa.select(column).where(column.in_(networks)).with_for_update(read=True)))


@db_api.retry_if_session_inactive()
def check_interface(context: Any, router: str, network: str) -> None:
    """Before Neutron attaches the router to the network. Raises what the API answers when that must not be."""
    with db_api.CONTEXT_READER.using(context):
        session = context.session
        if not session.scalar(
            sa.select(models.RouterAssociation.id).where(models.RouterAssociation.router_id == router)
        ):
            return
        for refused, reason in reading.centralised(session, {network}).items():
            raise exceptions.BGPVPNNetworkNotSupported(network_id=refused, reason=reason)
        table = models.NetworkAssociation
        if session.scalar(sa.select(table.id).where(table.network_id == network).limit(1)):
            raise exceptions.BGPVPNNetworkRouterConflict(
                network_id=network, router_id=router, other="router and the network"
            )
