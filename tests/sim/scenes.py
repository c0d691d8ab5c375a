"""Scenes: what turmoil cannot judge exactly, played from rest so that every node's knowledge is known.

No reflector at all, rows nobody can read over a restart, and things after which not one flow may differ at any step, or
nobody may be out of reach. Rules: a scene begins and ends at rest; one that cannot be played just now says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from isthmus.flows.layout import Table
from isthmus.flows.types import FlowKey
from isthmus.node import facts
from tests.sim.cloud import Cloud, Vm
from tests.sim.forwarding import Fate
from tests.sim.history import History
from tests.sim.host import Broken, Host
from tests.sim.hostile_peer import hostile_peer
from tests.sim.liar import Marker
from tests.sim.reference import Into, Line, Offer, View
from tests.sim.reflector import Reflector
from tests.sim.rows import Spelling
from tests.sim.simulation import Simulation
from tests.sim.verdict import UNRESOLVED, Pair, fates

RESTART_S = 120.0
"""For so long a session that has ended is believed whatever a host is told of long lives."""


class Stage:
    """A world with its history, and the scenes that can be played in it."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.rng = sim.rng
        self.history = History(sim)

    def settle(self) -> None:
        """Bring the world into order, some reflectors perhaps left dead, and judge."""
        sim = self.sim
        for cloud in sim.clouds:
            ours = [r for r in sim.reflectors if r.asn == cloud.asn]
            if not sim.up(cloud.asn) or self.rng.random() < 0.7:
                self._start(ours)
        if sim.liar is not None:
            self._start([sim.liar])
            sim.liar.marker = Marker.AFTER
            sim.liar.touch(())
        if not sim.joined():  # what was heard of the other cloud stands, and the model knows that of an outage only
            self._start(sim.reflectors)
        for host in sim.hosts:
            host.switch.refusing = False
            if host.run is None:
                host.start()
            if not host.switch.present:
                host.switch.come()
            if not host.southbound:
                host.find_southbound()
        sim.rest()
        for cloud in sim.clouds:
            if not sim.up(cloud.asn):  # a restart's end was still to come
                raise Broken(f"{cloud.name} has no reflector")
        sim.judge()

    def _start(self, reflectors: Iterable[Reflector]) -> None:
        for reflector in reflectors:
            if not reflector.up:
                reflector.start()

    @property
    def scenes(self) -> dict[str, Callable[[], bool]]:
        """By name; each says whether it could be played."""
        return {
            "outage": self._outage,
            "calm agent": self._calm_agent,
            "calm exchange": self._calm_exchange,
            "calm reflector": self._calm_reflector,
            "calm way abroad": self._calm_way_abroad,
            "calm words": self._calm_words,
            "unreadable": self._unreadable,
            "silence": self._silence,
            "smooth": self._smooth,
            "hostile": self._hostile,
            **hostile_peer(self),
        }

    def _all_good(self) -> bool:
        return all(r.spelling is Spelling.GOOD for c in self.sim.clouds for r in c.rows.values())

    def _outage(self) -> bool:
        """No reflector in one cloud: what was learnt stays as it was, but for those who believe it for a limited time;
        what is local goes on changing."""
        sim = self.sim
        if not self._all_good():
            return False
        cloud = self.rng.choice(sim.clouds)
        hosts = [h for h in sim.hosts if h.asn == cloud.asn]
        offered = sim.offered()
        dying = sim.up(cloud.asn)
        abroad = {r.address: sim.knows_abroad(r) for r in dying}
        for reflector in dying:
            reflector.die(silently=self.rng.random() < 0.3)
        sim.pass_time(self.rng.choice((40.0, 40.0, RESTART_S + 10, RESTART_S + 130)))
        for host in hosts:
            # While another session stands, it contradicts what the lost one said of those it shows itself.
            ended = host.run.ended if host.run is not None else dict.fromkeys(abroad, sim.line.now)
            know = [a for a in abroad if abroad[a]]
            life = RESTART_S + host.place.long_lived_s
            sim.frozen[host.name] = sim.heard_by(host, offered, abroad=bool(know))
            sim.frozen_until[host.name] = {
                c.asn: max((ended[a] for a in (abroad if c is cloud else know)), default=0.0) + life for c in sim.clouds
            }
        ports: dict[str, dict[str, int]] = {}
        for _ in range(self.rng.randrange(1, 8)):
            self._rest_and_judge(ports)
            host = self.rng.choice(hosts)
            match self.rng.randrange(5):
                case 0 if not host.silent:
                    self._restart_in_outage(host, ports)
                case 1:
                    host.switch.go(with_flows=True)
                    sim.left.pop(host.name, None)
                    sim.line.after(self.rng.uniform(0.1, 3), host.switch.come)
                case _:
                    self.history.local_action()
        self._rest_and_judge(ports)
        sim.left.clear()
        sim.frozen.clear()
        for reflector in sim.reflectors:
            if reflector.asn == cloud.asn and not reflector.up:
                reflector.start()
        self.settle()
        return True

    def hush(self) -> None:
        """What a peer that lies has said in the turmoil it takes back: in a scene nobody else speaks."""
        liar = self.sim.liar
        if liar is not None and liar.lies:
            liar.take_back(list(liar.lies))
            self.settle()

    def stay_down(self) -> None:
        """Whoever is down does not come back in the middle of a scene."""
        for reflector in self.sim.reflectors:
            if not reflector.up:
                reflector.stay_down()

    def _restart_in_outage(self, host: Host, ports: dict[str, dict[str, int]]) -> None:
        sim = self.sim
        before = sim.expected(host, sim.offered())
        sim.frozen[host.name] = []
        sim.left[host.name] = before
        ports[host.name] = dict(host.switch.circuits)
        host.stop()
        sim.line.after(self.rng.uniform(0.1, 5), host.start)
        sim.pass_time(6.0)

    def _rest_and_judge(self, ports: dict[str, dict[str, int]]) -> None:
        self.sim.rest()
        for host in self.sim.hosts:
            if host.name in self.sim.left and host.name in ports:
                self._forget_overwritten(host, ports[host.name])
        self.sim.judge()

    def _forget_overwritten(self, host: Host, ports: dict[str, int]) -> None:
        """What this run wants is its own and goes when given up; a line into a port that is gone leads nowhere."""
        sim = self.sim
        left = sim.left.pop(host.name)
        now = sim.expected(host, sim.offered())
        views: dict[View, dict[str, Line]] = {}
        for view, lines in left.views.items():
            views[view] = {}
            for address, kept in lines.items():
                line = kept
                if isinstance(line, Into) and host.switch.circuits.get(line.circuit) != ports.get(line.circuit):
                    line = Into("a port that is gone")
                if address not in now.views.get(view, {}):
                    views[view][address] = line
        sim.left[host.name] = replace(left, views=views)

    def _calm_agent(self) -> bool:
        """An agent dies and comes back, its cloud's database there or not: nobody's flows change at any step, whether
        reflectors keep its routes meanwhile or withdraw them at once (then those of whoever cannot see through the
        tunnels that it forwards do)."""
        host = self.rng.choice(self.sim.hosts)
        if not self._all_good():
            return False
        farewell = self.rng.random() < 0.3
        kept = not farewell and all(r.helps for r in self.sim.up(host.asn))
        host.write_memory()
        if self.rng.random() < 0.4:
            host.lose_southbound()
            self.sim.line.after(self.rng.choice((8.0, 200.0)), host.find_southbound)
        host.stop(farewell=farewell)
        self.sim.line.after(self.rng.uniform(0.1, 10), host.start)
        self._nothing_changes([h for h in self.sim.hosts if kept or h is host or _sees(h)], heard_anew=True)
        return True

    def _calm_exchange(self) -> bool:
        """An agent is exchanged: no flow changes anywhere, for nobody hears of it."""
        host = self.rng.choice(self.sim.hosts)
        if not self._all_good():
            return False
        host.exchange()
        self.sim.line.after(self.rng.uniform(0.1, 10), host.start)
        self._nothing_changes(self.sim.hosts)
        return True

    def _calm_reflector(self) -> bool:
        """A reflector dies and comes back while routes have another way: no flow changes anywhere. Or it is its cloud's
        only one and returns soon, whether it takes its time or says End-of-RIB to whoever is first: no flow changes
        there, nor in the other one, whose reflectors withdraw what came from it, for whoever sees that it forwards."""
        reflector = self.rng.choice([r for r in self.sim.reflectors if r.up])
        parted, alone = self._without(reflector)
        if (parted and not alone) or (alone and not self._everybody_up()):
            return False
        return self._dies_and_returns(reflector, only=alone)

    def _calm_way_abroad(self) -> bool:
        """The same of the only reflector of its cloud that hears of the other one, while another stands: that one's
        word about the other cloud is worth nothing."""
        ways = [r for r in self.sim.reflectors if r.up and self._without(r) == (True, False)]
        if not ways or not self._everybody_up():
            return False
        return self._dies_and_returns(self.rng.choice(ways), only=True)

    def _everybody_up(self) -> bool:
        return all(r.up for r in self.sim.reflectors)

    def _without(self, reflector: Reflector) -> tuple[bool, bool]:
        """Whether the clouds are parted then, and whether its own has none left."""
        joined = self.sim.joined()
        reflector.up = False
        found = self.sim.joined() != joined, not self.sim.up(reflector.asn)
        reflector.up = True
        return found

    def _dies_and_returns(self, reflector: Reflector, *, only: bool) -> bool:
        reflector.patient = not only or self.rng.random() < 0.5
        reflector.die(silently=not only and self.rng.random() < 0.3)
        self.sim.line.after(self.rng.uniform(0.1, 2 if only else 40), reflector.start)
        hosts = [h for h in self.sim.hosts if h.asn == reflector.asn or not only or _sees(h)]
        self._nothing_changes(hosts, heard_anew=True)
        return True

    def _calm_words(self) -> bool:
        """Everything is told again, in any order: nothing follows."""
        for host in self.sim.hosts:
            node, run = host.node, host.run
            assert run is not None and node.asked.fact is not None and node.ofports is not None
            told: list[facts.Fact] = [
                replace(node.asked.fact, circuits=dict(node.asked.fact.circuits)),
                replace(node.ofports, circuits=dict(node.ofports.circuits)),
                facts.FlowsRead(dict(host.switch.flows)),
                facts.NeighboursRead(frozenset(node.reach.resolved)),
            ]
            self.rng.shuffle(told)
            for fact in told:
                host.tell(run, fact)
        self._nothing_changes(self.sim.hosts)
        return True

    def _nothing_changes(self, hosts: list[Host], *, heard_anew: bool = False) -> None:
        """At any step from now to rest. Whoever hears everything anew may choose among rivals for an address before all
        of them are heard; where there is but one, nothing changes."""
        sim = self.sim
        before = {h.name: actions(h) for h in hosts}
        bundles = {h.name: h.switch.commits for h in hosts}

        rivals = sim.rivals() if heard_anew else frozenset()

        def watch() -> None:
            for host in hosts:
                if host.switch.commits != bundles[host.name]:
                    bundles[host.name] = host.switch.commits
                    after = actions(host)
                    keys = [k for k in changed(before[host.name], after) if not across(k, before[host.name], rivals)]
                    keys = [k for k in keys if k.table != Table.GONE or k in after]  # a drop that has had its time
                    if keys:
                        story = "; ".join(f"{k}: {before[host.name].get(k)} -> {after.get(k)}" for k in keys[:3])
                        raise Broken(f"{host.name}: nothing should change, but {story}")

        sim.watch = watch
        sim.pass_time(50.0)
        sim.rest()
        sim.watch = None
        sim.judge()

    def _smooth(self) -> bool:
        """Somebody is added, or somebody leaves: nobody else loses a packet. Whoever is reached before and after is
        reached at every step; an endpoint's next hop may take its time. An address that two machines have may be the
        other one's afterwards, which was not announced before."""
        sim = self.sim
        if any(min(h.place.circuits_max, h.place.routes_max, h.place.ports_max) < 100 for h in sim.hosts):
            return False  # a limit that is reached takes away because something was added
        interest = sim.interest()
        sources = {h.name: list(sim.expected(h, sim.offered()).sources) for h in sim.hosts}
        before = {h.name: fates(h, sources[h.name], interest) for h in sim.hosts}
        lost: dict[tuple[str, Pair], str] = {}
        owned = Counter(a for c in sim.clouds for vm in c.vms.values() for a in vm.addresses)
        doubled = {address for address, owners in owned.items() if owners > 1}
        commits = {h.name: h.switch.commits for h in sim.hosts}

        def watch() -> None:
            for host in sim.hosts:
                if host.switch.commits != commits[host.name]:
                    commits[host.name] = host.switch.commits
                    for pair, now in fates(host, sources[host.name], interest).items():
                        if pair[2] not in doubled and reaches(before[host.name].get(pair)) and not reaches(now):
                            lost.setdefault((host.name, pair), f"{now} at {sim.line.now:.4f}")

        sim.watch = watch
        done = self.history.smooth_action()
        sim.rest()
        sim.watch = None
        sim.judge()
        for host in sim.hosts:
            for pair, now in fates(host, sources[host.name], interest).items():
                if reaches(now) and (host.name, pair) in lost:
                    raise Broken(
                        f"{host.name}: {pair} had {before[host.name][pair]}, then {lost[host.name, pair]}, has {now}"
                    )
        return done

    def _hostile(self) -> bool:
        """A tenant in one VPN with another makes machines with the other's address and does with them all that he may:
        whoever sends to the other does so at every step, and what arrives there is delivered."""
        sim = self.sim
        found = list(self._coveted())
        if not found:
            return False
        cloud, owned, network = self.rng.choice(found)
        before = {h.name: _leading_to(owned, h) for h in sim.hosts}
        commits = {h.name: h.switch.commits for h in sim.hosts}

        def watch() -> None:
            for host in sim.hosts:
                if owned.place.vtep in host.silent:  # it sends to whoever answers, as long as that one does not
                    before[host.name].clear()
                if host.switch.commits != commits[host.name]:
                    commits[host.name] = host.switch.commits
                    after = actions(host)
                    for key, was in before[host.name].items():
                        if after.get(key) != was:
                            raise Broken(f"{host.name}: a tenant draws {owned.address}: {was} -> {after.get(key)}")

        sim.watch = watch
        vm: Vm | None = None
        for _ in range(self.rng.randrange(3, 12)):
            vm = self._hostile_deed(cloud, vm, network, owned.address)
            sim.pass_time(self.rng.expovariate(1))
        sim.rest()
        sim.watch = None
        sim.judge()
        if vm is not None:
            del cloud.vms[vm.number]
            sim.commit(cloud)
        self.settle()
        return True

    def _hostile_deed(self, cloud: Cloud, vm: Vm | None, network: str, address: str) -> Vm | None:
        if vm is None:
            return self.history.boot_hostile(cloud, network, address)
        hosts = [h.name for h in self.sim.hosts if h.asn == cloud.asn]
        deeds: list[Vm | None] = [
            replace(vm, revision=vm.revision + 500),
            replace(vm, up=not vm.up),
            replace(vm, host=self.rng.choice(hosts)),
            replace(vm, addresses=() if vm.addresses else (address,)),
            None,
        ]
        after = self.rng.choice(deeds)
        del cloud.vms[vm.number]
        if after is not None:
            cloud.vms[vm.number] = after
        self.sim.commit(cloud)
        return after

    def _coveted(self) -> Iterator[tuple[Cloud, Offer, str]]:
        """Addresses of who came first, each with a network of its cloud in some VPN that has the address free, and has
        never had it: in some other VPN of the owner's that one may have been first."""
        offered = self.sim.offered()
        for cloud in self.sim.clouds:
            hosts = [h for h in self.sim.hosts if h.asn == cloud.asn]
            for owned in (o for h in hosts for o in offered[h.name] if o.sequence):
                for name in cloud.networks:
                    joined = any(name in a.networks for row in cloud.rows.values() for a in row.associations)
                    fresh = (name, owned.address) not in self.sim.had
                    if name != owned.network and joined and fresh and owned.address in cloud.free_addresses(name):
                        yield cloud, owned, name

    def _unreadable(self) -> bool:
        """A newer Isthmus writes a row and the agent begins anew: it goes on from what the last run could read."""
        sim = self.sim
        candidates = [
            (h, c, a)
            for c in sim.clouds
            for h in sim.hosts
            if h.asn == c.asn and not h.silent
            for a in c.attachments.values()
            if a.circuit in h.switch.circuits
        ]
        if not candidates or not self._all_good():
            return False
        host, cloud, attachment = self.rng.choice(candidates)
        cloud.put(replace(attachment, spelling=Spelling.NEWER))
        cloud.write(attachment.number)
        sim.commit(cloud)
        sim.rest()
        sim.judge()
        if self.rng.random() < 0.5:
            host.exchange()
        else:
            host.write_memory()
            host.stop()
        sim.line.after(self.rng.uniform(0.1, 10), host.start)
        sim.pass_time(80.0)
        sim.rest()
        sim.judge()
        cloud.put(replace(attachment, spelling=Spelling.GOOD))
        cloud.write(attachment.number)
        sim.commit(cloud)
        self.settle()
        return True

    def _silence(self) -> bool:
        """From now on an endpoint that nobody sends to does not answer one of the hosts."""
        sim = self.sim
        host = self.rng.choice(sim.hosts)
        used = {str(e) for e in host.node.tables.endpoints}
        free = [h.place.vtep for h in sim.hosts if h is not host and h.place.vtep not in used]
        if not free:
            return False
        host.mute.add(self.rng.choice(free))
        return True


def _leading_to(owned: Offer, host: Host) -> dict[FlowKey, str]:
    """The lines of views that lead to where the address is, and there what delivers it; but for views in which it is of
    a VPN that others share, because a machine of the project's own may take it from that."""
    here = host.name == owned.place.host
    port = host.switch.circuits.get(owned.circuit)
    way = f"output:{port}" if here else f"set_field:{owned.vni:#x}->tun_id,set_field:{owned.place.vtep}->tun_dst"
    inbound = f"tun_id={owned.vni:#x},"
    views = host.node.tables.views.items()
    own = tuple(f"metadata={n:#x}," for n, view in views if owned.targets & {str(t) for t in view.own})
    found = {key: did for key, did in actions(host).items() if key.match.endswith(f"_dst={owned.address}")}
    lines = {k for k, did in found.items() if k.table == Table.VIEW and way in did and any(v in k.match for v in own)}
    delivers = {k for k in found if here and k.table == Table.INBOUND and inbound in k.match}
    return {key: found[key] for key in lines | delivers}


def _sees(host: Host) -> bool:
    """Whether all endpoints answer its probes."""
    return all(host.node.reach.answers.get(e) is facts.Answer.ANSWERS for e in host.node.tables.endpoints)


def reaches(fate: Fate | None) -> bool:
    return fate is not None and fate.what in ("tunnel", "into circuit", UNRESOLVED.what)


def actions(host: Host) -> dict[FlowKey, str]:
    return {key: flow.actions for key, flow in host.switch.flows.items()}


def changed(before: dict[FlowKey, str], after: dict[FlowKey, str]) -> list[FlowKey]:
    return sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))


def across(key: FlowKey, before: dict[FlowKey, str], rivals: frozenset[str]) -> bool:
    """A line of a view that led across a tunnel to one of several who offer the address."""
    return key.table == Table.VIEW and "tun_dst" in before.get(key, "") and key.match.rpartition("=")[2] in rivals
