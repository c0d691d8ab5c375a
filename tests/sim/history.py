"""Random histories: what operators, users, machines and cables do, one thing at a time.

Each action draws whom it meets, does it and says so in the story; one that is impossible at present says nothing and
counts nothing. Rules: only what can happen to a real cloud (cloud.py keeps Neutron's rules); every action may happen in
the middle of any other's consequences.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from isthmus.bgp.family import EVPN
from isthmus.flows.types import FlowKey, Installed
from tests.sim.cloud import Attachment, Bond, Cloud, Network, Vm, Vpn, uuid
from tests.sim.host import Host
from tests.sim.rows import Spelling
from tests.sim.simulation import Simulation

T = TypeVar("T")

TARGETS = tuple(f"64512:{n}" for n in range(1, 6)) + ("64512:66000", "10.0.0.1:5")
PREFERENCES = (None, None, None, 100, 50, 200)
FALLBACKS = ("all", "public", "none")
FOREIGN_COOKIE = 0xDEAD


class History:
    """Acts on a simulation."""

    def __init__(self, sim: Simulation) -> None:
        self.sim, self.rng = sim, sim.rng
        for cloud in sim.clouds:
            self._found(cloud)

    # A cloud to begin with

    def _found(self, cloud: Cloud) -> None:
        pool = ["10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/24", "203.0.113.0/24"]
        six = ["fd00::/64", "fd00:1::/64", "2001:db8:5::/64"]
        for n in range(6):
            subnets = (self.rng.choice(pool), *([self.rng.choice(six)] if self.rng.random() < 0.5 else []))
            unserved = frozenset(s for s in subnets[1:] if self.rng.random() < 0.15)
            cloud.networks[f"neutron-{uuid(5, n)}"] = Network(f"neutron-{uuid(5, n)}", subnets, unserved)
        for n in range(4):
            cloud.vpns[n] = Vpn(n, 5000 + self.rng.randrange(6) * 10 + n, self._targets(), self._targets())
        for n in range(4):
            cloud.put(Attachment(n, (), self.rng.choice(FALLBACKS)))
        for _ in range(7):
            self._join(cloud)
        for _ in range(8):
            self._bind(cloud)
        for _ in range(8):
            self._boot(cloud)
        for number in cloud.attachments:
            cloud.write(number)
        self.sim.commit(cloud)

    def _targets(self) -> frozenset[str]:
        return frozenset(self.rng.sample(TARGETS, self.rng.choice((0, 1, 1, 1, 2, 2, 3))))

    # One action

    def act(self) -> None:
        """Something happens."""
        name, weight = zip(*self._actions().items(), strict=True)
        action = self.rng.choices(name, weight)[0]
        said = action()
        if said:
            self.sim.tally.count(action.__name__)
            self.sim.line.note(f"* {said}")

    def _actions(self) -> dict[Callable[[], str | None], float]:
        return {
            self.boot: 8,
            self.delete: 5,
            self.move: 8,
            self.flip: 4,
            self.readdress: 2,
            self.join: 3,
            self.leave: 3,
            self.bind: 5,
            self.unbind: 4,
            self.retarget: 5,
            self.renumber_preference: 2,
            self.change_fallback: 2,
            self.misspell: 2,
            self.spell: 3,
            self.restart_agent: 3,
            self.restart_reflector: 3,
            self.reset_session: 4,
            self.stall_session: 2,
            self.refresh: 2,
            self.restart_switch: 2,
            self.break_switch_connection: 1,
            self.refuse: 1,
            self.tamper: 1,
            self.meddle: 1,
            self.lose_southbound: 1,
            self.answer: 1,
            self.drain: 1,
            self.undrain: 1.5,
            self.cut: 2,
            self.mend: 3,
        }

    def local_action(self) -> None:
        """Something a user of the cloud does, in one transaction."""
        actions = [self.boot, self.delete, self.flip, self.readdress, self.bind, self.unbind, self.retarget, self.join]
        action = self.rng.choice(actions)
        said = action()
        if said:
            self.sim.tally.count(action.__name__)
            self.sim.line.note(f"* {said}")

    def _pick(self, things: Sequence[T]) -> T | None:
        return self.rng.choice(things) if things else None

    def _cloud(self) -> Cloud:
        return self.rng.choice(self.sim.clouds)

    def _hosts(self, cloud: Cloud) -> list[Host]:
        return [h for h in self.sim.hosts if h.asn == cloud.asn]

    def _write(self, cloud: Cloud, *numbers: int) -> None:
        """In one transaction, or one for each row in any order."""
        order = list(numbers)
        self.rng.shuffle(order)
        together = self.rng.random() < 0.5 or not self.sim.up(cloud.asn)
        for number in order:
            cloud.write(number)
            if not together:
                self.sim.commit(cloud)
        if together:
            self.sim.commit(cloud)

    # Virtual machines

    def _boot(self, cloud: Cloud) -> Vm | None:
        network = self.rng.choice(list(cloud.networks))
        free = cloud.free_addresses(network)
        if not free or len(cloud.vms) > 14:
            return None
        four, six = [a for a in free if "." in a], [a for a in free if ":" in a]
        addresses = [self.rng.choice(f) for f in (four, six) if f and self.rng.random() < 0.85]
        vm = Vm(cloud.fresh_number(), network, tuple(addresses), 1, self.rng.choice(self._hosts(cloud)).name)
        cloud.vms[vm.number] = vm
        return vm

    def boot(self) -> str | None:
        cloud = self._cloud()
        vm = self._boot(cloud)
        if vm is None:
            return None
        self.sim.commit(cloud)
        return f"VM {vm.number} {vm.addresses} boots in {vm.network[-3:]} on {vm.host}"

    def _vm(self) -> tuple[Cloud, Vm] | None:
        cloud = self._cloud()
        vm = self._pick(list(cloud.vms.values()))
        return None if vm is None else (cloud, vm)

    def delete(self) -> str | None:
        found = self._vm()
        if found is None or len(found[0].vms) < 5:
            return None
        cloud, vm = found
        del cloud.vms[vm.number]
        self.sim.commit(cloud)
        return f"VM {vm.number} {vm.addresses} on {vm.host} is deleted"

    def move(self) -> str | None:
        """Chassis and revision are two columns with two writers: either may change first."""
        found = self._vm()
        if found is None:
            return None
        cloud, vm = found
        target = self.rng.choice([h.name for h in self._hosts(cloud)])
        if target == vm.host:
            return None
        steps: list[dict[str, object]] = [{"host": target}, {"revision": vm.revision + 1}]
        self.rng.shuffle(steps)
        if self.rng.random() < 0.4 or not self.sim.up(cloud.asn):
            steps = [{"host": target, "revision": vm.revision + 1}]
        for changes in steps:
            vm = replace(vm, **changes)
            cloud.vms[vm.number] = vm
            self.sim.commit(cloud)
        return f"VM {vm.number} {vm.addresses} moves to {target}"

    def flip(self) -> str | None:
        found = self._vm()
        if found is None:
            return None
        cloud, vm = found
        cloud.vms[vm.number] = replace(vm, up=not vm.up, revision=vm.revision + 1)
        self.sim.commit(cloud)
        return f"VM {vm.number} {vm.addresses} on {vm.host} is {'down' if vm.up else 'up'}"

    def readdress(self) -> str | None:
        found = self._vm()
        if found is None or not (free := found[0].free_addresses(found[1].network)):
            return None
        cloud, vm = found
        cloud.vms[vm.number] = replace(vm, addresses=(self.rng.choice(free),), revision=vm.revision + 1)
        self.sim.commit(cloud)
        return f"VM {vm.number} on {vm.host} has {cloud.vms[vm.number].addresses} instead of {vm.addresses}"

    # Routers and BGPVPNs

    def _join(self, cloud: Cloud) -> Attachment | None:
        attachment = self.rng.choice(list(cloud.attachments.values()))
        holders = {n: sum(n in a.networks for a in cloud.attachments.values()) for n in cloud.networks}
        limit = 2 if self.rng.random() < 0.2 else 1
        fit = [n for n in cloud.networks if holders[n] < limit and cloud.may_join(attachment, n)]
        if not fit or len(attachment.networks) >= 3:
            return None
        cloud.put(replace(attachment, networks=(*attachment.networks, self.rng.choice(fit))))
        return attachment

    def join(self) -> str | None:
        cloud = self._cloud()
        attachment = self._join(cloud)
        if attachment is None:
            return None
        self._write(cloud, attachment.number)
        return f"{cloud.name}: a network joins router {attachment.number}"

    def leave(self) -> str | None:
        cloud = self._cloud()
        attachment = self._pick([a for a in cloud.attachments.values() if a.networks])
        if attachment is None:
            return None
        network = self.rng.choice(attachment.networks)
        rest = tuple(n for n in attachment.networks if n != network)
        bonds = tuple(b for b in attachment.bonds if b.network != network)
        cloud.put(replace(attachment, networks=rest, bonds=bonds))
        self._write(cloud, attachment.number)
        return f"{cloud.name}: network {network[-3:]} leaves router {attachment.number}"

    def _bind(self, cloud: Cloud) -> Bond | None:
        attachment = self.rng.choice(list(cloud.attachments.values()))
        if len(attachment.bonds) >= 4:
            return None
        network = self._pick(attachment.networks) if self.rng.random() < 0.5 else None
        vpn = self.rng.choice(list(cloud.vpns))
        bond = Bond(cloud.fresh_number(), vpn, network, self.rng.choice(PREFERENCES))
        cloud.put(replace(attachment, bonds=(*attachment.bonds, bond)))
        self._last = attachment.number
        return bond

    def bind(self) -> str | None:
        cloud = self._cloud()
        bond = self._bind(cloud)
        if bond is None:
            return None
        self._write(cloud, self._last)
        what = "" if bond.network is None else f", network {bond.network[-3:]}"
        return f"{cloud.name}: VPN {bond.vpn} is bound to router {self._last}{what}"

    def unbind(self) -> str | None:
        cloud = self._cloud()
        attachment = self._pick([a for a in cloud.attachments.values() if a.bonds])
        if attachment is None:
            return None
        bond = self.rng.choice(attachment.bonds)
        cloud.put(replace(attachment, bonds=tuple(b for b in attachment.bonds if b is not bond)))
        self._write(cloud, attachment.number)
        return f"{cloud.name}: VPN {bond.vpn} is no longer bound to router {attachment.number}"

    def retarget(self) -> str | None:
        cloud = self._cloud()
        vpn = self.rng.choice(list(cloud.vpns.values()))
        imports = self._targets() if self.rng.random() < 0.7 else vpn.imports
        exports = imports if self.rng.random() < 0.6 else self._targets()
        cloud.vpns[vpn.number] = replace(vpn, imports=imports, exports=exports)
        holders = [a.number for a in cloud.attachments.values() if any(b.vpn == vpn.number for b in a.bonds)]
        self._write(cloud, *holders)
        return f"{cloud.name}: VPN {vpn.number} imports {sorted(imports)} exports {sorted(exports)}"

    def renumber_preference(self) -> str | None:
        cloud = self._cloud()
        attachment = self._pick([a for a in cloud.attachments.values() if a.bonds])
        if attachment is None:
            return None
        prefer = self.rng.choice(PREFERENCES)
        bonds = tuple(replace(b, local_pref=prefer) if n == 0 else b for n, b in enumerate(attachment.bonds))
        cloud.put(replace(attachment, bonds=bonds))
        self._write(cloud, attachment.number)
        return f"{cloud.name}: router {attachment.number} prefers {prefer}"

    def change_fallback(self) -> str | None:
        cloud = self._cloud()
        attachment = self.rng.choice(list(cloud.attachments.values()))
        cloud.put(replace(attachment, fallback=self.rng.choice(FALLBACKS)))
        self._write(cloud, attachment.number)
        return f"{cloud.name}: router {attachment.number} falls back to {cloud.attachments[attachment.number].fallback}"

    def misspell(self) -> str | None:
        """A row turns unreadable. A newer schema only where every agent knows the row: see scenario `unreadable`."""
        cloud = self._cloud()
        written = [a for a in cloud.attachments.values() if a.circuit in cloud.rows and a.spelling is Spelling.GOOD]
        attachment = self._pick(written)
        if attachment is None:
            return None
        known = all(h.run is not None and attachment.circuit in h.rows for h in self._hosts(cloud))
        spelling = self.rng.choice((Spelling.NEWER, Spelling.NONSENSE)) if known else Spelling.NONSENSE
        cloud.put(replace(attachment, spelling=spelling))
        self._write(cloud, attachment.number)
        return f"{cloud.name}: the row of router {attachment.number} is {spelling.value}"

    def spell(self, only: Cloud | None = None) -> str | None:
        cloud = only or self._cloud()
        attachment = self._pick([a for a in cloud.attachments.values() if a.spelling is not Spelling.GOOD])
        if attachment is None:
            return None
        cloud.put(replace(attachment, spelling=Spelling.GOOD))
        self._write(cloud, attachment.number)
        return f"{cloud.name}: the row of router {attachment.number} is good again"

    # Processes and cables

    def restart_agent(self) -> str | None:
        host = self.rng.choice(self.sim.hosts)
        cloud = next(c for c in self.sim.clouds if c.asn == host.asn)
        newer = any(r.spelling is Spelling.NEWER for r in cloud.rows.values())
        if host.run is None or newer:
            return None
        host.stop()
        self.sim.line.after(self.rng.choice((0.2, 1.0, 5.0, 20.0)), lambda: host.start() if host.run is None else None)
        return f"the agent of {host.name} restarts"

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
        connections = [p for r in self.sim.reflectors for p in r.peers.values() if p.connection is not None]
        peer = self._pick(connections)
        if peer is None or peer.connection is None:
            return None
        peer.connection.reset()
        return f"a connection with {peer.name} is reset"

    def stall_session(self) -> str | None:
        peer = self._pick([p for r in self.sim.reflectors for p in r.peers.values() if p.connection is not None])
        if peer is None or peer.connection is None:
            return None
        seconds = self.rng.choice((2.0, 10.0, 45.0))
        peer.connection.stall(seconds)
        self.sim.stalled_until = max(self.sim.stalled_until, self.sim.line.now + seconds + 1)
        return f"a connection with {peer.name} stalls for {seconds:.0f} s"

    def refresh(self) -> str | None:
        peer = self._pick(
            [p for r in self.sim.reflectors for p in r.peers.values() if p.up and p.connection is not None]
        )
        if peer is None or peer.session is None or peer.connection is None:
            return None
        reflector = next(r for r in self.sim.reflectors if peer in r.peers.values())
        reflector.ask_again(peer, EVPN)
        return f"{reflector.name} asks {peer.name} for everything again"

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
        key = self._pick(sorted(k for k, f in host.switch.flows.items() if f.ours))
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
        host = self._pick([h for h in self.sim.hosts if h.mute])
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
        host = self._pick([h for h in self.sim.hosts if h.drained is not out])
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
