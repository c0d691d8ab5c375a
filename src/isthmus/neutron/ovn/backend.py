"""The backend for ML2/OVN: the reconciler in the request that changed something, and a worker for the full passes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from neutron_lib.plugins import directory

from isthmus.neutron.attachments.backend import Feature, Support
from isthmus.neutron.ovn.northbound import Northbound, Unavailable
from isthmus.neutron.ovn.reconciler import Reconciler
from isthmus.neutron.ovn.worker import ReconcileWorker
from isthmus.neutron.words.conf import Settings

SERVED = frozenset({Feature.LOCAL_PREF, Feature.FALLBACK, Feature.FAMILIES})
AT_ONCE = 10
"""Written in the request, in one OVSDB transaction; more would make it as slow as its attachments are many."""


class OvnBackend:
    """Every hypervisor's agent reads the rows that the reconciler writes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reconciler = Reconciler(Northbound(_northbound), settings)

    def support(self, feature: Feature) -> Support:
        return Support.SERVED if feature in SERVED else Support.STORED

    @property
    def at_once(self) -> int | None:
        return AT_ONCE

    def changed(self, attachments: Collection[str]) -> None:
        self._reconciler.deliver(attachments)

    def workers(self) -> list[Any]:
        return [ReconcileWorker(self._settings)]


def _northbound() -> Any:
    """Neutron's own connection, once its driver has made it."""
    driver = directory.get_plugin().mechanism_manager.mech_drivers.get("ovn")
    if driver is None or driver.obj.nb_ovn is None:
        raise Unavailable("ML2/OVN is not connected to the northbound database")
    return driver.obj.nb_ovn
