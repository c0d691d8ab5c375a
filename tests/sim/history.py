"""Random histories: what happens to the clouds, one thing at a time; what users and operators ask for is here,
what breaks is in trouble.py.

Each action draws whom it meets, does it and says so in the story; one that is impossible at present says nothing and
counts nothing. Rules: only what can happen to a real cloud (cloud.py keeps Neutron's rules); every action may happen in
the middle of any other's consequences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.sim.cloud import Attachment, Bond, Cloud, Network, Vm, Vpn, uuid
from tests.sim.host import Host
from tests.sim.lies import TARGETS
from tests.sim.rows import Spelling
from tests.sim.simulation import Simulation
from tests.sim.trouble import Trouble, pick

PREFERENCES = (None, None, None, 100, 50, 200)
FALLBACKS = ("all", "public", "none")


class History:
    """Acts on a simulation."""

    def __init__(self, sim: Simulation) -> None:
        self.sim, self.rng = sim, sim.rng
        self.trouble = Trouble(sim)
        self._last = 0
        for cloud in sim.clouds:
            self._found(cloud)

    # A cloud to begin with

    def _found(self, cloud: Cloud) -> None:
        pool = ["10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/24", "203.0.113.0/24"]
        six = ["fd00::/64", "fd00:1::/64", "2001:db8:5::/64"]
        names = [f"neutron-{uuid(cloud.asn, n)}" for n in range(6)]
        for name in names:
            subnets = (self.rng.choice(pool), *([self.rng.choice(six)] if self.rng.random() < 0.5 else []))
            unserved = frozenset(s for s in subnets[1:] if self.rng.random() < 0.15)
            cloud.networks[name] = Network(name, subnets, unserved)
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
        name, weight = zip(*self.actions().items(), strict=True)
        action = self.rng.choices(name, weight)[0]
        said = action()
        if said:
            self.sim.tally.count(action.__name__)
            self.sim.line.note(f"* {said}")

    def actions(self) -> dict[Callable[[], str | None], float]:
        """All there are, and how often each is drawn."""
        return {
            self.boot: 8,
            self.delete: 5,
            self.move: 8,
            self.flip: 4,
            self.touch: 2,
            self.covet: 3,
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
            self.trouble.restart_agent: 3,
            self.trouble.exchange_agent: 3,
            self.trouble.write_memory: 3,
            self.trouble.restart_reflector: 3,
            self.trouble.reset_session: 4,
            self.trouble.stall_session: 2,
            self.trouble.refresh: 2,
            self.trouble.overload: 3,
            self.trouble.restart_switch: 2,
            self.trouble.break_switch_connection: 1,
            self.trouble.refuse: 1,
            self.trouble.tamper: 1,
            self.trouble.meddle: 1,
            self.trouble.lose_southbound: 1,
            self.trouble.answer: 1,
            self.trouble.drain: 1,
            self.trouble.undrain: 1.5,
            self.trouble.look: 2,
            self.trouble.cut: 2,
            self.trouble.mend: 3,
            **({} if self.sim.liar is None else {self.trouble.lie: 6, self.trouble.restart_liar: 1}),
        }

    def local_action(self) -> None:
        """Something a user of the cloud does, in one transaction."""
        actions = [self.boot, self.delete, self.flip, self.readdress, self.bind, self.unbind, self.retarget, self.join]
        action = self.rng.choice(actions)
        said = action()
        if said:
            self.sim.tally.count(action.__name__)
            self.sim.line.note(f"* {said}")

    def smooth_action(self) -> bool:
        """Something is added or taken away in one transaction; whether anything was."""
        actions = [self.boot, self.delete, self.flip, self.bind, self.unbind, self.widen, self.narrow]
        said = self.rng.choice(actions)()
        if said:
            self.sim.line.note(f"* {said}")
        return bool(said)

    def widen(self) -> str | None:
        return self._stretch(wider=True)

    def narrow(self) -> str | None:
        return self._stretch(wider=False)

    def _stretch(self, *, wider: bool) -> str | None:
        """A BGPVPN gets one more target, in and out, or one less: what old and new have in common goes on."""
        cloud = self._cloud()
        vpn = self.rng.choice(list(cloud.vpns.values()))
        one = self.rng.choice(TARGETS)
        both = (vpn.imports | {one}, vpn.exports | {one}) if wider else (vpn.imports - {one}, vpn.exports - {one})
        cloud.vpns[vpn.number] = replace(vpn, imports=both[0], exports=both[1])
        for attachment in cloud.attachments.values():
            cloud.write(attachment.number)
        self.sim.commit(cloud)
        return f"{cloud.name}: VPN {vpn.number} {'also has' if wider else 'no longer has'} {one}"

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
        vm = pick(self.rng, list(cloud.vms.values()))
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
        after = replace(vm, host=target, revision=vm.revision + 1)
        between = [replace(vm, host=target), replace(vm, revision=vm.revision + 1), None, None]
        for state in (self.rng.choice(between), after):
            if state is not None:
                cloud.vms[vm.number] = state
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

    def touch(self) -> str | None:
        """A tenant renames a port, very often."""
        found = self._vm()
        if found is None:
            return None
        cloud, vm = found
        cloud.vms[vm.number] = replace(vm, revision=vm.revision + 500)
        self.sim.commit(cloud)
        return f"the port of VM {vm.number} on {vm.host} is renamed five hundred times"

    def covet(self) -> str | None:
        """A tenant wants an address that a machine of another network has."""
        found = self._vm()
        if found is None or not found[1].addresses:
            return None
        cloud, owner = found
        address = self.rng.choice(owner.addresses)
        networks = [n for n in cloud.networks if n != owner.network and address in cloud.free_addresses(n)]
        if not networks or len(cloud.vms) > 14:
            return None
        vm = self.boot_hostile(cloud, self.rng.choice(networks), address)
        return f"VM {vm.number} boots in {vm.network[-3:]} on {vm.host} with {address} of VM {owner.number}"

    def boot_hostile(self, cloud: Cloud, network: str, address: str) -> Vm:
        vm = Vm(cloud.fresh_number(), network, (address,), 1000, self.rng.choice(self._hosts(cloud)).name)
        cloud.vms[vm.number] = vm
        self.sim.commit(cloud)
        return vm

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
        attachment = pick(self.rng, [a for a in cloud.attachments.values() if a.networks])
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
        network = pick(self.rng, attachment.networks) if self.rng.random() < 0.5 else None
        vpn = self.rng.choice(list(cloud.vpns))
        shared = self.rng.random() < 0.25
        bond = Bond(cloud.fresh_number(), vpn, network, self.rng.choice(PREFERENCES), shared)
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
        attachment = pick(self.rng, [a for a in cloud.attachments.values() if a.bonds])
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
        attachment = pick(self.rng, [a for a in cloud.attachments.values() if a.bonds])
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
        attachment = pick(self.rng, written)
        if attachment is None:
            return None
        known = all(h.run is not None and attachment.circuit in h.rows for h in self._hosts(cloud))
        spelling = self.rng.choice((Spelling.NEWER, Spelling.NONSENSE)) if known else Spelling.NONSENSE
        cloud.put(replace(attachment, spelling=spelling))
        self._write(cloud, attachment.number)
        return f"{cloud.name}: the row of router {attachment.number} is {spelling.value}"

    def spell(self, only: Cloud | None = None) -> str | None:
        cloud = only or self._cloud()
        attachment = pick(self.rng, [a for a in cloud.attachments.values() if a.spelling is not Spelling.GOOD])
        if attachment is None:
            return None
        cloud.put(replace(attachment, spelling=Spelling.GOOD))
        self._write(cloud, attachment.number)
        return f"{cloud.name}: the row of router {attachment.number} is good again"
