"""A hypervisor whose switch forwards in a kernel (`datapath = "kernel"`): a guest with openvswitch.ko, in which all of
it runs: Open vSwitch, ovn-controller, the agent. Its cables hang in its namespace as ever; VMs are where they always
are.

There is no br-phy: the underlay's address is on the NIC, as the kernel sends the tunnels' packets. The guest has slots
for VMs, NICs whose cable is not there yet: a VM's cable takes the name that a free one waits for, and in the guest that
NIC the cable's, with the offloads that a tap device of Nova's has.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from isthmus.lab.fault import PartFailed
from isthmus.lab.guests import guest, running, untracked
from isthmus.lab.network import namespace_of
from isthmus.lab.plan import FIRST_SLOT, SLOTS, UNTRACKED, Programs, Site, hypervisor_guest, slot
from isthmus.lab.process import Processes

_CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
_NUMBER = 'device=$(readlink -e "/sys/class/net/$0/device") || exit 0; echo "${device##*.}"'
"""Of a NIC, by its name; nothing if there is none."""
_FREE = "cd /sys/class/net && ls -d vec* | sed s/vec// | sort -n | tail -1"
"""A slot has its kernel's name as long as nobody is in it."""


def start(site: Site, processes: Processes, programs: Programs) -> None:
    """A kernel with the hypervisor's NICs, and what stands outside for the sockets in there."""
    kernel, sockets, between = hypervisor_guest(site, processes.places, programs)
    running.start(_part(site), kernel, network(site), processes, {UNTRACKED: Path(untracked.__file__).read_text()})
    processes.start(sockets)
    processes.start(between)


def network(site: Site) -> Iterator[str]:
    """Lines for the guest's shell."""
    yield guest.modules("openvswitch", "vport-vxlan", "vport-gre", "vport-geneve")
    yield guest.modules("mpls_gso")  # as the agent's unit does: it is the one that nobody asks for
    yield from (f"ip link set vec{number} name {name}" for number, name in ((0, guest.UNDERLAY), (2, "ex")))
    yield from guest.control("vec1")
    yield f"sysctl -qw net.ipv6.conf.{guest.UNDERLAY}.disable_ipv6=1 net.ipv6.conf.ex.disable_ipv6=1"
    yield f"ip addr add {site.hypervisor.address}/{site.cloud.underlay.prefixlen} dev {guest.UNDERLAY}"
    yield f"ip link set {guest.UNDERLAY} up"
    yield "ip link set ex up"
    yield f"ip route add default via {site.cloud.wan_router}"
    # Within 10 s of the machine's start Open vSwitch counts no processors, makes no thread for what its flows do not
    # know, and drops it for ever.
    yield 'while read -r up _ </proc/uptime; [ "${up%.*}" -le 10 ]; do sleep .1; done'


def silent(site: Site, path: str) -> str | None:
    """None if somebody in there accepts connections on that unix socket, else what is wrong."""
    answer = running.ask(_part(site), site.node, [sys.executable, "-I", "-S", "-c", _CONNECT, path])
    return f"{path}: {answer['err'].strip().splitlines()[-1:]}" if answer["code"] else None


def pids(site: Site, word: Path) -> list[int]:
    """Of the processes in there with that in their command, the oldest first."""
    return [int(pid) for pid in running.ask(_part(site), site.node, ["pgrep", "-f", str(word)])["out"].split()]


def run(site: Site, argv: list[str]) -> str:
    """The output of a command in there. Raises PartFailed if it ends badly."""
    return running.run(_part(site), site.node, argv)


def plug(site: Site, device: str, processes: Processes) -> None:
    """A cable of its namespace, and so a VM, gets a slot."""
    number = int(run(site, ["sh", "-c", _FREE]))
    if number < FIRST_SLOT:
        raise PartFailed(_part(site), "a slot for another VM", f"all {SLOTS} are taken")
    _rename(site, device, slot(number), processes)
    run(site, ["ip", "link", "set", f"vec{number}", "name", device, "up"])


def unplug(site: Site, device: str, processes: Processes) -> None:
    """The cable has its name back; one that never got a slot is left."""
    number = run(site, ["sh", "-c", _NUMBER, device]).strip()
    if number:
        run(site, ["ip", "link", "set", device, "down"])
        run(site, ["ip", "link", "set", device, "name", f"vec{number}"])
        _rename(site, slot(int(number)), device, processes)


def _rename(site: Site, device: str, name: str, processes: Processes) -> None:
    lines = f"link set dev {device} down\nlink set dev {device} name {name}\nlink set dev {name} up\n"
    processes.run(_part(site), ["ip", "-n", namespace_of(site.node), "-batch", "-"], stdin=lines)


def _part(site: Site) -> str:
    return f"hypervisor {site.node}"
