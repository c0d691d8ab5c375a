"""Who answers whom through the tunnels, and the rounds of probes in which an agent finds out.

The underlay is a set of cuts. Counting is the agent's own (`shell.liveness.Watch`, which is pure); rounds are made only
while an answer may be news, because five a second for ever would be all that a history consists of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from isthmus.flows.layout import PROBE_MAC, PROBE_TYPE, Table
from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress
from isthmus.node.facts import Answer, AnswersRead, Fact
from isthmus.shell.liveness import PROBE_S, Watch
from isthmus.shell.turns import MOMENTS
from tests.sim.switch import Switch
from tests.sim.time_line import TimeLine

CALM = 5
"""Rounds without news after which nobody asks until something changes: more than silence takes."""


class End(Protocol):
    """A hypervisor, as the underlay sees it."""

    @property
    def name(self) -> str: ...
    @property
    def vtep(self) -> str: ...
    @property
    def switch(self) -> Switch: ...
    @property
    def mute(self) -> set[str]: ...


@dataclass(slots=True)
class Underlay:
    """Who reaches whom."""

    ends: dict[str, End] = field(default_factory=dict)
    """By tunnel endpoint."""
    cuts: set[frozenset[str]] = field(default_factory=set)
    """Pairs of names between which nothing passes."""
    wake: list[Callable[[], None]] = field(default_factory=list)

    def changed(self) -> None:
        for wake in self.wake:
            wake()

    def cut(self, *pairs: frozenset[str]) -> None:
        self.cuts.update(pairs)
        self.changed()

    def mend(self, *pairs: frozenset[str]) -> None:
        self.cuts.difference_update(pairs)
        self.changed()

    def answers(self, end: End, vtep: str) -> bool:
        """Whether a probe from here comes back from there and is handed to the agent."""
        far = self.ends.get(vtep)
        if far is None:
            return False  # a PE of another maker, or nobody
        if frozenset((end.name, far.name)) in self.cuts or vtep in end.mute:
            return False
        asks = Renderer.answer_key(IpAddress.parse(vtep)) in end.switch.flows
        return asks and end.switch.present and _reflects(far.switch) and _reflects(end.switch)


def _reflects(switch: Switch) -> bool:
    key = FlowKey(Table.CLASSIFY, 100, f"in_port={switch.TUNNEL},dl_dst={PROBE_MAC},dl_type={PROBE_TYPE:#x}")
    flow = switch.flows.get(key)
    return switch.present and flow is not None and flow.actions.startswith("move:")


class Prober:
    """One agent's; ends with its run."""

    def __init__(self, line: TimeLine, underlay: Underlay, end: End, tell: Callable[[Fact], None]) -> None:
        self._line, self._underlay, self._end, self._tell = line, underlay, end, tell
        self.watch = Watch()
        self.calm = CALM
        self._going = False
        self._away = False

    def ask(self, endpoints: Mapping[IpAddress, Answer]) -> None:
        self.watch.ask(endpoints)
        self.wake()

    def wake(self) -> None:
        self.calm = 0
        if not self._going and self.watch.answers:
            self._going = True
            self._line.after(PROBE_S, self._round)

    def stop(self) -> None:
        self.watch = Watch()

    def _round(self) -> None:
        self._going = False
        if not self.watch.answers:
            self.calm = CALM
            return
        if not self._end.switch.present:
            self._away = True
        elif self._away:
            self._away = False
            self.watch.forgive()
            self.calm = 0
        elif self._ask_all():
            self._line.stir()
            self.calm = 0
        self.calm += 1
        if self.calm < CALM or self._away:
            self._going = True
            self._line.after(PROBE_S, self._round)

    def _ask_all(self) -> bool:
        """One round; whether it brought news."""
        news = False
        for _ in range(MOMENTS):
            asked, silent = self.watch.turn()
            news = news or silent
            for endpoint in asked:
                if self._underlay.answers(self._end, str(endpoint)):
                    news = self.watch.came_from(endpoint) or news
        if news:
            silent = sorted(str(e) for e, a in self.watch.answers.items() if a is Answer.SILENT)
            self._line.note(f"{self._end.name}: silent are {silent}")
            self._tell(AnswersRead(dict(self.watch.answers)))
        return news
