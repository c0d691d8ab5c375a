"""A VM's interface plugged into br-int, again and again, and what takes it away: unplugged, or its port deleted.

The VM is there all the time, its address on its NIC: what is measured is the clouds' part, not DHCP's or the guest's.
Beside the VPN, in the same round, a neighbour on the other hypervisor of the same cloud sends over plain Geneve: what
that takes is OVN's own part.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from benchmarks import scene
from benchmarks.association import SILENT_S, Figures, add
from benchmarks.packets import Packets
from benchmarks.stations import BY_BGP, HAS_FLOW, HAS_FLOW_NO_MORE, LET_IN, LET_IN_NO_MORE, TOLD, Stations, on_the_way
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.plan import ovs_env
from isthmus.lab.progress import Step
from isthmus.lab.vm import OWNER, Vm

THROUGH_4, THROUGH_6, PLAIN = "b to a, IPv4", "b to a, IPv6", "a to a, IPv4"


PLUGGING = (
    ("Open vSwitch and OVN, then the agent on a-h1: request sent → flow confirmed", LET_IN),
    ("agent on a-h1: → UPDATE sent", TOLD),
    *BY_BGP,
    ("agent on b-h1: → flow in br-vpn", HAS_FLOW),
)


class Rounds:
    """The figures of each round, by what they are figures of."""

    def __init__(self) -> None:
        self.plugged: Figures = defaultdict(list)
        self.gone: Figures = defaultdict(list)
        self.stages: Figures = defaultdict(list)


class Plug:
    """The VM's cable: in and out of br-int as Nova's driver would."""

    def __init__(self, ground: Ground, vm: Vm) -> None:
        self._lab, self.vm, self.port = ground.lab, vm, vm.port_id
        self._env = ovs_env(ground.lab.places.of(vm.site_node))

    def in_(self) -> float:
        """When it was asked for."""
        ids = {"iface-id": self.port, "attached-mac": self.vm.mac, "iface-status": "active", "vm-id": self.vm.name}
        words = ["--", "add-port", "br-int", self.vm.tap, "--", "set", "Interface", self.vm.tap]
        words += [f'external_ids:{key}="{value}"' for key, value in ids.items()]
        begun = time.time()
        self._lab.processes.run("plug", ["ovs-vsctl", *words[1:]], env=self._env)
        return begun

    def out(self) -> float:
        begun = time.time()
        words = ["ovs-vsctl", "--if-exists", "del-port", "br-int", self.vm.tap]
        self._lab.processes.run("plug", words, env=self._env)
        return begun


def measure(ground: Ground, count: int, step: Step) -> Rounds:
    """Begins and ends with the VM plugged, every round with a port of its own that has the same addresses."""
    api, vm = ground.admin("a").network, ground.vms[scene.COMING]
    plug, done = Plug(ground, vm), Rounds()
    ways = [scene.flow(ground.vms[scene.THERE], vm, version) for version in (4, 6)]
    ways.append(scene.flow(ground.vms[scene.BESIDE], vm))
    with Packets(ways) as packets, Stations(ground.lab, on_the_way(ground.lab, str(vm.address(4)))) as stations:
        packets.until_all(packets.names, time.time())
        for number in range(1, count + 1):
            step.note(f"round {number} of {count}")
            _unplugged(done, plug, packets, stations)
            _plugged(done, plug, packets, stations)
            _deleted(done, api, plug, packets, stations)
            plug.out()
            plug.port = _port(api, ground, vm)
            _plugged(done, plug, packets, stations)
    return done


def _plugged(done: Rounds, plug: Plug, packets: Packets, stations: Stations) -> None:
    packets.forget()
    stations.forget()
    begun = plug.in_()
    first = packets.until_all(packets.names, begun)
    done.plugged["plugged → first packet from the other cloud, IPv4"].append(first[THROUGH_4] - begun)
    done.plugged["plugged → first packet from the other cloud, IPv6"].append(first[THROUGH_6] - begun)
    done.plugged["plugged → first packet from its own cloud, plain Geneve"].append(first[PLAIN] - begun)
    add(done.stages, stations.stages(PLUGGING, begun))


def _unplugged(done: Rounds, plug: Plug, packets: Packets, stations: Stations) -> None:
    stations.forget()
    begun = plug.out()
    done.gone["interface unplugged, port kept → b-h1 has no flow"].append(
        stations.until(HAS_FLOW_NO_MORE, begun) - begun
    )
    packets.until_silent(packets.names, begun, SILENT_S)
    stations.until(LET_IN_NO_MORE, begun)


def _deleted(done: Rounds, api: Any, plug: Plug, packets: Packets, stations: Stations) -> None:
    stations.forget()
    begun = time.time()
    api.delete_port(plug.port)
    done.gone["port deleted: request sent → answered"].append(time.time() - begun)
    done.gone["port deleted: request sent → b-h1 has no flow"].append(stations.until(HAS_FLOW_NO_MORE, begun) - begun)
    last = packets.until_silent((THROUGH_4, THROUGH_6), begun, SILENT_S)
    done.gone["port deleted: request sent → last packet from the other cloud"].append(max(last.values()) - begun)
    stations.until(LET_IN_NO_MORE, begun)


def _port(api: Any, ground: Ground, vm: Vm) -> str:
    """A port like the one that was deleted."""
    made = api.create_port(
        name=vm.name,
        network_id=ground.networks["a", "red"].id,
        project_id="tenant1",
        device_owner=OWNER,
        device_id=vm.name,
        mac_address=vm.mac,
        fixed_ips=[{"ip_address": vm.address(4)}],
        binding_host_id=ground.lab.site(vm.site_node).node,
    )
    return str(made.id)
