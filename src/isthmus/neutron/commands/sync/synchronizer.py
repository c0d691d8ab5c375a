"""Our part of neutron-ovn-db-sync-util: it loads this by the entry point group `neutron.ovn.db_sync`.

It comes last: what Neutron's own synchronizer makes anew (a switch, a router, a port of one) ours hangs on. That one
takes away only rows that carry Neutron's keys, so it leaves ours alone (docs/design/neutron.md, "Synchronising").
"""

from __future__ import annotations

from typing import Any, ClassVar

from neutron_lib.ovn import constants as ovn
from neutron_lib.ovn import db_sync
from oslo_config import cfg
from oslo_log import log as logging

from isthmus.neutron.commands.sync.drift import BACKEND, Sync
from isthmus.neutron.ovn.northbound import Northbound
from isthmus.neutron.words import conf

LOG = logging.getLogger(__name__)

AFTER_ALL_OTHERS = 100
"""Neutron's own has 0, its EVPN 1."""


class IsthmusSynchronizer(db_sync.BaseOvnDbSynchronizer):
    """Logs each difference; in repair mode rights it."""

    _required_mechanism_drivers: ClassVar = ["ovn-sync"]
    _sync_order = AFTER_ALL_OTHERS

    def do_sync(self) -> None:
        """Ends the program with one sentence when the `[isthmus]` section is wrong. Without a site there is no BGPVPN
        service on this control plane, though the package is installed: nothing is looked at."""
        if self.mode == ovn.OVN_DB_SYNC_MODE_OFF:
            return
        if not _is_configured():
            LOG.warning("BGPVPNs are not looked at: the configuration files that were given have no [isthmus] site")
            return
        try:
            settings = conf.read(cfg.CONF)
        except conf.BadConfiguration as error:
            raise SystemExit(str(error)) from None
        if settings.backend != BACKEND:
            return
        sync = Sync(Northbound(self._get), settings)
        if self.mode != ovn.OVN_DB_SYNC_MODE_REPAIR:
            for line in sync.look():
                LOG.warning("BGPVPNs: %s", line)
            return
        repaired = sync.repair()
        for line in repaired.found:
            LOG.warning("BGPVPNs: righted: %s", line)
        for line in repaired.left:
            LOG.warning("BGPVPNs: left: %s", line)

    def _get(self) -> Any:
        return self.ovn_nb_api


def _is_configured() -> bool:
    cfg.CONF.register_opts(conf.OPTIONS, group=conf.GROUP)
    return bool(cfg.CONF[conf.GROUP].site)
