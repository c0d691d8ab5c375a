"""Two clouds, their hosts and reflectors, and a random history of them: turmoil, rest, comparison, and again.

Everything is drawn from one seed: the places, what the clouds ask for, who is late, who dies. After each rest the
forwarding of every node is compared with the plain model (verdict.py), and a fresh computation with the kept one.

Rules: the model is handed what each *running* agent was told, never what its node made of it. What time explains (a
drain, stale routes, flows of an earlier run) is said here in `expected`, in the model's words.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from isthmus.bgp.session import State
from isthmus.model.net import IpAddress, Prefix
from isthmus.node.config import Limits, PeerConfig
from isthmus.vpn.trust import EVERYTHING, TargetRange, Trust
from tests.sim.cloud import Cloud
from tests.sim.host import HOLD_S, Broken, Host, Run
from tests.sim.liar import Liar
from tests.sim.lies import TARGETS, Leave
from tests.sim.prober import CALM, Underlay
from tests.sim.reference import Offer, Place, Standing, offers, over, standing
from tests.sim.reflector import Kin, Peer, Reflector
from tests.sim.time_line import TimeLine
from tests.sim.verdict import (
    Difference,
    Interest,
    compare_announced,
    compare_forwarding,
    compare_installed,
    compare_recomputed,
    compare_refused,
    compare_story,
)
from tests.sim.wire import Connection

QUIET_S = 4.0
"""At rest: so long nothing has happened but keepalives and audits. Every single delay of the world is shorter."""
REST_S_MAX = 600.0
TIGHT = Limits(
    routes_per_peer=500,
    routes_per_target=300,
    octets_per_peer=200_000,
    octets_per_target=150_000,
    next_hops_per_peer=40,
    next_hops_per_target=30,
    paths_per_prefix=40,
    paths_per_target=30,
)
"""Of each peer where one lies: more than any history needs, and so little that somebody soon says too much."""


@dataclass(slots=True)
class Tally:
    """What a run did."""

    actions: dict[str, int] = field(default_factory=dict)
    rests: int = 0
    fates: int = 0

    def count(self, action: str) -> None:
        self.actions[action] = self.actions.get(action, 0) + 1


class Simulation:
    """The world; history.py acts on it."""

    def __init__(self, seed: int, *, trace: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.line = TimeLine(trace=trace)
        self.tally = Tally()
        self.clouds = [Cloud("east", 64512), Cloud("west", 64513)]
        self.hosts: list[Host] = []
        self.reflectors: list[Reflector] = []
        self.underlay = Underlay()
        self.stalled_until = 0.0
        self.left: dict[str, Standing] = {}
        """By host: what an earlier run left that may not be swept yet."""
        self.frozen: dict[str, list[Offer]] = {}
        """By host: what it heard last, while its cloud has no reflector."""
        self.frozen_until: dict[str, dict[int, float]] = {}
        """By host: from when on it does not believe that of a cloud any longer."""
        self.had: set[tuple[str, str]] = set()
        """Networks, and the addresses that a machine of theirs has had: no run takes as long as a title lasts."""
        self.watch: Callable[[], None] | None = None
        """Called after every step."""
        self._limited = self.rng.random() < 0.3
        """Whether some hosts have limits that are reached."""
        self.liar = None if self._limited or self.rng.random() < 0.4 else self._lie_in_wait()
        for index, cloud in enumerate(self.clouds):
            self._build(index, cloud)
        self._mesh()
        for reflector in self.speakers:
            reflector.start()
        for host in self.hosts:
            host.start()

    @property
    def speakers(self) -> list[Reflector]:
        """Whoever has sessions with hosts."""
        return self.reflectors if self.liar is None else [*self.reflectors, self.liar]

    # Building

    def _build(self, index: int, cloud: Cloud) -> None:
        names = [f"{cloud.name}-reflector-{n}" for n in range(1, self.rng.choice((2, 3, 3)))]
        addresses = [IpAddress.parse(f"172.30.{index + 1}.{250 + n}") for n in range(len(names))]
        for name, address in zip(names, addresses, strict=True):
            self.reflectors.append(Reflector(name, address, cloud.asn, self.line, self.rng, self))
        for n in range(1, self.rng.choice((3, 4, 4, 5))):
            vtep, mac = f"172.30.{index + 1}.{n}", f"02:78:ac:1e:{index + 1:02x}:{n:02x}"
            routes_max = self.rng.choice((20_000, 3, 8)) if self._limited else 20_000
            circuits_max = self.rng.choice((1000, 1, 2)) if self._limited else 1000
            ports_max = self.rng.choice((1000, 1, 3)) if self._limited else 1000
            long_lived_s = self.rng.choice((604_800, 604_800, 100, 0))
            limits = (routes_max, circuits_max, ports_max)
            place = Place(f"{cloud.name}-{n}", cloud.name, vtep, mac, *limits, long_lived_s)
            host = Host(place, cloud.asn, tuple(addresses), self.line, self.rng, self, self.underlay, *self._wary())
            self.hosts.append(host)

    def _lie_in_wait(self) -> Liar:
        """A third cloud's PE, which every host has a session with; below or above all others' addresses."""
        net = self.rng.choice(("172.30.0", "172.30.3"))
        prefixes = None if self.rng.random() < 0.6 else ("10.1.0.0/24", "10.99.0.0/16", "fd00:1::/64")
        agreed = frozenset(self.rng.sample(TARGETS, 2))
        leave = Leave(agreed, f"{net}.0/24", prefixes)
        return Liar(IpAddress.parse(f"{net}.9"), self.line, self.rng, self, leave)

    def _wary(self) -> tuple[tuple[PeerConfig, ...], Limits, Trust]:
        """What an operator says of a PE that he does not trust further than he must, and so of everybody."""
        if self.liar is None:
            return (), Limits(), EVERYTHING
        leave, itself = self.liar.leave, Prefix.host(self.liar.address)
        ranges = tuple(TargetRange.parse(t) for t in sorted(leave.targets))
        prefixes = None if leave.prefixes is None else tuple(Prefix.parse(p) for p in leave.prefixes)
        trust = Trust(ranges, ranges, prefixes, (itself, Prefix.parse(leave.next_hops)))
        guest = PeerConfig(self.liar.address, self.liar.asn, HOLD_S, self.rng.random() * 0.99, 0, trust)
        ours = Trust(tunnel_endpoints=tuple(Prefix.parse(f"172.30.{n}.0/24") for n in (1, 2)))
        return (guest,), TIGHT, ours

    def _mesh(self) -> None:
        """Clients; internal sessions between a cloud's reflectors, or not; external ones: all to all, or in pairs."""
        internal, full = self.rng.random() < 0.5, self.rng.random() < 0.5
        for r in self.speakers:
            for host in self.hosts:
                if r is self.liar:
                    r.add(Peer(host.name, IpAddress.parse(host.place.vtep), host.asn, Kin.EXTERNAL))
                elif host.asn == r.asn:
                    r.add(Peer(host.name, IpAddress.parse(host.place.vtep), host.asn, Kin.CLIENT))
        for a in self.reflectors:
            for b in self.reflectors:
                same = a.asn == b.asn
                paired = a.name[-1] == b.name[-1]
                if a is not b and (internal if same else full or paired):
                    kin = Kin.INTERNAL if same else Kin.EXTERNAL
                    a.add(Peer(b.name, b.address, b.asn, kin, dials=a.address < b.address))
        if not full and len({r.name[-1] for r in self.reflectors}) > 1 and not self._joined_at_all():
            raise AssertionError("the clouds are not joined")

    def _joined_at_all(self) -> bool:
        return any(p.kin is Kin.EXTERNAL for r in self.reflectors for p in r.peers.values())

    # Who connects whom

    def dial_from_host(self, host: Host, peer: IpAddress, run: Run) -> None:
        reflector = next(r for r in self.speakers if r.address == peer)
        self.line.after(self.rng.expovariate(100), lambda: self._arrive(host, reflector, run))

    def _arrive(self, host: Host, reflector: Reflector, run: Run) -> None:
        if run is not host.run or reflector.address not in run.dialling:
            return
        if not reflector.up:
            if self.rng.random() < 0.8:
                run.dialling.discard(reflector.address)
                host.refused(run, reflector.address)
            return
        end, connected = reflector.accept(host.name)
        connection = Connection(self.line, self.rng, host.end(run, reflector.address), end)
        host.connected(run, reflector.address, connection)
        connected(connection, 1)

    def dial_reflector(self, dialler: Reflector, peer: Peer) -> None:
        session = peer.session
        self.line.after(self.rng.expovariate(100), lambda: self._arrive_at_reflector(dialler, peer, session))

    def _arrive_at_reflector(self, dialler: Reflector, peer: Peer, session: object) -> None:
        if peer.session is None or peer.session is not session or peer.session.state is not State.CONNECT:
            return
        far = next(r for r in self.reflectors if r.name == peer.name)
        if not far.up:
            dialler.refused(peer, "connection refused")
            return
        end, connected = far.accept(dialler.name)
        connection = Connection(self.line, self.rng, dialler.end(peer), end)
        dialler.connected(peer, connection, 0)
        connected(connection, 1)

    # Time

    def step(self) -> None:
        self.line.step()
        if self.watch is not None:
            self.watch()

    def pass_time(self, seconds: float) -> None:
        until = self.line.now + seconds
        while self.line.due_before(until):
            self.step()
        self.line.now = until

    def rest(self) -> None:
        """Until nothing is under way anywhere. Raises Broken if that never comes."""
        until = self.line.now + REST_S_MAX
        while why := self._unrest():
            if self.line.now > until:
                raise Broken(f"no rest within {REST_S_MAX:.0f} s: {why}")
            self.pass_time(1.0)

    def _unrest(self) -> str:
        """What is still under way; empty when nothing is."""
        if self.line.now < max(self.line.stirred_at + QUIET_S, self.stalled_until):
            return "something happened a moment ago"
        for host in self.hosts:
            if why := self._host_unrest(host):
                return f"{host.name}: {why}"
        up = {r.name for r in self.reflectors if r.up}
        for r in self.reflectors:
            for peer in r.peers.values():
                if not r.up or peer.kin is Kin.CLIENT:
                    continue
                if peer.name in up and not (peer.up and peer.said_end):
                    return f"{r.name}: {peer.name} is not up"
                if peer.name not in up and peer.up:
                    return f"{r.name} has not noticed that {peer.name} is dead"
        return ""

    def _host_unrest(self, host: Host) -> str:
        if host.run is None or not host.up_to_date:
            return "the agent is not up to date"
        if not host.switch.idle or not host.switch.trusted:
            return "the switch is busy"
        if host.node.convergence.beacons:
            return "it holds what somebody said who cannot be heard"
        if host.node.picture.lingering or self.line.now <= host.leaves_at:
            return "it drains"
        if host.node.convergence.looks_again:
            return "somebody it shows may not be said whole yet"
        if host.run.prober is not None and host.run.prober.watch.answers and host.run.prober.calm < CALM:
            return "it probes"
        for r in self.reflectors:
            if not r.up and r.address in host.run.links:
                return f"it has not noticed that {r.name} is dead"
        ours = self.up(host.asn)
        for r in ours:
            peer = r.peers[host.name]
            if not peer.up or peer.owes_end or not peer.said_end or not host.node.peers[r.address].in_sync:
                return f"its session with {r.name} is not in sync"
            if not host.node.peers[r.address].has_settled:
                return f"it waits for what {r.name} may hear yet"
        if ours and not host.node.switch.swept:
            return "it has not swept"
        return self._liar_unrest(host) if ours and self.liar is not None else ""

    def _liar_unrest(self, host: Host) -> str:
        assert self.liar is not None
        peer = self.liar.peers[host.name]
        if not self.liar.up:
            return "the liar is still believed"
        if not peer.up or not peer.said_end or not host.node.peers[self.liar.address].has_settled:
            return "its session with the liar is not in sync"
        return ""

    # What should be

    def up(self, asn: int) -> list[Reflector]:
        return [r for r in self.reflectors if r.asn == asn and r.up]

    def joined(self) -> bool:
        """Whether routes find a way between the clouds."""
        return any(self.knows_abroad(r) for r in self.up(self.clouds[0].asn))

    def knows_abroad(self, reflector: Reflector) -> bool:
        """Whether this reflector, when all is at rest, has the other cloud's routes."""
        near = [reflector, *(r for r in self.up(reflector.asn) if self._meet(reflector, r, Kin.INTERNAL))]
        return any(self._meet(r, far, Kin.EXTERNAL) for r in near for far in self.reflectors if far.up)

    def _meet(self, a: Reflector, b: Reflector, kin: Kin) -> bool:
        return b.name in a.peers and a.peers[b.name].kin is kin

    def offered(self) -> dict[str, list[Offer]]:
        """By host what it should announce: nothing once it is taken out of use."""
        return {h.name: [] if h.drained else self._offers(h) for h in self.hosts}

    def rivals(self) -> frozenset[str]:
        """Addresses that are offered more than once."""
        every = [o.address for found in self.offered().values() for o in found]
        return frozenset(a for a in every if every.count(a) > 1)

    def _offers(self, host: Host) -> list[Offer]:
        return offers(host.place, host.rows.values(), host.ports, host.history)

    def heard(self, host: Host, offered: dict[str, list[Offer]]) -> list[Offer]:
        """What others offer, as far as a path of reflectors leads here."""
        if host.name in self.frozen:
            until = {c.name: self.frozen_until[host.name][c.asn] for c in self.clouds}
            return [o for o in self.frozen[host.name] if self.line.now < until[o.place.cloud]]
        return self.heard_by(host, offered, abroad=self.joined())

    def heard_by(self, host: Host, offered: dict[str, list[Offer]], *, abroad: bool) -> list[Offer]:
        others = [o for h in self.hosts if h is not host and (h.asn == host.asn or abroad) for o in offered[h.name]]
        return others + ([] if self.liar is None else self.liar.believed(host.asn))

    def expected(self, host: Host, offered: dict[str, list[Offer]]) -> Standing:
        heard = self.heard(host, offered)
        now = standing(host.place, host.rows.values(), host.ports, heard, host.history, host.silent)
        if host.name in self.left:
            return over(self.left[host.name], now)
        return now

    def interest(self) -> Interest:
        addresses = {a for c in self.clouds for vm in c.vms.values() for a in vm.addresses}
        addresses |= {o.address for known in self.frozen.values() for o in known}
        if self.liar is not None:
            addresses |= {o.address for c in self.clouds for o in self.liar.believed(c.asn)}
        vnis = {vpn.vni for c in self.clouds for vpn in c.vpns.values()}
        unknown = [f"{net}.{n}" for net in ("10.0.0", "10.1.0", "203.0.113") for n in (5, 7, 99)]
        return Interest(tuple(sorted(addresses | {*unknown, "fd00::5", "fd00:1::99"})), (*sorted(vnis), 4999))

    def judge(self) -> None:
        """Everything at rest against the model. Raises Difference."""
        self.tally.rests += 1
        offered, interest = self.offered(), self.interest()
        self._one_is_first(offered)
        for host in self.hosts:
            expected = self.expected(host, offered)
            self.tally.fates += compare_forwarding(host, expected, interest)
            compare_recomputed(host, self.line.now)
            if host.name not in self.left:
                compare_installed(host)
                compare_story(host, self.line.now, expected)
            for reflector in self.up(host.asn):
                compare_announced(host, reflector, offered[host.name])
            if self.liar is not None and self.liar.up:
                agreed = self.liar.leave.targets
                may = [o._replace(targets=o.targets & agreed) for o in offered[host.name] if o.targets & agreed]
                compare_announced(host, self.liar, may)
                compare_refused(host, self.liar)
            if host.run is not None:
                host.run.inherited.clear()
            host.asked = {(o.vni, o.address) for o in self._offers(host)}
        self.line.note("at rest, all as it should be")

    def _one_is_first(self, offered: dict[str, list[Offer]]) -> None:
        """Of two networks that export to one VPN one came first, and no more."""
        for host in self.hosts:
            for mine in offered[host.name]:
                for theirs in (o for o in self.heard(host, offered) if o.place.cloud == host.place.cloud):
                    rivals = theirs.address == mine.address and theirs.network != mine.network
                    both = theirs.targets & mine.targets and mine.sequence and theirs.sequence
                    new = all(self._is_new(o) for o in (mine, theirs))  # who has it for long steps down for nobody
                    if rivals and both and new and host.name not in self.frozen:
                        raise Difference(f"{mine.address}: {mine} and {theirs} both came first")

    def _is_new(self, offer: Offer) -> bool:
        (host,) = (h for h in self.hosts if h.place == offer.place)
        live = host.node.claims.live.items()
        since = (c.since for k, c in live if (k.vni, str(k.prefix.address)) == (offer.vni, offer.address))
        return self.line.now < next(since, 0.0) + 3600

    def commit(self, cloud: Cloud) -> None:
        """A transaction of the cloud's database."""
        snapshot = cloud.snapshot()
        self.had |= {(vm.network, address) for vm in cloud.vms.values() for address in vm.addresses}
        self.line.stir()
        for host in self.hosts:
            if host.asn == cloud.asn:
                host.publish(snapshot)


__all__ = ["Broken", "Difference", "Simulation"]
