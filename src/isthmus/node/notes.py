"""What an owner may want to know of a BGPVPN though nothing is wrong: told to the cloud, whatever the status.

Rules: what somebody has configured so is named, and judged by nobody. Words that follow from rows and routes only, and
no numbers: a report changes when something happened, not with each route.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from isthmus.bgp.nlri import Destination
from isthmus.fib.entries import CircuitName, ViewId
from isthmus.model.net import Prefix
from isthmus.model.reason import Contested, Note
from isthmus.model.vpn import RouteTarget
from isthmus.node.core import Node
from isthmus.vpn.exports import Export
from isthmus.vpn.views import View

NAMED_MAX = 4
"""Default routes of a view that are named: a report has little room, and one may come in very many pieces."""


def notes(node: Node) -> dict[CircuitName, dict[str, list[str]]]:
    """By circuit and BGPVPN."""
    found: dict[CircuitName, dict[str, list[str]]] = {}
    in_order = cache(lambda number: sorted(node.tables.entries[number], key=_place))
    for circuit in sorted(node.picture.local.circuits):
        intent, doors = node.picture.admitted.circuits.get(circuit), node.picture.doors.get(circuit)
        if intent is None or doors is None:
            continue
        for view in (node.tables.views[number] for number in doors.views if number in node.tables.views):
            for words, targets in (*_defaults(node, view), *_hidden(view, intent.routes, in_order)):
                for a in intent.associations:
                    if not targets.isdisjoint(a.imports):
                        found.setdefault(circuit, {}).setdefault(a.bgpvpn, []).append(words)
    for circuit, bgpvpn, words in _contested(node):
        found.setdefault(circuit, {}).setdefault(bgpvpn, []).append(words)
    return {circuit: {b: list(dict.fromkeys(words)) for b, words in one.items()} for circuit, one in found.items()}


Words = tuple[str, frozenset[RouteTarget]]
"""What is to be said, and of whom: who imports one of these."""


def _contested(node: Node) -> Iterator[tuple[CircuitName, str, str]]:
    """Nobody can make another's status bad: who had an address first is told, and no more."""
    counted = Counter((e.circuit, e.bgpvpn) for e in node.picture.local if e.contested is Contested.FIRST)
    for (circuit, bgpvpn), number in sorted(counted.items()):
        yield circuit, bgpvpn, f"{addresses_are(number)} contested: {Contested.FIRST.value}"


def addresses_are(number: int) -> str:
    return "1 address is" if number == 1 else f"{number} addresses are"


def _defaults(node: Node, view: View) -> Iterator[Words]:
    """All that are shorter than /8: 0.0.0.0/1 with 128.0.0.0/1 is one in two pieces, and there may be more of them."""
    entries = node.tables.entries[view.id]
    bests = {prefix: entries[prefix].best for prefix in node.tables.default_routes(view.id)}
    said = [(prefix, best.heard.route_targets) for prefix, best in bests.items() if not isinstance(best, Export)]
    for prefix, targets in said[:NAMED_MAX]:
        yield f"{prefix} is {Note.DEFAULT_ROUTE.value}", targets
    if more := said[NAMED_MAX:]:
        yield f"and {len(more)} more shorter than /8", frozenset().union(*(t for _, t in more))


def _hidden(
    view: View, routes: Iterable[Prefix], in_order: Callable[[ViewId], Sequence[Destination]]
) -> Iterator[Words]:
    for route in routes:
        if _covers_some(route, in_order(view.id)):
            yield f"the router's own route {route} hides routes of this VPN", view.imports


def _covers_some(route: Prefix, destinations: Sequence[Destination]) -> bool:
    """One search: in order, what a prefix covers begins where the prefix would stand, and nothing is between."""
    at = bisect_left(destinations, _place(route), key=_place)
    return at < len(destinations) and route.covers(destinations[at])


def _place(prefix: Prefix) -> tuple[int, Prefix]:
    return prefix.version, prefix
