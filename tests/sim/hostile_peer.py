"""Scenes of a peer that lies, played from rest: whatever it says, and however it says it, is nobody's business but that
of the VPNs that were agreed on with it, and there it takes nothing from who came first.

Rules: at every step no line that leads to who came first differs, and what else appears leads to a hypervisor of ours
or is a lie that the liar may say. At rest all is as the model has it, and when it has taken all back, as without it.
"""

from __future__ import annotations

import ipaddress
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from isthmus.flows.layout import Table
from isthmus.flows.types import FlowKey
from isthmus.node.report import status
from isthmus.rib.budget import Maxima
from isthmus.rib.path import Path
from isthmus.vpn.claims import Title
from tests.sim.history import History
from tests.sim.host import Broken, Host
from tests.sim.liar import Liar, Marker
from tests.sim.reference import Offer
from tests.sim.simulation import TIGHT, Simulation

FLOOD = (100, 320, 520, 520)
"""Below every maximum of routes (`TIGHT`), beyond that of a target, and beyond that of a peer."""


class Stage(Protocol):
    """Where scenes are played."""

    @property
    def sim(self) -> Simulation: ...
    @property
    def rng(self) -> random.Random: ...
    @property
    def history(self) -> History: ...
    def settle(self) -> None: ...


def hostile_peer(stage: Stage) -> dict[str, Callable[[], bool]]:
    """The scenes, if there is such a peer in this world."""
    liar = stage.sim.liar
    if liar is None:
        return {}
    return {
        "lying peer": lambda: HostilePeer(stage, liar).lies(),
        "flooding peer": lambda: HostilePeer(stage, liar).floods(),
    }


class HostilePeer:
    """One scene."""

    def __init__(self, stage: Stage, liar: Liar) -> None:
        self.stage, self.sim, self.rng, self.liar = stage, stage.sim, stage.rng, liar
        self._owned = [o for found in self.sim.offered().values() for o in found if o.sequence]
        self._hypervisors = [h.place.vtep for h in self.sim.hosts]

    def lies(self) -> bool:
        """About addresses, one by one, while it flaps, babbles and never comes to an end."""
        if not self._owned:
            return False
        self._watch()
        for _ in range(self.rng.randrange(4, 16)):
            self.rng.choice([self._lie, self._lie, self._lie, self._restart, self._reset, self._babble, self._recant])()
            self.sim.pass_time(self.rng.choice((0.0, 0.2, 1.0, 5.0)))
        if self.liar.marker is Marker.NEVER and self.rng.random() < 0.7:
            self._boots_meanwhile()
        self._say_the_end()
        self.sim.rest()
        self.sim.judge()
        self._goes()
        return True

    def floods(self) -> bool:
        """So much that somebody's maximum is reached."""
        if not self._owned:
            return False
        self._watch()
        for _ in range(self.rng.choice((1, 1, 2))):
            self.liar.say(*self.liar.tongue.flood(self.rng.choice(self._owned), self.rng.choice(FLOOD)))
            self.rng.choice([self._lie, self._reset, self._babble, self._restart])()
            self.sim.pass_time(self.rng.choice((0.2, 1.0, 5.0)))
        self._say_the_end()
        self.sim.rest()
        for host in self.sim.hosts:
            self._within_its_budget(host)
        self._goes()
        return True

    # What it does

    def _lie(self) -> None:
        for _ in range(self.rng.choice((1, 1, 3))):
            lie = self.liar.tongue.about(self.rng.choice(self._owned), self._hypervisors)
            self.sim.line.note(f"* the liar: {lie}")
            self.liar.say(lie)

    def _recant(self) -> None:
        if self.liar.lies:
            self.liar.take_back([self.rng.choice(list(self.liar.lies))])

    def _restart(self) -> None:
        marker = self.rng.choice(list(Marker))
        self.sim.line.note(f"* the liar restarts, and says End-of-RIB {marker.value}")
        gracefully = self.rng.random() < 0.5
        self.liar.restart(marker, gracefully=gracefully, silently=self.rng.random() < 0.2)

    def _reset(self) -> None:
        for peer in self.liar.peers.values():
            if peer.connection is not None and self.rng.random() < 0.6:
                peer.connection.reset()

    def _babble(self) -> None:
        """Then it begins anew: what was lost by that is said again."""
        told = [p for p in self.liar.peers.values() if p.up and p.connection is not None and self.rng.random() < 0.5]
        for peer in told:
            for _ in range(self.rng.randrange(1, 6)):
                self.liar.babble(peer)
        self.sim.pass_time(1.0)
        for peer in told:
            if peer.connection is not None:
                peer.connection.reset()

    def _boots_meanwhile(self) -> None:
        """A peer that never comes to an end keeps nobody from being first."""
        self.stage.history.boot()
        self.sim.pass_time(20.0)
        for host in self.sim.hosts:
            quiet = [r for r in self.sim.up(host.asn) if not host.node.peers[r.address].in_sync]
            unknown = [k for k, c in host.node.claims.live.items() if c.title is Title.UNKNOWN]
            if unknown and not quiet and self.sim.up(host.asn):
                raise Broken(f"{host.name}: whose {unknown[0]} is depends on whether the liar comes to an end")

    def _say_the_end(self) -> None:
        self.liar.marker = Marker.AFTER
        self.liar.touch(())

    def _goes(self) -> None:
        """It takes all back, or is cut off and comes back with nothing to say."""
        self.sim.watch = None
        if self.rng.random() < 0.5:
            self.liar.lies.clear()
            self.liar.restart(Marker.AFTER, gracefully=False, silently=False)
        else:
            self.liar.take_back(list(self.liar.lies))
        self.stage.settle()

    # What must hold

    def _watch(self) -> None:
        """At every step from now on."""
        sim = self.sim
        held = {h.name: _held(h, self._owned) for h in sim.hosts}
        commits = {h.name: h.switch.commits for h in sim.hosts}

        def watch() -> None:
            for host in sim.hosts:
                if host.switch.commits == commits[host.name]:
                    continue
                commits[host.name] = host.switch.commits
                flows = host.switch.flows
                for key, was in held[host.name].items():
                    now = flows[key].actions if key in flows else None
                    if now != was:
                        raise Broken(f"{host.name}: a peer that lies draws {key.match}: {was} -> {now}")
                self._leads_nowhere_else(host)

        sim.watch = watch

    def _leads_nowhere_else(self, host: Host) -> None:
        """What is not ours leads to the liar, from views that it may speak in."""
        agreed = self.liar.leave.targets
        may = {f"metadata={n:#x}" for n, v in host.node.tables.views.items() if agreed & {str(t) for t in v.imports}}
        for key, flow in host.switch.flows.items():
            if key.table == Table.VIEW and "->tun_dst" in flow.actions:
                to = flow.actions.split("->tun_dst")[0].rpartition(":")[2]
                if to in self._hypervisors:
                    continue
                if may.isdisjoint(key.match.split(",")) or not _in(to, self.liar.leave.next_hops):
                    raise Broken(f"{host.name}: a peer that lies says where packets go: {key} {flow.actions}")

    def _within_its_budget(self, host: Host) -> None:
        told = status(host.node, host.now)
        (peer,) = (p for p in told.peers if p.address == str(self.liar.address))
        if peer.received + sum(peer.not_taken.values()) < len(self.liar.lies):
            raise Broken(f"{host.name}: of {len(self.liar.lies)} lies it has {peer.received}, refused {peer.not_taken}")
        kept = [path for path in host.node.rib if path.peer == self.liar.address]
        self._within(host, kept, TIGHT.of_peer_and_target[0])
        for target in {t for path in kept for t in path.heard.route_targets}:
            self._within(host, [p for p in kept if target in p.heard.route_targets], TIGHT.of_peer_and_target[1])
        strangers = {str(e) for e in host.node.tables.endpoints} - set(self._hypervisors)
        if len(strangers) > TIGHT.next_hops_per_peer:
            raise Broken(f"{host.name}: {len(strangers)} endpoints of the liar's")
        for reflector in self.sim.up(host.asn):
            (honest,) = (p for p in told.peers if p.address == str(reflector.address))
            if honest.not_taken:
                raise Broken(f"{host.name}: of {reflector.name} it refuses {honest.not_taken}")

    @staticmethod
    def _within(host: Host, kept: list[Path], most: Maxima) -> None:
        crowds = Counter(path.nlri.destination for path in kept)
        hops = {path.heard.next_hop for path in kept}
        has = Maxima(len(kept), sum(path.heard.octets for path in kept), len(hops), max(crowds.values(), default=0))
        if any(mine > limit for mine, limit in zip(has, most, strict=True)):
            raise Broken(f"{host.name}: the liar has {has} of {most}")


def _held(host: Host, owned: Iterable[Offer]) -> dict[FlowKey, str]:
    """The lines of views that lead to somebody who came first, and what is delivered here: but for views in which an
    address is of a VPN that others share, and for who is silent."""
    here = {(o.vni, o.address) for o in owned if o.place.host == host.name}
    ways: dict[str, list[tuple[str, Offer]]] = {}
    for o in owned:
        port = host.switch.circuits.get(o.circuit)
        way = f"output:{port}" if o.place.host == host.name else f"{o.vni:#x}->tun_id,set_field:{o.place.vtep}->tun_dst"
        if o.place.vtep not in host.silent:
            ways.setdefault(o.address, []).append((way, o))
    own = {f"metadata={n:#x}": {str(t) for t in view.own} for n, view in host.node.tables.views.items()}
    found: dict[FlowKey, str] = {}
    for key, flow in host.switch.flows.items():
        words = key.match.split(",")
        address = words[-1].rpartition("=")[2]
        if key.table == Table.INBOUND and key.match and any(f"tun_id={v:#x}" in words for v, a in here if a == address):
            found[key] = flow.actions
        elif key.table == Table.VIEW and words[-1].rpartition("=")[0].endswith("_dst"):
            targets = own.get(next((w for w in words if w.startswith("metadata=")), ""), set())
            if any(way in flow.actions and o.targets & targets for way, o in ways.get(address, ())):
                found[key] = flow.actions
    return found


def _in(address: str, network: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)
