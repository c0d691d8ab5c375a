"""How a guest is started, and what it is told when it starts. Pure.

User-Mode Linux is a kernel that runs as a process. Its root is the machine's own file system, read only, so no image
is built; its NICs are sockets on cables of its namespace (transport `raw`: no device is made, so none is left).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from isthmus.lab.guests import channel
from isthmus.lab.pe import Pe

KERNEL = "linux.uml"
MEMORY_MB = 256
UNDERLAY, CONTROL = "nic", "ctl"
"""The cables to the WAN and to the lab; those to customers' hosts are called as their VRFs."""
INIT, NETWORK, PRELOAD, CHANNEL = "init.sh", "network", "xstate.so", "channel.py"
"""In its directory."""


class Session(NamedTuple):
    """Whom FRR in the guest has a session with, and what its configuration says of it whatever the families."""

    address: IPv4Address
    lines: tuple[str, ...]


OWN = "OWN"
NO_TRANSIT = (f"bgp as-path access-list {OWN} permit ^$",)
"""A PE tells its own routes and passes nobody's on: FRR would, with its own address as next hop and another's label."""


def cables(pe: Pe) -> list[str]:
    """In the order of the guest's NICs, `vec0`, `vec1` and so on."""
    return [UNDERLAY, CONTROL, *(vrf.name for vrf in pe.vrfs)]


def command(pe: Pe, home: Path, python: Path) -> tuple[str, ...]:
    """What starts its kernel. MACs are given: its neighbours remember them from one boot to the next."""
    nics = (
        f"vec{number}:transport=raw,ifname={cable},mac={pe.mac(number)},depth=64,gro=0"
        for number, cable in enumerate(cables(pe))
    )
    words = (f"GUEST={pe.name}", f"PYTHON={python}", f"ITS_HOME={home}")
    return (*kernel(home, pe.name, home / INIT), *words, *nics)


def kernel(home: Path, name: str, init: Path) -> tuple[str, ...]:
    """A kernel that runs one program; what is said on its console is its output."""
    return (
        *(KERNEL, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"mem={MEMORY_MB}M", f"init={init}"),
        *(f"uml_dir={home}", f"umid={name}", "con=null", "con0=null,fd:1", "ssl=null", "quiet"),
    )


def environment(home: Path) -> dict[str, str]:
    """Its memory is a file that is removed at once, on a file system of the machine's memory."""
    return {"TMPDIR": "/dev/shm", "LD_PRELOAD": str(home / PRELOAD)}


def addresses(pe: Pe) -> Iterator[str]:
    """Lines for its shell: the underlay, the way to the WAN, and where it can be told what to do."""
    yield f"ip addr add {pe.address}/{pe.underlay.prefixlen} dev vec0"
    yield f"ip addr add {channel.GUEST}/{channel.PREFIX_LENGTH} dev vec1"
    yield "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
    yield "sysctl -qw net.ipv6.conf.vec0.disable_ipv6=1 net.ipv6.conf.vec1.disable_ipv6=1"
    yield "ip link set vec0 up"
    yield "ip link set vec1 up"
    yield f"ip route add default via {pe.wan_router}"


def vrfs(pe: Pe) -> Iterator[tuple[int, str]]:
    """Each VRF's number, from 1, and the NIC of its customer."""
    for number in range(1, len(pe.vrfs) + 1):
        yield number, f"vec{number + 1}"
