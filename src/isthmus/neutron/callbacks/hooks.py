"""Neutron's events, translated into "something about these networks and routers may have changed".

The receivers run before the one that writes Neutron's own rows (their priority is lower than Neutron's): the database
is committed already, so what we write is right at once. Our gateway leaves a network before Neutron's router gets
there, and our default route leaves a router before Neutron's arrives. Nothing is refused here: that is `guard`'s.
What is associated goes with its network, router or port in Neutron's own transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from neutron_lib import constants
from neutron_lib import context as neutron_context
from neutron_lib.callbacks import events, priority_group, registry, resources
from oslo_db import exception as db_exc
from oslo_log import log as logging

from isthmus.model.intent import AssociationKind
from isthmus.neutron.attachments import settling
from isthmus.neutron.attachments.backend import Backend
from isthmus.neutron.attachments.desired import network_attachment
from isthmus.neutron.callbacks import tagging
from isthmus.neutron.store import associations
from neutron import policy

LOG = logging.getLogger(__name__)

BEFORE_NEUTRON = priority_group.PRIORITY_ROUTER_DEFAULT - 1000


class Hooks:
    """Keeps the receivers alive: the registry holds them weakly."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        registry.subscribe(self.process, resources.PROCESS, events.AFTER_INIT)
        after = (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE)
        for event in after:
            self._subscribe(self.interface, resources.ROUTER_INTERFACE, event)
            self._subscribe(self.subnet, resources.SUBNET, event)
            self._subscribe(self.port, resources.PORT, event)
        for event in (events.AFTER_UPDATE, events.AFTER_DELETE):
            self._subscribe(self.router, resources.ROUTER, event)
        self._subscribe(self.network, resources.NETWORK, events.AFTER_UPDATE)
        self._subscribe(self.network, resources.NETWORK, events.AFTER_DELETE)
        for resource in _KINDS:
            registry.subscribe(self.goes, resource, events.PRECOMMIT_DELETE)

    @staticmethod
    def _subscribe(receiver: Any, resource: str, event: str) -> None:
        registry.subscribe(receiver, resource, event, priority=BEFORE_NEUTRON)

    def process(self, resource: str, event: str, trigger: Any, payload: Any = None) -> None:
        """Neutron loads its policies at the first request, and answers 403 to those that come meanwhile: so now."""
        policy.init()
        tagging.register()
        neutron_context.get_admin_context()

    def goes(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        """In Neutron's transaction: the foreign keys take the associations, but not what Neutron keeps of each."""
        associations.forget(payload.context.session, _KINDS[resource], payload.resource_id)

    def interface(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        port = payload.metadata.get("port") or {}
        networks = [port["network_id"]] if "network_id" in port else []
        self._touched(networks=networks, routers=[payload.resource_id])

    def router(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        self._touched(routers=[payload.resource_id])

    def network(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        self._touched(networks=[payload.resource_id])

    def subnet(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        """A gateway that comes, goes or changes on an external network is a default route of its routers."""
        network = payload.latest_state["network_id"]
        self._touched(networks=[network], uplinks=[] if _keeps(payload, "gateway_ip") else [network])

    def port(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        """A router port that changes its addresses, or any port that takes or leaves one that is a gateway of ours."""
        port = payload.latest_state
        if _keeps(payload, "fixed_ips"):
            return
        if port["device_owner"] in constants.ROUTER_PORT_OWNERS:
            self._touched(networks=[port["network_id"]], routers=[port["device_id"]])
        else:
            self._touched_by_port(port["network_id"])

    def _touched(
        self, networks: Collection[str] = (), routers: Collection[str] = (), uplinks: Collection[str] = ()
    ) -> None:
        """Something about these networks or routers has changed in Neutron, or what `uplinks` are to their routers."""
        try:
            attachments = settling.around(
                neutron_context.get_admin_context(), networks, routers, uplinks, self._backend.at_once
            )
        except db_exc.DBError as error:
            LOG.warning("what changed around %s waits for the next full pass: %s", [*networks, *routers], error)
        else:
            self._backend.changed(attachments)

    def _touched_by_port(self, network: str) -> None:
        """A port has come, gone or moved on the network: it matters only where we hold gateway addresses."""
        name = network_attachment(network)
        try:
            known = settling.is_bound(neutron_context.get_admin_context(), name)
        except db_exc.DBError as error:
            LOG.warning("what a port changed on %s waits for the next full pass: %s", network, error)
        else:
            self._backend.changed([name] if known else [])


def _keeps(payload: Any, attribute: str) -> bool:
    """Whether it is a change, and not of this."""
    return len(payload.states) > 1 and payload.states[0].get(attribute) == payload.latest_state.get(attribute)


_KINDS = {
    resources.NETWORK: AssociationKind.NETWORK,
    resources.ROUTER: AssociationKind.ROUTER,
    resources.PORT: AssociationKind.PORT,
}
