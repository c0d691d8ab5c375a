"""The node's report into our own Chassis_Private row: desired minus actual, at most one write a second.

Lives in the southbound's thread. Rules: only keys of ours are written or removed, key by key, so whoever else writes in
the row loses nothing; OVN's role `ovn-controller` allows just this. What differs is written whenever it differs, so a
row that is made anew is filled again. What could not be written stays to be written, and why is shown. Nobody answers
Neutron's "who is alive?" for a node that has said nothing for a while. At the end the keys stay: a stopped agent is one
that does not answer.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ovs.db.idl

from isthmus.model.delta import Plan, diff
from isthmus.model.report import (
    AGENT_KEY,
    SB_CFG_KEY,
    BadReport,
    NodeReport,
    is_ours,
    read_agent,
    read_sb_cfg,
    to_external_ids,
)
from isthmus.shell.idl import Row, in_sync

log = logging.getLogger(__name__)

Transaction = ovs.db.idl.Transaction

WRITE_S = 1.0
"""Between two writes: every write is passed on to each of the cloud's Neutron processes."""

SPREAD_S = 3.0
"""All agents of a cloud are asked at the same instant; each answers so much later at most, always the same."""

FRESH_S = 30.0
"""A report is good for so long. The node is asked every second; one with very many routes may take its time."""

RETRY_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be in the row."""

    report: NodeReport
    at: float
    """When the node said so (monotonic)."""


def due(report: NodeReport, sb_cfg: int, row: Mapping[str, str]) -> Plan[str, str]:
    """What must be written to the row. Counts alone are no reason to write."""
    plan = diff(
        to_external_ids(report) | {SB_CFG_KEY: str(sb_cfg)}, {key: value for key, value in row.items() if is_ours(key)}
    )
    if plan.put.keys() <= {AGENT_KEY} and not plan.delete and _same(report, row.get(AGENT_KEY, "")):
        return Plan()
    return plan


def _same(report: NodeReport, text: str) -> bool:
    try:
        return read_agent(text).steady == report.agent.steady
    except BadReport:
        return False


def spread(chassis: str) -> float:
    """How much later this chassis answers than it is asked."""
    return zlib.crc32(chassis.encode()) % 1000 / 1000 * SPREAD_S


class Telling:
    """What the thread knows of it."""

    def __init__(self) -> None:
        self.wish: Wish | None = None
        self.state = "nothing written yet"
        """"in sync", or why the row does not say what it should. Read by the loop."""
        self._transaction: Any = None
        self._asked = (0, 0.0)
        """The question heard last, and when it is to be answered."""
        self.forget()

    def forget(self) -> None:
        """A new connection object: what was under way is lost."""
        self._transaction = None
        self._not_before, self._pause_s = 0.0, WRITE_S

    def look(self, idl: Any, now: float, chassis: str) -> float | None:
        """Write what is due; returns when to be called again."""
        if self._transaction is not None and not self._finish(now):
            return None
        wish = self.wish
        if wish is None or not in_sync(idl):
            return None
        row = next((r for r in idl.tables["Chassis_Private"].rows.values() if r.name == chassis), None)
        if row is None:
            self._say(f"chassis '{chassis}' has no row in Chassis_Private")
            return None
        there = dict(row.external_ids)
        answer, later = self._answer(idl, there, now, chassis)
        plan = due(wish.report, answer if now < wish.at + FRESH_S else read_sb_cfg(there), there)
        if not plan:
            self._say("in sync")
            return later
        if now < self._not_before:
            return self._not_before
        self._write(idl, row, plan, now)
        return None

    def _answer(self, idl: Any, there: Mapping[str, str], now: float, chassis: str) -> tuple[int, float | None]:
        """What to answer now, and when there will be something else to answer."""
        asked = next((int(g.nb_cfg) for g in idl.tables["SB_Global"].rows.values()), 0)
        if SB_CFG_KEY not in there:
            return asked, None
        if asked != self._asked[0]:
            self._asked = asked, now + spread(chassis)
        number, at = self._asked
        return (number, None) if now >= at else (read_sb_cfg(there), at)

    def _write(self, idl: Any, row: Row, plan: Plan[str, str], now: float) -> None:
        txn = Transaction(idl)
        for key in plan.delete:
            row.delkey("external_ids", key)
        for key, value in plan.put.items():
            row.setkey("external_ids", key, value)
        self._transaction, self._not_before = txn, now + WRITE_S
        txn.commit()

    def _finish(self, now: float) -> bool:
        """Whether the transaction under way has come to its end, good or bad."""
        status = self._transaction.commit()
        if status == Transaction.INCOMPLETE:
            return False
        if status in (Transaction.SUCCESS, Transaction.UNCHANGED):
            self._pause_s = WRITE_S
        else:
            self._say(f"was not written: {self._transaction.get_error() or status}")
            self._not_before, self._pause_s = now + self._pause_s, min(self._pause_s * 2, RETRY_S_MAX)
        self._transaction = None
        return True

    def _say(self, state: str) -> None:
        if state != self.state:
            self.state = state
            log.log(logging.INFO if state == "in sync" else logging.WARNING, "southbound: our report %s", state)
