"""What OVN's southbound database asks of this chassis, as whole snapshots taken while it was in sync.

Only rows that concern us are asked for: our Chassis row by *name* (its uuid changes when ovn-controller is stopped and
started), the attachment circuits of the cloud by one constant pair, the ports bound to our chassis, and the router
ports of those attachments that have a port here. A port that leaves us is asked for by name until it is clear what
became of it (`bindings.stay`).

Rules: nothing is told while the rows are not in sync with what was asked. A lost connection, a vanished Chassis row or
a database made anew that northd has yet to fill (`refill.py`) is `IntentLost`, never an empty snapshot: the node
freezes, it does not withdraw. One nonsense row costs that row.
What the node reports goes the other way over the same connection (`telling.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import KIND_AC, KIND_KEY, AttachmentIntent, BadIntent
from isthmus.model.port import Gateway
from isthmus.node.facts import IntentLost, IntentRead, LocalPort
from isthmus.shell.bindings import (
    Held,
    Nonsense,
    Row,
    Where,
    read_circuit,
    read_gateway,
    read_port,
    router_ports_of,
    stay,
    where,
)
from isthmus.shell.idl import Idl, IdlThread, conditions_met, connection, connection_state, in_sync, make_idl, reference
from isthmus.shell.refill import Global, Refill
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
                "up": {"type": {"key": "boolean", "min": 0, "max": 1}},
                "external_ids": {"type": _TEXTS},
            },
            "isRoot": True,
        },
    },
}
"""What we use of ovn-sb.ovsschema; all of it is there since OVN 20.12."""

CIRCUITS = ["external_ids", "includes", ["map", [[KIND_KEY, KIND_AC]]]]


Heard = IntentRead | IntentLost


class _NotingIdl(Idl):  # type: ignore[misc]  # the library publishes no types
    """An Idl that keeps the uuids of the rows that changed, so that a look need not copy a whole cloud."""

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        self.changed.add(row.uuid)

    changed: set[Any]


class _Look:
    """What the thread knows of one connection."""

    def __init__(self, remotes: tuple[str, ...], hear: Callable[[Heard], None]) -> None:
        self._remotes, self._hear = remotes, hear
        self.chassis = ""
        self.plugged: frozenset[str] | None = None
        self._held: dict[str, Held] = {}
        """Outlives a connection: who is told to the node."""
        self._said: IntentRead | IntentLost | None = None
        self._skipped: dict[str, str] = {}
        self._attachments: dict[str, AttachmentIntent] = {}
        """By circuit, as last readable: a row that turns to nonsense does not take its router away."""
        self._refill = Refill()
        self.telling = Telling()

    def open(self) -> Any:
        idl = make_idl(_NotingIdl, ",".join(self._remotes), SCHEMA)
        idl.changed = set()
        idl.cond_change("Port_Binding", [CIRCUITS])
        self._ask_for_ours(idl)
        self.telling.forget()
        self._rows: dict[Any, Row] = {}
        self._read: dict[Any, AttachmentIntent | BadIntent | LocalPort | Nonsense | Gateway | None] = {}
        self._session = -1
        return idl

    def _ask_for_ours(self, idl: Any) -> None:
        for table in ("Chassis", "Chassis_Private"):
            idl.cond_change(table, [["name", "==", self.chassis]])

    def look(self, idl: Any, now: float) -> float | None:
        deadlines = (self._watch(idl, now), self.telling.look(idl, now, self.chassis))
        return min((d for d in deadlines if d is not None), default=None)

    def _watch(self, idl: Any, now: float) -> float | None:
        """Nothing is concluded from rows of conditions that are not the ones wanted now."""
        if not in_sync(idl):
            self._lost(f"the southbound {connection_state(idl)}")
            return None
        self._ask_for_ours(idl)
        if not conditions_met(idl):
            return None
        if doubt := self._refill.doubt(_global(idl), now):
            self._lost(doubt)
            return self._refill.until
        own = next((str(uuid) for uuid in idl.tables["Chassis"].rows), "")
        if not own:
            self._lost(f"chassis '{self.chassis}' is not registered in the southbound database")
            return None
        idl.cond_change("Port_Binding", self._conditions(own))
        if not conditions_met(idl):
            return None
        self._copy(idl)
        self._held = self._who_stays(own, now)
        idl.cond_change("Port_Binding", self._conditions(own))
        if not conditions_met(idl):
            # Somebody left: he is told for a moment longer, and asked for by name.
            return None
        self._found()
        return min((h.until for h in self._held.values() if h.until is not None), default=None)

    def _conditions(self, own: str) -> list[Any]:
        """The rows to be sent to us."""
        leaving = sorted(name for name, held in self._held.items() if held.until is not None)
        bound_here = ["chassis", "==", ["uuid", own]]
        here = {held.port.network for held in self._held.values()}
        served = sorted({a.attachment for a in self._attachments.values() if here.intersection(a.networks)})
        routers = (["external_ids", "includes", ["map", [[*router_ports_of(name)]]]] for name in served)
        return [CIRCUITS, bound_here, *(["logical_port", "==", name] for name in leaving), *routers]

    def _copy(self, idl: Any) -> None:
        """Bring the plain copies up to date: all of them after a new connection, else what changed."""
        rows = idl.tables["Port_Binding"].rows
        if self._session != connection(idl):
            self._session = connection(idl)
            self._rows.clear()
            self._read.clear()
            idl.changed = set(rows)
        for uuid in idl.changed:
            self._rows.pop(uuid, None)
            self._read.pop(uuid, None)
            if uuid in rows:
                self._rows[uuid] = copied = _plain(rows[uuid])
                other = read_port(copied) or read_gateway(copied)
                self._read[uuid] = read_circuit(copied) if copied.is_circuit else other
        idl.changed = set()
        circuits = {row.logical_port: self._read[uuid] for uuid, row in self._rows.items() if row.is_circuit}
        good = {name: read for name, read in circuits.items() if isinstance(read, AttachmentIntent)}
        self._attachments = {n: a for n, a in self._attachments.items() if n in circuits} | good

    def _who_stays(self, own: str, now: float) -> dict[str, Held]:
        here: dict[str, LocalPort] = {}
        seen: dict[str, Where] = {}
        skipped: dict[str, str] = {}
        for uuid, row in self._rows.items():
            if row.is_circuit:
                continue
            seen[row.logical_port] = place = where(row, own)
            port = self._read[uuid]
            if place is Where.HERE and isinstance(port, LocalPort):
                here[row.logical_port] = port
            elif place is Where.HERE and isinstance(port, Nonsense):
                skipped[row.logical_port] = port.why
        self._skip(skipped)
        return stay(self._held, here, seen, self.plugged, now)

    def _found(self) -> None:
        circuits = {
            CircuitName(row.logical_port): read
            for uuid, row in self._rows.items()
            if isinstance(read := self._read[uuid], AttachmentIntent | BadIntent)
        }
        ports = tuple(self._held[name].port for name in sorted(self._held))
        gateways = sorted((g for g in self._read.values() if isinstance(g, Gateway)), key=lambda g: (g.network, g.mac))
        self._tell(IntentRead(circuits, ports, self._skipped, tuple(gateways)))

    def _skip(self, skipped: dict[str, str]) -> None:
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
    )


class Southbound:
    """The door for asyncio. `hear` is called in the loop's thread."""

    def __init__(self, remotes: tuple[str, ...], hear: Callable[[Heard], None]) -> None:
        self._looker = _Look(remotes, lambda heard: self._thread.post(hear, heard))
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
