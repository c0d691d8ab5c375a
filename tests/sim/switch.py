"""br-vpn as a map from keys to actions, and what an agent's shell does around it.

Wishes are served one at a time and late, a bundle is atomic, a dump is whole. It may refuse, be away with or without
its flows, and be changed behind the agent's back.

Rules: a wish that is asked while the switch is away is not kept: the dump on its return answers. A dump tells what was
there when it was taken. Port numbers are never used twice.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from isthmus.flows.layout import Table
from isthmus.flows.types import FlowKey, Installed
from isthmus.node import effects, facts
from tests.sim.time_line import TimeLine

Wish = effects.ReadFlows | effects.ApplyFlows
Tell = Callable[[facts.Fact], None]


@dataclass(slots=True)
class Switch:
    """See the head of the file. `tell` is the agent's ear; None while no agent runs."""

    line: TimeLine
    rng: random.Random
    name: str
    watch: Callable[[effects.ApplyFlows], None]
    """Sees every bundle just before it takes effect."""
    changed: Callable[[], None]
    """Told when what answers probes may have changed."""
    flows: dict[FlowKey, Installed] = field(default_factory=dict)
    circuits: dict[str, int] = field(default_factory=dict)
    tell: Tell | None = None
    refusing: bool = False
    present: bool = True
    connected: bool = False
    """Whether an agent has its connection."""
    trusted: bool = True
    """Whether the agent may know what is here: false from a change behind its back until it has heard of it."""
    audits: bool = True
    commits: int = 0
    """How many bundles took effect."""
    _queue: deque[Wish] = field(default_factory=deque)
    _busy: bool = False
    _life: int = 0
    _next_port: int = 10
    _changes: int = 0

    TUNNEL = 1

    # The agent's side

    def attach(self, tell: Tell) -> None:
        """An agent has started."""
        self._leave()
        self.tell = tell
        tell(facts.SwitchLost("not connected yet"))
        self._later(self.rng.choice((0.01, 0.1, 1.0)), self._connect)

    def detach(self) -> None:
        """The agent has ended; what it began may still be done."""
        if self._queue and self.rng.random() < 0.5:
            wish = self._queue.popleft()
            if isinstance(wish, effects.ApplyFlows) and not self.refusing and self.present:
                self._commit(wish)
        self._leave()
        self.tell = None

    def ask(self, wish: Wish) -> None:
        if self.connected:
            self._queue.append(wish)
            self._serve()

    def _connect(self) -> None:
        if self.present and self.tell is not None and not self.connected:
            self.connected = True
            self._queue.appendleft(effects.ReadFlows())
            self._serve()
            self._later(30.0, self._audit)

    def _audit(self) -> None:
        if self.connected and self.audits:
            self.ask(effects.ReadFlows())
        self._later(30.0, self._audit)

    def _leave(self) -> None:
        self._life += 1
        self._queue.clear()
        self._busy = self.connected = False

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        life = self._life
        self.line.after(seconds, lambda: do() if life == self._life else None)

    def _serve(self) -> None:
        if not self._busy and self._queue:
            self._busy = True
            self._later(self.rng.expovariate(100), self._act)

    def _act(self) -> None:
        wish = self._queue[0]
        match wish:
            case effects.ReadFlows():
                answer: facts.Fact = facts.FlowsRead(dict(self.flows))
            case effects.ApplyFlows() if self.refusing:
                self.line.note(f"{self.name}: refuses bundle {wish.serial}")
                answer = facts.FlowsRefused(wish.serial, "it says no")
            case effects.ApplyFlows():
                self._commit(wish)
                answer = facts.FlowsApplied(wish.serial)
        changes = self._changes
        self._later(self.rng.expovariate(500), lambda: self._answer(answer, changes))

    def _answer(self, answer: facts.Fact, changes: int) -> None:
        self._queue.popleft()
        self._busy = False
        assert self.tell is not None
        under_way = any(isinstance(w, effects.ApplyFlows) for w in self._queue)
        if isinstance(answer, facts.FlowsRead) and changes == self._changes and not under_way:
            if not self.trusted:
                self.line.stir()
            self.trusted = True
        self.tell(answer)
        self._serve()

    def _commit(self, bundle: effects.ApplyFlows) -> None:
        self.watch(bundle)
        self.line.note(f"{self.name}: bundle {bundle.serial} +{len(bundle.put)} -{len(bundle.delete)}")
        self.commits += 1
        for key in bundle.delete:
            self.flows.pop(key, None)
        self.flows |= {key: Installed(bundle.cookie, actions) for key, actions in bundle.put.items()}
        if any(key.table in (Table.CLASSIFY, Table.ANSWER) for key in (*bundle.put, *bundle.delete)):
            self.changed()

    def plug(self, names: frozenset[str]) -> None:
        self.circuits = {name: port for name, port in self.circuits.items() if name in names}
        for name in sorted(names - self.circuits.keys()):
            self.circuits[name] = self._next_port
            self._next_port += 1

    # The world's side

    @property
    def idle(self) -> bool:
        return self.connected and not self._queue and not self.refusing

    def behind_the_back(self) -> None:
        """Whatever the agent knows may be wrong now."""
        self.line.stir()
        self.changed()
        self._changes += 1
        self.trusted = False

    def go(self, *, with_flows: bool) -> None:
        """Its process ends (then its flows are gone), or only the connection breaks."""
        self.line.note(f"{self.name}: {'ends, its flows are gone' if with_flows else 'the connection breaks'}")
        self.present = False
        self.changed()
        if with_flows:
            self.flows.clear()
            self.behind_the_back()
        was = self.connected
        self._leave()
        if was:
            self._later(self.rng.uniform(0, 0.01), self._say_lost)

    def _say_lost(self) -> None:
        if self.tell is not None:
            self.tell(facts.SwitchLost("it closed the connection"))
            self.trusted = True  # nothing is claimed any more; the next dump is the truth

    def come(self) -> None:
        self.line.note(f"{self.name}: is back")
        self.present = True
        self.changed()
        self._later(self.rng.uniform(0, 0.2), self._connect)
