"""The next hop's MAC address, learnt before the first packet needs it.

Open vSwitch drops tunnelled packets while it resolves their next hop. So when a tunnel endpoint appears, an empty
datagram is sent to it and the kernel resolves the next hop. A switch with a datapath of its own (netdev) learns from
the answer as it passes; where the kernel knew already and no answer passes, it is told what the kernel knows.

Rules: an endpoint counts as resolved when the switch (netdev datapath) or the kernel (system datapath) knows its next
hop, and after two seconds whatever happens (that it was in vain is told): this can make the first packet arrive, it
must never stop the others. An endpoint that is resolved stays so until nobody wants it. All are looked at again every
minute, and when the switch has been away.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.node.facts import NeighboursRead

DISCARD_PORT = 9
"""RFC 863. The answer, if any, is an ICMP error that nobody waits for."""

PATIENCE_S = 2.0
LOOK_S = 0.1
REFRESH_S = 60.0
"""The kernel forgets an unused neighbour after minutes, the switch after 15."""

APPCTL_S = 2.0


class Neighbours:
    """`hear` is called in the loop's thread, with the whole set, when it changes."""

    def __init__(self, local: IpAddress, run_dir: Path, hear: Callable[[NeighboursRead], None]) -> None:
        self._local, self._hear = local, hear
        self._environment = dict(os.environ) | {"OVS_RUNDIR": str(run_dir)}
        self._netdev = False
        self._wanted: frozenset[IpAddress] = frozenset()
        self._resolved: frozenset[IpAddress] = frozenset()
        self._in_vain: frozenset[IpAddress] = frozenset()
        """Those of them of which nobody knew the next hop in time."""
        self._asked: dict[IpAddress, float] = {}
        """Endpoints under attention: since when."""
        self._all_again = True
        self._changed = asyncio.Event()

    def set_neighbours(self, vteps: frozenset[IpAddress]) -> None:
        """The endpoints to be kept resolved; any other is forgotten."""
        self._wanted = vteps
        self._changed.set()

    def set_datapath(self, kind: str) -> None:
        """Who sends the tunnels' packets: ovs-vswitchd itself ("netdev") or the kernel."""
        self._netdev = kind == "netdev"

    def look_again(self) -> None:
        """The switch has been away, and what it knew with it."""
        self._all_again = True
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        clock = asyncio.get_running_loop().time
        refresh_at = clock()
        while True:
            self._changed.clear()
            self._all_again = self._all_again or clock() >= refresh_at
            new = self._wanted if self._all_again else self._wanted - self._resolved - self._asked.keys()
            if self._all_again:
                self._all_again, refresh_at = False, clock() + REFRESH_S
            for vtep in new:
                provoke(self._local, vtep)
            self._asked = {v: at for v, at in (self._asked | dict.fromkeys(new, clock())).items() if v in self._wanted}
            known = await self._known(frozenset(self._asked)) if self._asked else frozenset()
            late = frozenset(v for v, at in self._asked.items() if clock() - at >= PATIENCE_S) - known
            self._asked = {v: at for v, at in self._asked.items() if v not in known and v not in late}
            in_vain = ((self._in_vain - known) | late) & self._wanted
            self._tell((self._resolved | known | late) & self._wanted, in_vain)
            await self._pause(LOOK_S if self._asked else max(LOOK_S, refresh_at - clock()))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _tell(self, resolved: frozenset[IpAddress], in_vain: frozenset[IpAddress]) -> None:
        if (resolved, in_vain) != (self._resolved, self._in_vain):
            self._resolved, self._in_vain = resolved, in_vain
            self._hear(NeighboursRead(resolved, in_vain))

    async def _known(self, vteps: frozenset[IpAddress]) -> frozenset[IpAddress]:
        """Those of these whose next hop is known now."""
        kernel = kernel_neighbours(kernel_says("arp"))
        if not self._netdev:
            routes = kernel_routes(kernel_says("route"))
            there = frozenset(kernel)
        else:
            routes = switch_routes(await self._appctl("ovs/route/show"))
            there = switch_neighbours(await self._appctl("tnl/neigh/show"))
            for hop, device, mac in lessons(routes, there, kernel, vteps):
                await self._appctl("tnl/neigh/set", device, str(hop), str(mac))
        return frozenset(v for v in vteps if (route := route_to(routes, v)) and route.hop(v) in there)

    async def _appctl(self, *args: str) -> str:
        """What ovs-vswitchd says; nothing when it does not answer: the endpoint then waits out its two seconds."""
        try:
            process = await asyncio.create_subprocess_exec(
                *("ovs-appctl", f"--timeout={APPCTL_S:.0f}", "-t", "ovs-vswitchd", *args),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
        except OSError:
            return ""
        out, _ = await process.communicate()
        return out.decode(errors="replace") if process.returncode == 0 else ""


def provoke(local: IpAddress, vtep: IpAddress) -> None:
    """Send nothing to the endpoint, so that the next hop is resolved. A refusal is the network's, and is ignored."""
    family = socket.AF_INET if vtep.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        try:
            sock.bind((str(local), 0))
            sock.sendto(b"", (str(vtep), DISCARD_PORT))
        except OSError:
            return


class KernelRoute(NamedTuple):
    """A line of a routing table; the greatest rank that covers an address wins."""

    rank: int
    prefix: Prefix
    gateway: IpAddress | None
    device: str

    def hop(self, vtep: IpAddress) -> IpAddress:
        """The gateway, or the endpoint itself on its own link."""
        return self.gateway or vtep


class Neighbour(NamedTuple):
    """Whom the kernel knows, and behind which device."""

    mac: Mac
    device: str


def route_to(routes: Iterable[KernelRoute], vtep: IpAddress) -> KernelRoute | None:
    """The best route towards the endpoint."""
    host = Prefix.host(vtep)
    return max((r for r in routes if r.prefix.covers(host)), key=lambda r: r.rank, default=None)


def lessons(
    routes: Iterable[KernelRoute],
    there: frozenset[IpAddress],
    kernel: Mapping[IpAddress, Neighbour],
    vteps: Iterable[IpAddress],
) -> list[tuple[IpAddress, str, Mac]]:
    """Next hops the switch does not know and the kernel does, behind the same device."""
    hops = {(route.hop(v), route.device) for v in vteps if (route := route_to(routes, v))}
    return [
        (hop, device, kernel[hop].mac)
        for hop, device in sorted(hops)
        if hop not in there and hop in kernel and kernel[hop].device == device
    ]


def kernel_says(table: str) -> str:
    """Of this network namespace; the kernel writes it without waiting for anything."""
    return Path("/proc/net", table).read_text()


def kernel_routes(text: str) -> list[KernelRoute]:
    """Out of /proc/net/route: IPv4, main table, numbers as the machine has them in memory."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        destination, gateway, mask = (int(fields[i], 16).to_bytes(4, sys.byteorder) for i in (1, 2, 7))
        length = int.from_bytes(mask, "big").bit_count()
        rank = (length << 32) - int(fields[6])
        found.append(
            KernelRoute(rank, Prefix.of(destination, length), IpAddress(gateway) if any(gateway) else None, fields[0])
        )
    return found


def kernel_neighbours(text: str) -> dict[IpAddress, Neighbour]:
    """Out of /proc/net/arp: those that are complete (ATF_COM, linux/if_arp.h)."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return {IpAddress.parse(r[0]): Neighbour(Mac.parse(r[3]), r[5]) for r in rows if int(r[2], 16) & 0x2}


def switch_routes(text: str) -> list[KernelRoute]:
    """Out of `ovs/route/show`: "Cached: 10.0.0.0/8 dev br-phy GW 10.1.1.1 SRC 10.1.1.9". An operator's own ("User:")
    come before those of the kernel."""
    found = []
    for line in text.splitlines():
        kind, *fields = line.split()
        if kind not in ("Cached:", "User:") or not fields:
            continue
        interface = ipaddress.ip_interface(fields[0])
        said = dict(itertools.pairwise(fields))
        gateway = said.get("GW")
        prefix = Prefix.of(interface.packed, interface.network.prefixlen)
        rank = prefix.length + (129 if kind == "User:" else 0)
        found.append(KernelRoute(rank, prefix, IpAddress.parse(gateway) if gateway else None, said.get("dev", "")))
    return found


def switch_neighbours(text: str) -> frozenset[IpAddress]:
    """Out of `tnl/neigh/show`: a line each, address, MAC, bridge, below a header."""
    rows = [line.split() for line in text.splitlines()]
    mac = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
    return frozenset(IpAddress.parse(row[0]) for row in rows if len(row) >= 2 and mac.fullmatch(row[1]))
