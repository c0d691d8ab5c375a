"""Our agents among Neutron's: `openstack network agent list` shows them, and the status of a BGPVPN asks them.

What an agent says is in its Chassis_Private row (`model/report.py`); every process of Neutron's API has that in memory.
Neutron keeps its picture of OVN's agents in a cache per process, filled by events of its own; ours adds a kind of
agent and the event that fills it.

Rules: reads rows and Neutron's cache, writes neither but by the cache's own `update`. A row says what it likes: reading
one never raises, because Neutron walks over the kinds for every chassis that goes.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from neutron.common.ovn import constants as ovn_const
from neutron.common.ovn import utils as ovn_utils
from neutron.plugins.ml2.drivers.ovn.agent import neutron_agent
from neutron_lib.callbacks import events, priority_group, registry, resources
from neutron_lib.plugins import directory
from oslo_log import log as logging
from ovsdbapp import exceptions as ovsdb_exceptions
from ovsdbapp.backend.ovs_idl import event as row_event

from isthmus.model.report import (
    AGENT_KEY,
    STATE_KEY,
    AgentReport,
    AttachmentReport,
    BadReport,
    from_external_ids,
    is_ours,
    read_agent,
    read_attachment,
    read_sb_cfg,
)
from isthmus.neutron.attachments.desired import circuit

LOG = logging.getLogger(__name__)

AGENT_TYPE, BINARY = "Isthmus agent", "isthmus-agent"
CHASSIS_PRIVATE = "Chassis_Private"
AFTER_NEUTRON = priority_group.PRIORITY_DEFAULT + 1000

_NAMESPACE = uuid.UUID("6f0d5a52-7a7c-4f39-9c7e-3f3a5a0f3d11")
"""An agent's id follows from its chassis' name, so that it survives everything."""

EXCEPTIONS_MAX = 50
"""Attachments named in `configurations` that are not well: an agent may have a thousand."""


def agent_id(chassis: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, chassis))


class IsthmusAgent(neutron_agent.NeutronAgent):
    """Alive as Neutron says it of its own: the agent has answered the last or last but one question, or a while has
    not passed since it did."""

    agent_type: ClassVar = AGENT_TYPE
    binary: ClassVar = BINARY

    @staticmethod
    def id_from_chassis_private(row: Any) -> str | None:
        """None for a chassis on which no agent of ours has ever been."""
        return agent_id(row.name) if AGENT_KEY in row.external_ids else None

    @property
    def agent_id(self) -> str:
        return agent_id(self.chassis_private.name)

    @property
    def nb_cfg(self) -> int:
        return read_sb_cfg(self.chassis_private.external_ids)

    @property
    def description(self) -> str:
        return str(self.chassis_private.external_ids.get(ovn_const.OVN_AGENT_DESC_KEY, ""))

    def as_dict(self) -> dict[str, Any]:
        shown: dict[str, Any] = super().as_dict()
        shown["configurations"] |= configurations(self.chassis_private.external_ids)
        return shown


def configurations(row: Mapping[str, str]) -> dict[str, Any]:
    """What an operator sees of an agent beside Neutron's own."""
    read = from_external_ids(row)
    shown: dict[str, Any] = {}
    if isinstance(read.agent, AgentReport):
        shown = {
            name: getattr(read.agent, name) for name in ("version", "reads", "started", "router_id", "asn", "vtep")
        }
        shown |= {name: getattr(read.agent, name) for name in ("drain", "southbound", "switch")}
        shown["bgp_sessions"] = {
            p.address: {
                "state": p.state,
                "since": p.since,
                "reason": p.reason,
                "families": list(p.families),
                "routes_received": p.received,
                "routes_announced": p.announced,
            }
            for p in read.agent.peers
        }
    elif read.agent is not None:
        shown["unreadable"] = str(read.agent)
    wrong = {name: why for name, one in read.attachments.items() if (why := _wrong(one))}
    shown["attachments"] = len(read.attachments)
    shown["attachments_not_well"] = dict(sorted(wrong.items())[:EXCEPTIONS_MAX])
    return shown


def _wrong(one: AttachmentReport | BadReport) -> str:
    if isinstance(one, BadReport):
        return str(one)
    words = [f"BGPVPN {bgpvpn}: {why}" for bgpvpn, why in one.bgpvpns.items()]
    if not one.is_well:
        words.insert(0, one.why or one.state)
    return "; ".join(words)


class ReportEvent(row_event.RowEvent):
    """An agent of ours has written in its row, or the row is there again."""

    GLOBAL = True  # for every process, not only the one of Neutron's hash ring

    def __init__(self) -> None:
        super().__init__((self.ROW_CREATE, self.ROW_UPDATE), CHASSIS_PRIVATE, None)
        self.event_name = "IsthmusReportEvent"

    def match_fn(self, event: str, row: Any, old: Any = None) -> bool:
        if AGENT_KEY not in row.external_ids or not row.chassis:
            return False
        if event == self.ROW_CREATE or (hasattr(old, "chassis") and not old.chassis):
            return True
        return hasattr(old, "external_ids") and _ours(old.external_ids) != _ours(row.external_ids)

    def run(self, event: str, row: Any, old: Any) -> None:
        neutron_agent.AgentCache().update(AGENT_TYPE, row, clear_down=True)


def _ours(external_ids: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in external_ids.items() if is_ours(key)}


class Watch:
    """Adds our event to Neutron's southbound connection in every process that has one. Must be kept: the registry
    holds receivers weakly."""

    def __init__(self) -> None:
        # After the driver, which connects in this very event and is waited for by whoever asks it for a connection.
        registry.subscribe(self.process, resources.PROCESS, events.AFTER_INIT, priority=AFTER_NEUTRON)

    def process(self, resource: str, event: str, trigger: Any, payload: Any = None) -> None:
        driver = ovn_driver()
        if driver is None or not driver.should_post_fork_initialize(ovn_utils.get_class(trigger)):
            return
        driver.sb_ovn.idl.notify_handler.watch_event(ReportEvent())
        for row in _rows(driver):
            if AGENT_KEY in row.external_ids and row.chassis:
                neutron_agent.AgentCache().update(AGENT_TYPE, row, clear_down=True)


def ovn_driver() -> Any:
    """ML2's driver for OVN, or None."""
    found = directory.get_plugin().mechanism_manager.mech_drivers.get("ovn")
    return None if found is None else found.obj


def _rows(driver: Any) -> list[Any]:
    return list(driver.sb_ovn.db_list_rows(CHASSIS_PRIVATE).execute(check_error=True))


@dataclass(frozen=True, slots=True)
class Row:
    """A hypervisor's agent as its row says. Reports are read when they are asked for: there may be very many."""

    host: str
    alive: bool
    external_ids: Mapping[str, str]

    @property
    def agent(self) -> AgentReport | BadReport:
        try:
            return read_agent(self.external_ids[AGENT_KEY])
        except BadReport as bad:
            return bad

    def attachment(self, name: str) -> AttachmentReport | BadReport | None:
        """What it says of an attachment; by the name of its circuit if it could never read the row."""
        for key in (STATE_KEY + name, STATE_KEY + circuit(name.split(":", 1)[1])):
            if key in self.external_ids:
                try:
                    return read_attachment(key, self.external_ids[key])
                except BadReport as bad:
                    return bad
        return None


def _ping(driver: Any) -> None:
    """Not while the northbound database is away: Neutron would wait for it, and with it whoever reads a status."""
    if not driver.nb_ovn.idl._session.is_connected():  # the library has no public way to ask
        return
    try:
        driver.ping_all_chassis()
    except (ovsdb_exceptions.OvsdbAppException, RuntimeError) as error:
        LOG.warning("the agents are not asked whether they are alive: %s", error)


def ask(hosts: Collection[str]) -> dict[str, Row]:
    """The agents of these hosts, by name as Neutron writes it into port bindings. Asks all agents whether they are
    alive, as often as Neutron allows: their answers are there the next time."""
    driver = ovn_driver()
    if driver is None or driver.sb_ovn is None:
        return {}
    _ping(driver)
    cache = neutron_agent.AgentCache()
    found: dict[str, Row] = {}
    for row in _rows(driver):
        host = str(row.chassis[0].hostname) if row.chassis else ""
        if host not in hosts or AGENT_KEY not in (ids := dict(row.external_ids)):
            continue
        try:
            alive = cache.get(agent_id(row.name)).alive
        except KeyError:  # the event that tells of it is on its way
            alive = False
        found[host] = Row(host, alive, ids)
    return found
