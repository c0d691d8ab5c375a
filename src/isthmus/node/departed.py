"""Addresses that a view knew and knows no longer: for a while what is sent to them is dropped, and does not leave by
the router as if there was no VPN. What is said to a machine that restarts, or is cut off, concerns nobody else.

Rules: it is a drop behind the views, so whatever a view knows goes before it, a shorter prefix too. Nothing is kept of
a default route, which took the place of the router's own, nor of what the attachments in front of the view drop anyhow.
What an earlier run kept stays as long again, once: the switch remembers it. What goes while no agent runs is not noted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from isthmus.fib.entries import Circuit, ViewId
from isthmus.flows.layout import GONE_ACTIONS, Table
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.intent import PRIVATE_PREFIXES, Fallback
from isthmus.model.net import Prefix

DEPARTED_S = 300.0
"""Longer than a machine takes to restart, or an operator to restart a reflector; not for ever, because the address may
be somebody else's by then."""
DEPARTED_MAX = 10_000
"""Flows of a hypervisor; beyond it those that would go first go at once."""


class Departed:
    """See the head of the file."""

    def __init__(self, most: int = DEPARTED_MAX) -> None:
        self._most = most
        self._until: dict[FlowKey, float] = {}
        """The next one to go first."""
        self._adopted = False

    def __len__(self) -> int:
        return len(self._until)

    def adopt(self, installed: Mapping[FlowKey, Installed], now: float) -> dict[FlowKey, str]:
        """What an earlier run kept, at the first look at the switch: flows to want."""
        if self._adopted:
            return {}
        self._adopted = True
        ours = (key for key, flow in installed.items() if key.table == Table.GONE and key.match and flow.ours)
        return self.note(sorted(ours), now)

    def note(self, flows: Collection[FlowKey], now: float) -> dict[FlowKey, str]:
        """These are to be kept from now on; flows to want."""
        for key in flows:
            self._until.pop(key, None)
            self._until[key] = now + DEPARTED_S
        return dict.fromkeys(flows, GONE_ACTIONS)

    def expire(self, now: float, closed: Collection[ViewId] = ()) -> set[FlowKey]:
        """Those that have had their time, those of views that nobody looks in any more, and the surplus."""
        numbers = {f"{view:#x}" for view in closed}
        gone = {key for key in self._until if numbers and _view(key) in numbers}
        surplus = len(self._until) - self._most
        for key, until in self._until.items():
            if until > now and len(gone) >= surplus:
                break
            gone.add(key)
        for key in gone:
            del self._until[key]
        return gone

    def by_view(self) -> dict[str, list[str]]:
        """Where each view led, by its number as flows show it."""
        found: dict[str, list[str]] = {}
        for key in self._until:
            address = key.match.rpartition("=")[2]
            prefix = address if "/" in address else f"{address}/{128 if ':' in address else 32}"
            found.setdefault(_view(key), []).append(prefix)
        return found

    def deadlines(self) -> list[float]:
        return [next(iter(self._until.values()))] if self._until else []

    def is_due(self, now: float) -> bool:
        return any(until <= now for until in self.deadlines())


def _view(key: FlowKey) -> str:
    return key.match.split(",")[1].removeprefix("metadata=")


def leaks(prefix: Prefix, behind: Iterable[Circuit]) -> bool:
    """Whether what is sent there, and is in no view, leaves by the router of any of these circuits."""
    if prefix.length == 0:
        return False
    return any(_lets_out(circuit, prefix) for circuit in behind)


def _lets_out(circuit: Circuit, prefix: Prefix) -> bool:
    if circuit.fallback is Fallback.PUBLIC:
        let_out = any(o.covers(prefix) or prefix.covers(o) for o in circuit.outside)
        return let_out or not any(private.covers(prefix) for private in PRIVATE_PREFIXES)
    return circuit.fallback is Fallback.ALL
