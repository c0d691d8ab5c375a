"""The flows that are of no view, piece by piece: circuits, what is delivered, tunnel endpoints.

Rules: a piece is rendered again when something of it has changed, and only then; what it no longer has goes.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping

from isthmus.fib.entries import Circuit, CircuitName, Inbound, LabelKey, SourceKey, ViewId
from isthmus.flows.render import Renderer, labels
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress
from isthmus.node.tables import Changes

_ALWAYS = "always"


class Base:
    """See the head of the file."""

    def __init__(self) -> None:
        self._pieces: dict[Hashable, dict[FlowKey, str]] = {}
        self._inbound: dict[Inbound, CircuitName] = {}
        self._labels: dict[int, int] = {}
        self._sent_to: frozenset[IpAddress] = frozenset()
        self._heard_of: frozenset[IpAddress] = frozenset()

    def always(self, renderer: Renderer, changes: Changes) -> None:
        self._replace(_ALWAYS, renderer.always(), changes)

    def circuit(
        self,
        name: CircuitName,
        wanted: Circuit | None,
        sources: Mapping[SourceKey, ViewId],
        renderer: Renderer,
        changes: Changes,
    ) -> None:
        """One circuit; None: it is not served."""
        flows = {} if wanted is None else renderer.circuit(name, wanted)
        for source, view in sources.items():
            flows |= renderer.source(source, view, wanted)
        self._replace(name, flows, changes)

    def inbound(
        self,
        wanted: dict[Inbound, CircuitName],
        replugged: Collection[CircuitName],
        renderer: Renderer,
        changes: Changes,
        *,
        tunnel_moved: bool,
    ) -> None:
        """All that is delivered. `replugged`: circuits that have another port number. `tunnel_moved`: what has labels
        is rendered only where there is a port for it."""
        for key in self._inbound.keys() - wanted.keys():
            self._replace(key, {}, changes)
        for key, circuit in wanted.items():
            moved = tunnel_moved and isinstance(key, LabelKey)
            if moved or self._inbound.get(key) != circuit or circuit in replugged:
                self._replace(key, renderer.inbound(key, circuit), changes)
        self._inbound = wanted
        self._each_label(labels(wanted), renderer, changes, tunnel_moved=tunnel_moved)

    def _each_label(self, now: dict[int, int], renderer: Renderer, changes: Changes, *, tunnel_moved: bool) -> None:
        """What a label has behind it: one flow, however many addresses."""
        for number in self._labels.keys() - now.keys():
            self._replace(("label", number), {}, changes)
        for number, version in now.items():
            if tunnel_moved or self._labels.get(number) != version:
                self._replace(("label", number), renderer.label(number, version), changes)
        self._labels = now

    def endpoints(
        self,
        sent_to: frozenset[IpAddress],
        heard_of: frozenset[IpAddress],
        renderer: Renderer,
        changes: Changes,
        *,
        tunnel_moved: bool,
    ) -> None:
        """Tunnel endpoints that can be sent to, and those whose answers to probes are wanted. `tunnel_moved`: a
        port that all of them go by has another number."""
        for way, now, before in (("to", sent_to, self._sent_to), ("of", heard_of, self._heard_of)):
            self._each(now | before if tunnel_moved else now ^ before, now, way, renderer, changes)
        self._sent_to, self._heard_of = sent_to, heard_of

    def _each(
        self,
        changed: Iterable[IpAddress],
        wanted: Collection[IpAddress],
        way: str,
        renderer: Renderer,
        changes: Changes,
    ) -> None:
        render = renderer.endpoint if way == "to" else renderer.answer
        for endpoint in changed:
            self._replace((way, endpoint), render(endpoint) if endpoint in wanted else {}, changes)

    def _replace(self, piece: Hashable, flows: dict[FlowKey, str], changes: Changes) -> None:
        before = self._pieces.pop(piece, {})
        changes.gone |= before.keys() - flows.keys()
        changes.put |= flows
        if flows:
            self._pieces[piece] = flows
