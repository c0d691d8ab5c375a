"""Refusals at the rows of Neutron's that matter, in the transaction that makes them.

Neutron has an event before it gives a router an interface, but not in the transaction that does, and none before a
subnet is made or a port gets another address: between a look and the row an association could slip in. SQLAlchemy
tells of the rows themselves, whoever makes them, by whatever request.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3
from neutron_lib import constants
from neutron_lib.exceptions import l3 as l3_exceptions

from isthmus.neutron import exceptions
from isthmus.neutron.conf import Overlapping
from isthmus.neutron.store import conflicts

_REFUSALS = (
    exceptions.BGPVPNNetworkNotSupported,
    exceptions.BGPVPNNetworkRouterConflict,
    exceptions.BGPVPNOverlappingSubnets,
)


class Guard:
    """Listens for the life of the process."""

    def __init__(self, overlapping: Overlapping) -> None:
        self._overlapping = overlapping
        sa.event.listen(l3.RouterPort, "before_insert", self._before_interface)
        sa.event.listen(l3.RouterPort, "after_insert", self._after_interface)
        sa.event.listen(models_v2.Subnet, "after_insert", self._after_subnet)
        sa.event.listen(models_v2.IPAllocation, "after_insert", self._after_address)

    def _before_interface(self, mapper: Any, connection: Any, row: Any) -> None:
        """Neutron takes its port back and answers 409 with what this raises."""
        if row.port_type in constants.ROUTER_INTERFACE_OWNERS:
            try:
                conflicts.check_interface(connection, row.router_id, _network(connection, row.port_id))
            except _REFUSALS as refusal:
                raise l3_exceptions.RouterInterfaceAttachmentConflict(reason=refusal) from None

    def _after_interface(self, mapper: Any, connection: Any, row: Any) -> None:
        if row.port_type in constants.ROUTER_INTERFACE_OWNERS:
            network = _network(connection, row.port_id)
            try:
                conflicts.check_interface_overlaps(connection, row.router_id, network, self._overlapping)
            except _REFUSALS as refusal:
                raise l3_exceptions.RouterInterfaceAttachmentConflict(reason=refusal) from None

    def _after_subnet(self, mapper: Any, connection: Any, row: Any) -> None:
        conflicts.check_subnet_overlaps(connection, row.network_id, self._overlapping)

    def _after_address(self, mapper: Any, connection: Any, row: Any) -> None:
        conflicts.check_address_overlaps(connection, row.port_id, row.network_id, self._overlapping)


def _network(connection: Any, port: str) -> str:
    return str(connection.scalar(sa.select(models_v2.Port.network_id).where(models_v2.Port.id == port)))
