"""Refusals at the rows of Neutron's that matter, in the transaction that makes them.

Neutron has an event before it gives a router an interface, but not in the transaction that does, and none before a
subnet is made or a port gets another address: between a look and the row an association could slip in. SQLAlchemy
tells of the rows themselves, whoever makes them, by whatever request.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3
from neutron_lib import constants
from neutron_lib.exceptions import l3 as l3_exceptions

from isthmus.neutron.attachments import settling
from isthmus.neutron.attachments.desired import network_attachment, router_attachment
from isthmus.neutron.store import conflicts
from isthmus.neutron.words import exceptions
from isthmus.neutron.words.conf import Overlapping

_REFUSALS = (
    exceptions.BGPVPNNetworkNotSupported,
    exceptions.BGPVPNNetworkRouterConflict,
    exceptions.BGPVPNOverlappingSubnets,
    exceptions.BGPVPNTooManyAssociations,
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
        if row.port_type in constants.ROUTER_INTERFACE_OWNERS:
            with _as_neutron_refuses():
                conflicts.check_interface(connection, row.router_id, _network(connection, row.port_id))

    def _after_interface(self, mapper: Any, connection: Any, row: Any) -> None:
        if row.port_type in constants.ROUTER_INTERFACE_OWNERS:
            with _as_neutron_refuses():
                self._check_interface(connection, row.router_id, _subnets(connection, row.port_id))

    def _after_subnet(self, mapper: Any, connection: Any, row: Any) -> None:
        conflicts.check_subnet_overlaps(connection, row.network_id, row.id, self._overlapping)
        settling.check_sizes(connection, {network_attachment(row.network_id)})

    def _after_address(self, mapper: Any, connection: Any, row: Any) -> None:
        conflicts.check_address_overlaps(connection, row.port_id, row.subnet_id, row.ip_address, self._overlapping)
        router = _router(connection, row.port_id)
        if router is not None:
            self._check_interface(connection, router, {row.subnet_id})

    def _check_interface(self, connection: Any, router: str, subnets: Collection[str]) -> None:
        """The router has come to these subnets."""
        conflicts.check_interface_overlaps(connection, router, subnets, self._overlapping)
        settling.check_sizes(connection, {router_attachment(router)})


@contextlib.contextmanager
def _as_neutron_refuses() -> Iterator[None]:
    """Neutron takes its port back and answers 409 with what this raises."""
    try:
        yield
    except _REFUSALS as refusal:
        raise l3_exceptions.RouterInterfaceAttachmentConflict(reason=refusal) from None


def _network(connection: Any, port: str) -> str:
    return str(connection.scalar(sa.select(models_v2.Port.network_id).where(models_v2.Port.id == port)))


def _subnets(connection: Any, port: str) -> set[str]:
    table = models_v2.IPAllocation
    return set(connection.scalars(sa.select(table.subnet_id).where(table.port_id == port)))


def _router(connection: Any, port: str) -> str | None:
    """The router that the port is an interface of."""
    table = l3.RouterPort
    query: Any = sa.select(table.router_id)
    query = query.where(table.port_id == port, table.port_type.in_(constants.ROUTER_INTERFACE_OWNERS))
    found: str | None = connection.scalar(query)
    return found
