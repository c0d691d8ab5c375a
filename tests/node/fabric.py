"""Several hypervisors' worlds and one reflector that passes on to each what the others said.

Plain as `tests/world.py`: a cloud of three hypervisors in one process, so that a test can play a tenant on one of them
and look at the flows of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from isthmus.bgp.nlri.evpn import EvpnKey, EvpnPrefix
from isthmus.flows.layout import Table
from isthmus.model.intent import AttachmentIntent
from isthmus.model.port import LocalPort
from tests.build import circuit, ip
from tests.world import REFLECTOR, World


class Fabric:
    """Hypervisors 1, 2, …; what each is asked for stands until it is asked for something else."""

    def __init__(self, hosts: int = 3, *, attachments: Iterable[AttachmentIntent]) -> None:
        self.attachments = list(attachments)
        self.worlds = {n: World(host=n) for n in range(1, hosts + 1)}
        self.ports: dict[int, list[LocalPort]] = {n: [] for n in self.worlds}
        self._passed: dict[int, int] = dict.fromkeys(self.worlds, 0)
        self._said: dict[EvpnKey, tuple[object, EvpnPrefix]] = {}
        for world in self.worlds.values():
            world.switch_on()
        for n in self.worlds:
            self.ask(n)
            self.worlds[n].end_of_rib()

    def ask(self, host: int, *ports: LocalPort) -> None:
        """These machines are there now."""
        self.ports[host] = list(ports)
        rows = {circuit(int(one.attachment[-12:])): one for one in self.attachments}
        self.worlds[host].intent(dict(rows), ports)
        self.pass_on()

    def move(self, port: LocalPort, old: int, new: int) -> None:
        """A live migration, of which the new host hears first."""
        self.ask(new, *self.ports[new], port)
        self.ask(old, *(p for p in self.ports[old] if p.name != port.name))

    def pass_on(self) -> None:
        """Until nobody has anything new to say."""
        while sum(self._pass_on(n) for n in self.worlds):
            pass

    def _pass_on(self, host: int) -> bool:
        history = self.worlds[host].reflectors[REFLECTOR].history
        fresh, self._passed[host] = history[self._passed[host] :], len(history)
        for update in fresh:
            routes = [(update.attributes, route) for route in update.announced if update.attributes is not None]
            for n, world in self.worlds.items():
                if n != host and (routes or update.withdrawn):
                    world.reflectors[REFLECTOR].session.send_routes(routes, update.withdrawn)
                    world.settle()
        return bool(fresh)

    def wait(self, seconds: float) -> None:
        for world in self.worlds.values():
            world.wait(seconds)
        self.pass_on()

    def crash(self, host: int) -> None:
        """Its agent dies; its routes are withdrawn by the reflector, and it comes back with what it remembered."""
        before = self.worlds[host]
        for n, world in self.worlds.items():
            if n != host:
                world.says(withdraw=before.reflectors[REFLECTOR].routes.values())
        fresh = self.worlds[host] = before.crashed()
        self._passed[host] = 0
        fresh.switch_on()
        for n, world in self.worlds.items():
            if n != host:
                told = world.node.peers[REFLECTOR].conversations.values()
                fresh.says()
                fresh.reflectors[REFLECTOR].session.send_routes(
                    [(a.attributes, a.nlri) for one in told for a in one.told.told.values()]
                )
        fresh.settle()
        fresh.end_of_rib()
        self.ask(host, *self.ports[host])

    # What is seen from outside

    def leads(self, host: int, address: str) -> str:
        """Where a hypervisor sends what is for an address: to an endpoint, into a circuit, or nowhere."""
        (found,) = {*self._leads(host, address)} or {""}
        return found

    def _leads(self, host: int, address: str) -> Iterator[str]:
        world = self.worlds[host]
        names = {number: name for name, number in world.circuits.items()}
        for key, flow in world.flows.items():
            if key.table == Table.VIEW and key.match.endswith(f"nw_dst={address}"):
                into = flow.actions.rpartition("output:")[2]
                yield names[int(into)] if into.isdigit() else flow.actions.partition("->tun_dst")[0].rpartition(":")[2]

    def delivers(self, host: int, address: str) -> str:
        """By which circuit it delivers what comes by a tunnel for an address."""
        world = self.worlds[host]
        names = {number: name for name, number in world.circuits.items()}
        found = {
            names[int(flow.actions.rpartition("output:")[2])]
            for key, flow in world.flows.items()
            if key.table == Table.INBOUND and key.match.endswith(f"nw_dst={address}")
        }
        (only,) = found or {""}
        return only


def endpoint(host: int) -> str:
    return str(ip(f"172.30.1.{host}"))
