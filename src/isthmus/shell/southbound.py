"""What OVN's southbound database asks of this chassis, as whole snapshots taken while it was in sync.

Only rows that concern us are asked for: our Chassis row by *name* (its uuid changes when ovn-controller is stopped and
started), the ports bound to our chassis, the attachment circuits of the networks that have a port here, and what these
need: the BGPVPNs they refer to, and their router ports. A port that leaves us is asked for by name until it is clear
what became of it (`bindings.stay`). Each answer may lead to another question; `snapshots.py` knows what may be told
meanwhile.

Rules: nothing is told of rows that are not in sync with what was asked. A lost connection, a vanished Chassis row or
a database made anew that northd has yet to fill (`refill.py`) is `IntentLost`, never an empty snapshot: the node
freezes, it does not withdraw. One nonsense row costs that row.
What the node reports goes the other way over the same connection (`telling.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from isthmus.node.facts import IntentLost, IntentRead
from isthmus.shell.bindings import Row
from isthmus.shell.clauses import bound_to, mark
from isthmus.shell.idl import (
    Idl,
    IdlThread,
    clauses_met,
    conditions_met,
    connection,
    connection_state,
    in_sync,
    make_idl,
    reference,
    references,
)
from isthmus.shell.refill import Global, Refill
from isthmus.shell.rows import Rows
from isthmus.shell.snapshots import Snapshots
from isthmus.shell.telling import Telling, Wish

log = logging.getLogger(__name__)

_TEXTS = {"key": "string", "value": "string", "min": 0, "max": "unlimited"}

SCHEMA: dict[str, Any] = {
    "name": "OVN_Southbound",
    "version": "20.0.0",
    "tables": {
        "Chassis": {"columns": {"name": {"type": "string"}}, "isRoot": True},
        "Chassis_Private": {
            "columns": {"name": {"type": "string"}, "external_ids": {"type": _TEXTS}},
            "isRoot": True,
        },
        "SB_Global": {"columns": {"nb_cfg": {"type": "integer"}, "options": {"type": _TEXTS}}, "isRoot": True},
        "Port_Binding": {
            "columns": {
                "logical_port": {"type": "string"},
                "type": {"type": "string"},
                "mac": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "chassis": {
                    "type": {
                        "key": {"type": "uuid", "refTable": "Chassis", "refType": "weak"},
                        "min": 0,
                        "max": 1,
                    }
                },
                "additional_chassis": {
                    "type": {
                        "key": {"type": "uuid", "refTable": "Chassis", "refType": "weak"},
                        "min": 0,
                        "max": "unlimited",
                    }
                },
                "up": {"type": {"key": "boolean", "min": 0, "max": 1}},
                "external_ids": {"type": _TEXTS},
            },
            "isRoot": True,
        },
    },
}
"""What we use of ovn-sb.ovsschema; all of it is there since OVN 22.06."""

PORTS = "Port_Binding"
OURS = ("Chassis", "Chassis_Private")
"""Of these tables only our own row is asked for."""

Heard = IntentRead | IntentLost


class _NotingIdl(Idl):  # type: ignore[misc]  # the library publishes no types
    """An Idl that keeps the uuids of the rows that changed, so that a look need not copy all of them."""

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        self.changed.add(row.uuid)

    changed: set[Any]


class _SouthboundLooker:
    """What the thread knows of one connection."""

    def __init__(self, remotes: tuple[str, ...], hear: Callable[[Heard], None]) -> None:
        self._remotes, self._hear = remotes, hear
        self.chassis = ""
        self.plugged: frozenset[str] | None = None
        self._snapshots = Snapshots()
        """Outlives a connection: who is told to the node."""
        self._said: IntentRead | IntentLost | None = None
        self._skipped: Mapping[str, str] = {}
        self._refill = Refill()
        self.telling = Telling()

    def open(self) -> Any:
        idl = make_idl(_NotingIdl, ",".join(self._remotes), SCHEMA)
        idl.changed = set()
        idl.cond_change(PORTS, self._snapshots.conditions(""))
        self._ask_for_ours(idl)
        self.telling.forget()
        self._session = -1
        return idl

    def _ask_for_ours(self, idl: Any) -> None:
        for table in OURS:
            idl.cond_change(table, [["name", "==", self.chassis]])

    def look(self, idl: Any, now: float) -> float | None:
        deadlines = (self._watch(idl, now), self.telling.look(idl, now, self.chassis))
        return min((d for d in deadlines if d is not None), default=None)

    def _watch(self, idl: Any, now: float) -> float | None:
        """Nothing is concluded from rows that are not there yet because the server has not heard that we want them."""
        if not in_sync(idl):
            self._lost(f"the southbound {connection_state(idl)}")
            return None
        self._ask_for_ours(idl)
        if not conditions_met(idl, *OURS):
            return None
        if doubt := self._refill.doubt(_global(idl), now):
            self._lost(doubt)
            return self._refill.until
        own = next((str(uuid) for uuid in idl.tables["Chassis"].rows), "")
        if not own:
            self._lost(f"chassis '{self.chassis}' is not registered in the southbound database")
            return None
        covered = frozenset(map(mark, clauses_met(idl, PORTS)))
        if mark(bound_to(own)) in covered:
            self._copy(idl)
            self._snapshots.look(own, covered, self.plugged, now)
            self._skip(self._snapshots.skipped)
            if (snapshot := self._snapshots.tell(covered)) is not None:
                self._tell(snapshot)
        idl.cond_change(PORTS, self._snapshots.conditions(own))
        return self._snapshots.deadline(now)

    def _copy(self, idl: Any) -> None:
        """Bring the plain copies up to date: all of them after a new connection, else what changed."""
        rows = idl.tables[PORTS].rows
        if self._session != connection(idl):
            self._session = connection(idl)
            self._snapshots.rows = Rows()
            idl.changed = set(rows)
        self._snapshots.rows.change({uuid: _plain(rows[uuid]) if uuid in rows else None for uuid in idl.changed})
        idl.changed = set()

    def _skip(self, skipped: Mapping[str, str]) -> None:
        if skipped != self._skipped:
            for name, why in skipped.items():
                if self._skipped.get(name) != why:
                    log.warning("southbound: the row of port %s is left out: %s", name, why)
            self._skipped = skipped

    def _lost(self, why: str) -> None:
        self._tell(IntentLost(why))

    def _tell(self, fact: IntentRead | IntentLost) -> None:
        if fact == self._said:
            return
        if isinstance(fact, IntentLost):
            # A start passes through being opened and being read, which worries nobody.
            log.log(logging.WARNING if isinstance(self._said, IntentRead) else logging.INFO, "southbound: %s", fact.why)
        elif not isinstance(self._said, IntentRead):
            log.info("southbound: in sync, %d circuits, %d ports here", len(fact.circuits), len(fact.ports))
        self._said = fact
        self._hear(fact)


def _global(idl: Any) -> Global | None:
    rows = idl.tables["SB_Global"].rows.items()
    return next((Global(str(uuid), int(row.nb_cfg), bool(row.options)) for uuid, row in rows), None)


def _plain(row: Any) -> Row:
    return Row(
        logical_port=row.logical_port,
        type=row.type,
        mac=tuple(row.mac),
        chassis=reference(row, "chassis"),
        up=bool(row.up and row.up[0]),
        external_ids=dict(row.external_ids),
        additional=references(row, "additional_chassis"),
    )


class Southbound:
    """The door for asyncio. `hear` is called in the loop's thread."""

    def __init__(self, remotes: tuple[str, ...], hear: Callable[[Heard], None]) -> None:
        self._looker = _SouthboundLooker(remotes, lambda heard: self._thread.post(hear, heard))
        self._thread = IdlThread("southbound", self._looker)

    def set_chassis(self, name: str) -> None:
        """Whose ports are ours. To be said before `run`, and again when it changes."""
        self._looker.chassis = name
        self._thread.wake()

    def set_plugged(self, names: frozenset[str] | None) -> None:
        """The logical ports whose interfaces are in our switch; None while that cannot be known."""
        self._looker.plugged = names
        self._thread.wake()

    def tell(self, wish: Wish) -> None:
        """What our Chassis_Private row is to say."""
        self._looker.telling.wish = wish
        self._thread.wake()

    @property
    def told(self) -> str:
        """ "in sync" when the row says it, or why not."""
        return self._looker.telling.state

    async def run(self) -> None:
        await self._thread.run()
