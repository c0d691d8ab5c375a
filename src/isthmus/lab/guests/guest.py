"""How a guest is started, and what it is told when it starts. Pure. A PE that is not ours, or a hypervisor whose switch
forwards in a kernel.

User-Mode Linux is a kernel that runs as a process. Its root is the machine's own file system, read only, so no image
is built; its NICs are sockets on cables of its namespace (transport `raw`: no device is made, so none is left).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from isthmus.lab.guests import channel
from isthmus.lab.pe import Pe

KERNEL = "linux.uml"
MEMORY_MB = 256
UNDERLAY, CONTROL = "nic", "ctl"
"""The cables to the WAN and to the lab; those to customers' hosts are called as their VRFs."""
INIT, NETWORK, PRELOAD, CHANNEL, FILTER = "init.sh", "network", "xstate.so", "channel.py", "inward.bpf"
"""In its directory."""
INWARD = b"".join(
    struct.pack("=HBBI", *one) for one in ((0x30, 0, 0, 0xFFFFF004), (0x15, 0, 1, 4), (6, 0, 0, 0), (6, 0, 0, 1 << 18))
)
"""A filter for its sockets (linux/filter.h): the kind of packet, and if that is PACKET_OUTGOING, nothing. Else a switch
would hear what it has said itself."""
HOME = Path("/mnt/home")
"""Where it sees that directory. At the directory's own path it has an empty one."""


class Nic(NamedTuple):
    """One of its NICs, and the cable that it hangs on. `large`: packets on it may be larger than a frame (TSO)."""

    cable: str
    mac: str
    large: bool = False

    def words(self, home: Path) -> str:
        """MACs are given: its neighbours remember them from one boot to the next."""
        told = f"transport=raw,ifname={self.cable},mac={self.mac},depth=64,gro={int(self.large)}"
        return f"{told},bpffile={home / FILTER}"


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


def nics(pe: Pe) -> list[Nic]:
    return [Nic(cable, pe.mac(number)) for number, cable in enumerate(cables(pe))]


def command(name: str, home: Path, python: Path, nics: Iterable[Nic]) -> tuple[str, ...]:
    """What starts its kernel."""
    devices = (f"vec{number}:{nic.words(home)}" for number, nic in enumerate(nics))
    words = (f"GUEST={name}", f"PYTHON={python}", f"ITS_HOME={home}")
    return (*kernel(home, name, home / INIT), *words, *devices)


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
    """Lines for a PE's shell: the underlay, the way to the WAN, and where it can be told what to do."""
    yield modules("vrf", "veth", "bridge", "vxlan", "ip_gre", "mpls_router", "mpls_iptunnel")
    yield f"ip addr add {pe.address}/{pe.underlay.prefixlen} dev vec0"
    yield "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
    yield "sysctl -qw net.ipv6.conf.vec0.disable_ipv6=1"
    yield "ip link set vec0 up"
    yield from control("vec1")
    yield f"ip route add default via {pe.wan_router}"


def modules(*names: str) -> str:
    """Of its kernel; init.sh has made them to be found below /mnt."""
    return f"modprobe -d /mnt -a {' '.join(names)}"


def control(nic: str) -> Iterator[str]:
    """By which it is told what to do."""
    yield f"ip addr add {channel.GUEST}/{channel.PREFIX_LENGTH} dev {nic}"
    yield f"sysctl -qw net.ipv6.conf.{nic}.disable_ipv6=1"
    yield f"ip link set {nic} up"


def vrfs(pe: Pe) -> Iterator[tuple[int, str]]:
    """Each VRF's number, from 1, and the NIC of its customer."""
    for number in range(1, len(pe.vrfs) + 1):
        yield number, f"vec{number + 1}"
