"""What breaks, and who mends it: processes, connections, switches, cables, and hosts taken out of use.

Rules as in history.py. Whatever is broken here for a while has its end planned when it begins.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from isthmus.bgp.family import EVPN
from isthmus.flows.types import FlowKey, Installed
from isthmus.node.report import status
from tests.sim.host import Host
from tests.sim.liar import Marker
from tests.sim.reflector import Peer
from tests.sim.rows import Spelling
from tests.sim.simulation import Simulation

T = TypeVar("T")

FOREIGN_COOKIE = 0xDEAD


def pick(rng: random.Random, things: Sequence[T]) -> T | None:
    return rng.choice(things) if things else None


class Trouble:
    """Acts on a simulation."""

    def __init__(self, sim: Simulation) -> None:
        self.sim, self.rng = sim, sim.rng

    def _peer(self) -> Peer | None:
        """Somebody who is connected with a reflector."""
        return pick(self.rng, [p for r in self.sim.reflectors for p in r.peers.values() if p.connection is not None])

    def restart_agent(self) -> str | None:
        host = self.rng.choice(self.sim.hosts)
        if host.run is None or self._has_newer(host):
            return None
        host.stop(farewell=self.rng.random() < 0.2)
        if self.rng.random() < 0.2:
            host.memory = None
        self._begin_again(host, self.rng.choice((0.2, 1.0, 5.0, 20.0)))
        return f"the agent of {host.name} restarts"

    def exchange_agent(self) -> str | None:
        host = self.rng.choice(self.sim.hosts)
        if host.run is None or self._has_newer(host):
            return None
        host.exchange()
        self._begin_again(host, self.rng.choice((0.1, 0.5, 2.0, 40.0)))
        return f"the agent of {host.name} is exchanged"

    def write_memory(self) -> str | None:
        host = self.rng.choice(self.sim.hosts)
        host.write_memory()
        return f"{host.name} writes its memory"

    def _begin_again(self, host: Host, seconds: float) -> None:
        self.sim.line.after(seconds, lambda: host.start() if host.run is None else None)

    def _has_newer(self, host: Host) -> bool:
        cloud = next(c for c in self.sim.clouds if c.asn == host.asn)
        return any(r.spelling is Spelling.NEWER for r in cloud.rows.values())

    def restart_reflector(self) -> str | None:
        reflector = self.rng.choice(self.sim.reflectors)
        if not reflector.up:
            return None
        reflector.patient = self.rng.random() < 0.5
        reflector.die(silently=self.rng.random() < 0.2)
        downtime = self.rng.choice((0.5, 3.0, 20.0, 60.0))
        life = reflector.life
        self.sim.line.after(downtime, lambda: reflector.start() if reflector.life == life else None)
        return f"{reflector.name} restarts"

    def reset_session(self) -> str | None:
        peer = self._peer()
        if peer is None or peer.connection is None:
            return None
        peer.connection.reset()
        return f"a connection with {peer.name} is reset"

    def stall_session(self) -> str | None:
        peer = self._peer()
        if peer is None or peer.connection is None:
            return None
        seconds = self.rng.choice((2.0, 10.0, 45.0))
        peer.connection.stall(seconds)
        self.sim.stalled_until = max(self.sim.stalled_until, self.sim.line.now + seconds + 1)
        return f"a connection with {peer.name} stalls for {seconds:.0f} s"

    def refresh(self) -> str | None:
        peer = self._peer()
        if peer is None or peer.session is None or not peer.up:
            return None
        reflector = next(r for r in self.sim.reflectors if peer in r.peers.values())
        reflector.ask_again(peer, EVPN)
        return f"{reflector.name} asks {peer.name} for everything again"

    def overload(self) -> str | None:
        """A host's agent gets no time for a while, just when a peer wants everything again and its cloud changes."""
        host = self.rng.choice(self.sim.hosts)
        if host.run is None:
            return None
        seconds = self.rng.choice((0.1, 0.5, 2.0))
        host.busy_until = self.sim.line.now + seconds
        for reflector in self.sim.up(host.asn):
            peer = reflector.peers[host.name]
            if peer.up and peer.session is not None and self.rng.random() < 0.7:
                reflector.ask_again(peer, EVPN)
        return f"{host.name} has no time for {seconds} s"

    def restart_switch(self) -> str | None:
        return self._interrupt(flows_too=True)

    def break_switch_connection(self) -> str | None:
        return self._interrupt(flows_too=False)

    def _interrupt(self, *, flows_too: bool) -> str | None:
        host = self.rng.choice(self.sim.hosts)
        if not host.switch.present:
            return None
        host.switch.go(with_flows=flows_too)
        self.sim.line.after(self.rng.uniform(0.1, 5), lambda: None if host.switch.present else host.switch.come())
        return f"{host.name}: the switch {'restarts' if flows_too else 'drops its connection'}"

    def refuse(self) -> str | None:
        host = self.rng.choice(self.sim.hosts)
        host.switch.refusing = True

        def obey() -> None:
            host.switch.refusing = False

        self.sim.line.after(self.rng.uniform(0.1, 8), obey)
        return f"{host.name}: the switch refuses whatever it is told"

    def tamper(self) -> str | None:
        """Somebody deletes or changes a flow by hand."""
        host = self.rng.choice(self.sim.hosts)
        key = pick(self.rng, sorted(k for k, f in host.switch.flows.items() if f.ours))
        if key is None:
            return None
        if self.rng.random() < 0.5:
            del host.switch.flows[key]
        else:
            host.switch.flows[key] = replace(host.switch.flows[key], actions="drop")
        host.switch.behind_the_back()
        return f"{host.name}: somebody meddles with {key}"

    def meddle(self) -> str | None:
        """Somebody else's flow."""
        host = self.rng.choice(self.sim.hosts)
        host.switch.flows[FlowKey(63, self.rng.randrange(9), "ip")] = Installed(FOREIGN_COOKIE, "drop")
        host.switch.behind_the_back()
        return f"{host.name}: somebody else writes a flow"

    def lose_southbound(self) -> str | None:
        host = self.rng.choice(self.sim.hosts)
        if not host.southbound:
            return None
        host.lose_southbound()
        self.sim.line.after(self.rng.uniform(0.5, 30), lambda: None if host.southbound else host.find_southbound())
        return f"{host.name}: the southbound database is away"

    def answer(self) -> str | None:
        """An endpoint that never answered does."""
        host = pick(self.rng, [h for h in self.sim.hosts if h.mute])
        if host is None:
            return None
        vtep = min(host.mute)
        host.answers_again(vtep)
        return f"{host.name}: {vtep} answers"

    def drain(self) -> str | None:
        return self._take(out=True)

    def undrain(self) -> str | None:
        return self._take(out=False)

    def _take(self, *, out: bool) -> str | None:
        host = pick(self.rng, [h for h in self.sim.hosts if h.drained is not out])
        if host is None:
            return None
        host.drain(out)
        return f"{host.name} is taken {'out of use' if out else 'back into use'}"

    def cut(self) -> str | None:
        """Nothing passes between two hosts, or between one and all others, though its BGP may live."""
        host = self.rng.choice(self.sim.hosts)
        others = [h for h in self.sim.hosts if h is not host]
        met = others if self.rng.random() < 0.4 else [self.rng.choice(others)]
        self.sim.underlay.cut(*(frozenset((host.name, h.name)) for h in met))
        return f"{host.name} is cut off from {', '.join(h.name for h in met)}"

    def mend(self) -> str | None:
        cuts = sorted(self.sim.underlay.cuts, key=sorted)
        if not cuts:
            return None
        mended = cuts if self.rng.random() < 0.5 else [self.rng.choice(cuts)]
        self.sim.underlay.mend(*mended)
        return f"cables are mended: {[' - '.join(sorted(c)) for c in mended]}"

    def lie(self) -> str | None:
        """A peer that lies (if there is one) says something about somebody's address; it stays said."""
        liar = self.sim.liar
        owned = pick(self.rng, [o for found in self.sim.offered().values() for o in found])
        if liar is None or owned is None:
            return None
        lie = liar.tongue.about(owned, [h.place.vtep for h in self.sim.hosts])
        liar.say(lie)
        return f"the liar: {lie}"

    def restart_liar(self) -> str | None:
        liar = self.sim.liar
        if liar is None:
            return None
        liar.restart(self.rng.choice(list(Marker)), gracefully=self.rng.random() < 0.5, silently=False)
        return "the liar restarts"

    def look(self) -> str | None:
        """An operator looks at a node, whatever it is at."""
        host = self.rng.choice(self.sim.hosts)
        if host.run is None:
            return None
        told = status(host.node, self.sim.line.now)
        return f"{host.name} shows {len(told.routes)} routes"
