"""br-vpn: what is wanted, what is there, and the bundle between them.

The one owner of the picture of the switch. `wanted` is handed in as pieces (the base, and each view's routes);
`installed` is what the last dump said, changed by each confirmed bundle.

Rules: one bundle at a time. After a loss or a refusal nothing is assumed: the switch is read again. A flow without our
magic is never touched but where ours must stand. What an earlier run wrote is adopted where it is wanted and swept
where it is not, but in a table that depends on a feed only after that feed is in sync. What was adopted is this run's
own from then on: it goes when it is given up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from isthmus.flows.layout import Table
from isthmus.flows.types import FlowKey, Installed, cookie
from isthmus.node.effects import ApplyFlows, Effect, ReadFlows
from isthmus.node.order import RETRY_S

LEARNT = frozenset(
    table.value for table in (Table.VIEW, Table.CHOICE, Table.SPREAD, Table.TUNNEL, Table.PE, Table.GONE, Table.ANSWER)
)
"""Tables whose contents come from BGP; the others come from the cloud's intent alone."""


@dataclass(slots=True)
class Switch:
    """The owner; see the head of the file."""

    generation: int
    wanted: dict[FlowKey, str] = field(default_factory=dict)
    installed: dict[FlowKey, Installed] | None = None
    """None: not known."""
    state: str = "not read yet"
    bundles: int = 0
    refused: int = 0
    refusal: str = ""
    """Why the last bundle was refused; empty once one is taken."""
    swept: bool = False
    version: int = 0
    """Another number whenever what is wanted or known to be there has changed."""
    proofs: int = 0
    """Another number whenever that is so of a flow that does not come from BGP."""
    answers: set[FlowKey] | None = None
    """Which flows of answers to probes may be there and were not, or were, since somebody cleared this; None: any."""
    _serial: int = 0
    _outstanding: ApplyFlows | None = None
    _reading: bool = False
    _retry_at: float = 0.0
    _given_up: set[FlowKey] = field(default_factory=set)
    """What this run has wanted and wants no longer."""
    _touched: set[FlowKey] = field(default_factory=set)
    """Keys that may differ; meaningless while `installed` is None."""

    def want(self, flows: Mapping[FlowKey, str], gone: Collection[FlowKey] = ()) -> None:
        """Change what is wanted: `flows` are added or replaced, `gone` are not wanted any more."""
        self.version += 1
        for key in gone:
            if key not in flows and self.wanted.pop(key, None) is not None:
                self._touched.add(key)
                self._given_up.add(key)
        if self._given_up:
            self._given_up.difference_update(flows)
        for key, actions in flows.items():
            if self.wanted.get(key) != actions:
                self.wanted[key] = actions
                self._touched.add(key)
        self._moved((*gone, *flows))

    def has(self, key: FlowKey) -> bool:
        """Whether the switch is known to hold this flow exactly as it is wanted."""
        if self.installed is None:
            return False
        there = self.installed.get(key)
        return there is not None and there.actions == self.wanted.get(key)

    def may_hold(self, key: FlowKey) -> bool:
        """Whether the switch has this flow, or is being told to; while nobody knows what it has, it may."""
        under_way = self._outstanding is not None and key in self._outstanding.put
        return self.installed is None or key in self.installed or under_way

    def has_of_ours(self, key: FlowKey) -> bool:
        """Whether the switch is known to hold a flow of ours there, whatever is wanted."""
        there = (self.installed or {}).get(key)
        return there is not None and there.ours

    @property
    def in_sync(self) -> bool:
        return self.installed is not None and not self._touched and self._outstanding is None

    def missing(self) -> frozenset[FlowKey]:
        """Flows that are wanted and not known to be there as they are wanted."""
        if self.in_sync:
            return frozenset()
        if self.installed is None:
            return frozenset(self.wanted)
        outstanding = self._outstanding.put.keys() if self._outstanding is not None else frozenset[FlowKey]()
        return frozenset(key for key in self._touched | outstanding if key in self.wanted and not self.has(key))

    def read(self, flows: Mapping[FlowKey, Installed]) -> None:
        """A dump. One that was taken while a bundle was under way proves nothing and is asked for again."""
        self._reading = False
        self.state = "connected"
        if self._outstanding is not None:
            return
        self.version += 1
        self.proofs += 1
        self.answers = None
        self.installed = dict(flows)
        ours = {key for key, flow in flows.items() if flow.ours}
        self._touched = {key for key in ours | self.wanted.keys() if not self._right(key)}

    def lost(self, why: str) -> None:
        """No connection: its flows may be gone. The shell reads them when it is back."""
        self.installed, self._outstanding, self._reading = None, None, False
        self.state = why
        self.version += 1
        self.proofs += 1
        self.answers = None

    def applied(self, serial: int) -> None:
        done = self._outstanding
        if done is None or done.serial != serial or self.installed is None:
            return
        self._outstanding, self.refusal = None, ""
        self.bundles += 1
        self.version += 1
        self._moved((*done.put, *done.delete))
        for key in done.delete:
            self.installed.pop(key, None)
        for key, actions in done.put.items():
            self.installed[key] = Installed(done.cookie, actions)
        self._touched |= {key for key in (*done.put, *done.delete) if not self._right(key)}

    def refuse(self, serial: int, why: str, now: float) -> None:
        if self._outstanding is None or self._outstanding.serial != serial:
            return
        self.refused += 1
        self.refusal = why
        self.lost(why)
        self._retry_at = now + RETRY_S

    def look(self, now: float) -> list[Effect]:
        """Read the switch if nothing is known of it."""
        if self.installed is not None or self._reading or now < self._retry_at:
            return []
        self._reading = True
        return [ReadFlows()]

    def effects(self, now: float, *, routes_in_sync: bool, unreadable: Collection[object]) -> list[Effect]:
        """The next step towards what is wanted: read, or one bundle, or nothing.

        `unreadable` names what cannot be read at present; while there is any, nothing an earlier run wrote is swept.
        """
        if self.installed is None:
            return self.look(now)
        if self._outstanding is not None:
            return []
        bundle = self._bundle(unreadable=bool(unreadable), routes_in_sync=routes_in_sync) if self._touched else None
        if bundle is None:
            # Confirmed, not only written: a bundle that is refused has swept nothing.
            self.swept = self.swept or (routes_in_sync and not unreadable)
            return []
        self._outstanding = bundle
        return [bundle]

    def next_deadline(self) -> float | None:
        return self._retry_at if self.installed is None and not self._reading else None

    def _bundle(self, *, unreadable: bool, routes_in_sync: bool) -> ApplyFlows | None:
        assert self.installed is not None
        put, delete, later = {}, set(), set()
        for key in self._touched:
            if self._right(key):
                continue
            if key in self.wanted:
                put[key] = self.wanted[key]
            elif self._may_go(key, unreadable, routes_in_sync):
                delete.add(key)
            else:
                later.add(key)
        self._touched = later
        self._given_up &= delete | later
        if not put and not delete:
            return None
        self._serial += 1
        return ApplyFlows(self._serial, cookie(self.generation), put, frozenset(delete))

    def _may_go(self, key: FlowKey, unreadable: bool, routes_in_sync: bool) -> bool:
        """Whether a flow of ours that nobody wants is to be deleted now. What is held may share views and endpoints
        with what is known, so of those only what this run wrote goes."""
        assert self.installed is not None
        if self.installed[key].generation == self.generation:
            return True
        if key.table in LEARNT:
            return not unreadable and (routes_in_sync or key in self._given_up)
        return not unreadable or key in self._given_up

    def _moved(self, keys: Collection[FlowKey]) -> None:
        """These are wanted or there, and were not, or were."""
        self.proofs += any(key.table not in LEARNT for key in keys)
        if self.answers is not None:
            self.answers.update(key for key in keys if key.table == Table.ANSWER)

    def _right(self, key: FlowKey) -> bool:
        assert self.installed is not None
        there = self.installed.get(key)
        if key in self.wanted:
            # Somebody else's flow where ours must stand is taken over: one that is merely equal could never be swept.
            return there is not None and there.ours and there.actions == self.wanted[key]
        return there is None or not there.ours
