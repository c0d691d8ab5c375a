"""What of networking-bgpvpn's is imported, what is there already, what differs, what cannot be and why: pure.

The rules are the API's own. The unit is the BGPVPN and the association: one with a fault is left out whole, others are
not held up. Routers come first: where a network is in BGPVPNs by itself and by its router, the router stays. What is
here already is never changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from neutron_lib.db import constants as db

from isthmus.model.intent import AssociationKind
from isthmus.model.vpn import RouteDistinguisher, RouteTarget
from isthmus.neutron.commands.upstream.contents import Association, Bgpvpn, Contents
from isthmus.neutron.rows import port_routes
from isthmus.neutron.rows.numbers import DISTINGUISHERS
from isthmus.neutron.words import apidef
from isthmus.neutron.words.apidef import rules

V = TypeVar("V", int, str)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What Neutron and the numbers of the cloud say."""

    behind: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Per router the networks that it has an interface on."""
    networks: Mapping[str, str] = field(default_factory=dict)
    """The network of each port."""
    unserved: Mapping[str, str] = field(default_factory=dict)
    """Networks that cannot be part of a BGPVPN, with the reason."""
    taken: Mapping[int, str] = field(default_factory=dict)
    """VNIs that have been given here, with their BGPVPN."""


@dataclass(frozen=True, slots=True)
class Plan:
    bgpvpns: tuple[Bgpvpn, ...]
    associations: tuple[Association, ...]
    same: int
    differs: tuple[str, ...]
    refused: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not self.differs and not self.refused


def without_shared_vnis(theirs: Contents, taken: Mapping[int, str]) -> Contents:
    """As if nobody had chosen the VNIs that two BGPVPNs have: each gets one of the cloud's range."""
    shared = _shared(theirs, taken)
    bgpvpns = {i: replace(b, vni=None) if b.vni in shared else b for i, b in theirs.bgpvpns.items()}
    return Contents(bgpvpns, theirs.associations)


def _shared(theirs: Contents, taken: Mapping[int, str]) -> dict[int, list[str]]:
    """Each VNI that more than one BGPVPN claims, theirs and ours together."""
    claims = ((b.vni, b.id) for b in _by_id(theirs) if b.vni is not None)
    return _claimed_twice([*claims, *taken.items()])


def _shared_distinguishers(theirs: Contents, ours: Contents) -> dict[str, list[str]]:
    """Each route distinguisher that more than one BGPVPN has, theirs and ours together."""
    return _claimed_twice((rd, b.id) for b in (*_by_id(theirs), *_by_id(ours)) for rd in b.lists[DISTINGUISHERS])


def _by_id(contents: Contents) -> list[Bgpvpn]:
    return sorted(contents.bgpvpns.values(), key=lambda b: b.id)


def _claimed_twice(claims: Iterable[tuple[V, str]]) -> dict[V, list[str]]:
    """Each value with the BGPVPNs that claim it, in the order of the claims, if they are more than one."""
    found: dict[V, list[str]] = {}
    for value, bgpvpn in claims:
        ids = found.setdefault(value, [])
        if bgpvpn not in ids:
            ids.append(bgpvpn)
    return {value: ids for value, ids in found.items() if len(ids) > 1}


def plan(theirs: Contents, ours: Contents, around: Surroundings) -> Plan:
    """What to do; the same every time."""
    shared, distinguishers = _shared(theirs, around.taken), _shared_distinguishers(theirs, ours)
    bgpvpns: list[Bgpvpn] = []
    same, differs, refused = 0, [], []
    for new in _by_id(theirs):
        name = f"BGPVPN {new.id} ({new.name})"
        if new.id in ours.bgpvpns:
            found = list(_differences(new, ours.bgpvpns[new.id]))
            same += not found
            differs += [f"{name}: {', '.join(found)}"] if found else []
            continue
        faults = [
            *_bgpvpn_faults(new),
            *_claimed_elsewhere("VNI", [] if new.vni is None else [new.vni], shared, new),
            *_claimed_elsewhere("route distinguisher", new.lists[DISTINGUISHERS], distinguishers, new),
        ]
        refused += [f"{name}: {'; '.join(faults)}"] if faults else []
        bgpvpns += [] if faults else [new]
    known = dict(ours.bgpvpns) | {b.id: b for b in bgpvpns}
    bound = _Bound(known, ours, around)
    more, associations = _associations(theirs, ours, bound)
    return Plan(
        bgpvpns=tuple(bgpvpns),
        associations=tuple(associations),
        same=same + more.same,
        differs=tuple(differs + more.differs),
        refused=tuple(refused + more.refused),
    )


@dataclass(slots=True)
class _Told:
    same: int = 0
    differs: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def _associations(theirs: Contents, ours: Contents, bound: _Bound) -> tuple[_Told, list[Association]]:
    told, added = _Told(), []
    for new in sorted(theirs.associations.values(), key=lambda a: (_ORDER.index(a.kind), a.id)):
        name = f"{new.kind.value} association {new.id} ({new.kind.value} {new.target} in BGPVPN {new.bgpvpn})"
        if new.id in ours.associations:
            found = list(_differences(new, ours.associations[new.id]))
            told.same += not found
            told.differs += [f"{name}: {', '.join(found)}"] if found else []
            continue
        faults = list(bound.faults(new))
        if faults:
            told.refused.append(f"{name}: {'; '.join(faults)}")
        else:
            bound.add(new)
            added.append(new)
    return told, added


_ORDER = (AssociationKind.ROUTER, AssociationKind.NETWORK, AssociationKind.PORT)
_COMPARED = {
    Bgpvpn: ("project_id", "name", "type", "vni", "local_pref"),
    Association: ("project_id", "bgpvpn", "target", "advertise_extra_routes", "advertise_fixed_ips"),
}


def _differences(new: Bgpvpn | Association, old: Bgpvpn | Association) -> Iterator[str]:
    """What is otherwise here than there; times and revisions go on by themselves."""
    for attribute in _COMPARED[type(new)]:
        there, here = getattr(new, attribute), getattr(old, attribute)
        if there != here:
            yield f"{attribute} is {there} there, {here} here"
    if new.standard.description != old.standard.description:
        yield "the description differs"
    if isinstance(new, Bgpvpn) and isinstance(old, Bgpvpn):
        for kind in apidef.TARGET_LISTS:
            if set(new.lists[kind]) != set(old.lists[kind]):
                yield f"{kind} are {_written(new.lists[kind])} there, {_written(old.lists[kind])} here"
    if isinstance(new, Association) and isinstance(old, Association) and set(new.routes) != set(old.routes):
        yield "routes differ"


def _written(values: Collection[str]) -> str:
    return " ".join(values) or "none"


def _bgpvpn_faults(new: Bgpvpn) -> Iterator[str]:
    if not new.project_id:
        yield "it belongs to no project"
    for kind in apidef.TARGET_LISTS:
        parse = RouteDistinguisher.parse if kind == DISTINGUISHERS else RouteTarget.parse
        broken = rules.list_rule(parse)(list(new.lists[kind]))
        if broken:
            yield f"{kind}: {broken}"
    checks = {
        "name": rules.text_rule(new.name, db.NAME_FIELD_SIZE),
        "vni": rules.vni_rule(new.vni),
        "local_pref": rules.local_pref_rule(new.local_pref),
    }
    yield from (f"{attribute}: {broken}" for attribute, broken in checks.items() if broken)


def _claimed_elsewhere(what: str, values: Iterable[V], shared: Mapping[V, list[str]], new: Bgpvpn) -> Iterator[str]:
    for value in values:
        if value in shared:
            others = ", ".join(i for i in shared[value] if i != new.id)
            yield f"{what} {value} is also that of BGPVPN {others}"


class _Bound:
    """What is associated with what, here and by the plan so far."""

    def __init__(self, bgpvpns: Mapping[str, Bgpvpn], ours: Contents, around: Surroundings) -> None:
        self._bgpvpns, self._around = bgpvpns, around
        self._pairs: dict[tuple[AssociationKind, str, str], str] = {}
        self._by_target: Counter[tuple[AssociationKind, str]] = Counter()
        for association in ours.associations.values():
            self.add(association)

    def add(self, association: Association) -> None:
        self._pairs[association.kind, association.bgpvpn, association.target] = association.id
        self._by_target[association.kind, association.target] += 1

    def faults(self, new: Association) -> Iterator[str]:
        bgpvpn = self._bgpvpns.get(new.bgpvpn)
        if bgpvpn is None:
            yield "its BGPVPN is not imported"
            return
        other = self._pairs.get((new.kind, new.bgpvpn, new.target))
        if other is not None:
            yield f"both are associated here already, as {other}"
        match new.kind:
            case AssociationKind.ROUTER:
                yield from self._router_faults(new, bgpvpn)
            case AssociationKind.NETWORK:
                yield from self._network_faults(new)
            case AssociationKind.PORT:
                yield from self._unserved([self._around.networks.get(new.target, "")])
                yield from self._route_faults(new, bgpvpn)

    def _router_faults(self, new: Association, bgpvpn: Bgpvpn) -> Iterator[str]:
        if bgpvpn.type != apidef.L3:
            yield "a router can only be associated with a BGPVPN of type l3"
        behind = sorted(self._around.behind.get(new.target, ()))
        yield from self._unserved(behind)
        for network in behind:
            if self._by_target[AssociationKind.NETWORK, network]:
                yield f"network {network} behind it is in a BGPVPN by itself"

    def _network_faults(self, new: Association) -> Iterator[str]:
        yield from self._unserved([new.target])
        for router, networks in sorted(self._around.behind.items()):
            if new.target in networks and self._by_target[AssociationKind.ROUTER, router]:
                yield f"it is attached to router {router}, which is in a BGPVPN too: only one of both can be"

    def _unserved(self, networks: Collection[str]) -> Iterator[str]:
        for network in networks:
            if network in self._around.unserved:
                yield f"network {network} cannot be part of a BGPVPN: {self._around.unserved[network]}"

    def _route_faults(self, new: Association, bgpvpn: Bgpvpn) -> Iterator[str]:
        broken = rules.routes_rule(port_routes.to_api(new.routes))
        if broken:
            yield f"routes: {broken}"
        for leaked in [route.bgpvpn for route in new.routes if route.bgpvpn]:
            source = self._bgpvpns.get(leaked)
            if leaked == bgpvpn.id:
                yield f"routes: BGPVPN {leaked} cannot be leaked into itself"
            elif source is None:
                yield f"routes: BGPVPN {leaked} is not imported"
            elif source.type != bgpvpn.type:
                yield f"routes: BGPVPN {leaked} is of type {source.type}, that of the association of type {bgpvpn.type}"
            elif source.project_id != new.project_id:
                yield f"routes: BGPVPN {leaked} belongs to another project than the association"
