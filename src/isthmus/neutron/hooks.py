"""Neutron's events, translated into "something about these networks and routers may have changed".

The receivers run before the one that writes Neutron's own rows (their priority is lower than Neutron's): the database
is committed already, so what we write is right at once. Our gateway leaves a network before Neutron's router gets
there, and our default route leaves a router before Neutron's arrives. Only `check_interface` can refuse anything.
"""

from __future__ import annotations

from typing import Any

from neutron_lib import constants
from neutron_lib import context as neutron_context
from neutron_lib.callbacks import events, priority_group, registry, resources

from isthmus.neutron import store
from isthmus.neutron.reconciler import Reconciler
from neutron import policy

BEFORE_NEUTRON = priority_group.PRIORITY_ROUTER_DEFAULT - 1000


class Hooks:
    """Keeps the receivers alive: the registry holds them weakly."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        registry.subscribe(self.process, resources.PROCESS, events.AFTER_INIT)
        after = (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE)
        registry.subscribe(self.check_interface, resources.ROUTER_INTERFACE, events.BEFORE_CREATE)
        for event in after:
            self._subscribe(self.interface, resources.ROUTER_INTERFACE, event)
            self._subscribe(self.subnet, resources.SUBNET, event)
            self._subscribe(self.port, resources.PORT, event)
        for event in (events.AFTER_UPDATE, events.AFTER_DELETE):
            self._subscribe(self.router, resources.ROUTER, event)
        self._subscribe(self.network, resources.NETWORK, events.AFTER_UPDATE)
        self._subscribe(self.network, resources.NETWORK, events.AFTER_DELETE)

    @staticmethod
    def _subscribe(receiver: Any, resource: str, event: str) -> None:
        registry.subscribe(receiver, resource, event, priority=BEFORE_NEUTRON)

    def process(self, resource: str, event: str, trigger: Any, payload: Any = None) -> None:
        """Neutron loads its policies at the first request, and answers 403 to those that come meanwhile: so now."""
        policy.init()
        neutron_context.get_admin_context()

    def check_interface(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        """Neutron answers 409 with what this raises."""
        admin = neutron_context.get_admin_context()
        store.check_interface(admin, payload.resource_id, payload.metadata["network_id"])

    def interface(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        port = payload.metadata.get("port") or {}
        networks = [port["network_id"]] if "network_id" in port else []
        self._reconciler.touched(networks=networks, routers=[payload.resource_id])

    def router(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        self._reconciler.touched(routers=[payload.resource_id])

    def network(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        self._reconciler.touched(networks=[payload.resource_id])

    def subnet(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        self._reconciler.touched(networks=[payload.latest_state["network_id"]])

    def port(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        """A router port that changes its addresses, or any port that takes or leaves one that is a gateway of ours."""
        port = payload.latest_state
        if len(payload.states) > 1 and payload.states[0].get("fixed_ips") == port.get("fixed_ips"):
            return
        if port["device_owner"] in constants.ROUTER_PORT_OWNERS:
            self._reconciler.touched(networks=[port["network_id"]], routers=[port["device_id"]])
        else:
            self._reconciler.touched_by_port(port["network_id"])
