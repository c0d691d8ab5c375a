"""The next hop's MAC address, learnt before the first packet needs it.

Open vSwitch drops tunnelled packets while it resolves their next hop. So when a tunnel endpoint appears, an empty
datagram is sent to it, the kernel resolves the next hop, and the switch learns from the answer; every minute once more,
so that neither forgets.

Rules: an endpoint counts as resolved when the switch (netdev datapath) or the kernel (system datapath) knows its next
hop, and after two seconds whatever happens: this can make the first packet arrive, it must never stop the others. An
endpoint that is resolved stays so until nobody wants it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from isthmus.model.net import IpAddress, Prefix
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
        self._since: dict[IpAddress, float] = {}
        self._changed = asyncio.Event()

    def set_neighbours(self, vteps: frozenset[IpAddress]) -> None:
        """The endpoints to be kept resolved; any other is forgotten."""
        self._wanted = vteps
        self._changed.set()

    def set_datapath(self, kind: str) -> None:
        """Who sends the tunnels' packets: ovs-vswitchd itself ("netdev") or the kernel."""
        self._netdev = kind == "netdev"

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        refresh_at = loop.time()
        while True:
            self._changed.clear()
            new = self._wanted - self._since.keys()
            self._since = {v: self._since.get(v, loop.time()) for v in self._wanted}
            if loop.time() >= refresh_at:
                new, refresh_at = self._wanted, loop.time() + REFRESH_S
            for vtep in new:
                provoke(self._local, vtep)
            waiting = self._wanted - self._resolved
            known = await self._known(waiting) if waiting else frozenset()
            late = {v for v in waiting if loop.time() - self._since.get(v, loop.time()) >= PATIENCE_S}
            self._tell((self._resolved & self._wanted) | known | late)
            pause = LOOK_S if self._wanted - self._resolved else max(LOOK_S, refresh_at - loop.time())
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _tell(self, resolved: frozenset[IpAddress]) -> None:
        if resolved != self._resolved:
            self._resolved = resolved
            self._hear(NeighboursRead(resolved))

    async def _known(self, vteps: frozenset[IpAddress]) -> frozenset[IpAddress]:
        """Those of these whose next hop is known now."""
        if self._netdev:
            return await self._known_to_switch(vteps)
        return known_to_kernel(vteps)

    async def _known_to_switch(self, vteps: frozenset[IpAddress]) -> frozenset[IpAddress]:
        """Two questions however many endpoints there are."""
        there = switch_neighbours(await self._appctl("tnl/neigh/show"))
        if not there:
            return frozenset()
        routes = switch_routes(await self._appctl("ovs/route/show"))
        return frozenset(v for v in vteps if next_hop(routes, v) in there)

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


class Route(NamedTuple):
    """A line of a routing table; the greatest rank that covers an address wins."""

    rank: int
    prefix: Prefix
    gateway: IpAddress | None


def next_hop(routes: Iterable[Route], vtep: IpAddress) -> IpAddress | None:
    """The gateway towards the endpoint, or the endpoint itself on its own link; None without a route."""
    host = Prefix.host(vtep)
    best = max((r for r in routes if r.prefix.covers(host)), key=lambda r: r.rank, default=None)
    return None if best is None else best.gateway or vtep


def known_to_kernel(vteps: Iterable[IpAddress]) -> frozenset[IpAddress]:
    """The kernel sends these without asking anybody first."""
    routes = kernel_routes(Path("/proc/net/route").read_text())
    there = kernel_neighbours(Path("/proc/net/arp").read_text())
    return frozenset(v for v in vteps if next_hop(routes, v) in there)


def kernel_routes(text: str) -> list[Route]:
    """Out of /proc/net/route: IPv4, main table, numbers as the machine has them in memory."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        destination, gateway, mask = (int(fields[i], 16).to_bytes(4, sys.byteorder) for i in (1, 2, 7))
        length = int.from_bytes(mask, "big").bit_count()
        rank = (length << 32) - int(fields[6])
        found.append(Route(rank, Prefix.of(destination, length), IpAddress(gateway) if any(gateway) else None))
    return found


def kernel_neighbours(text: str) -> frozenset[IpAddress]:
    """Out of /proc/net/arp: those that are complete (ATF_COM, linux/if_arp.h)."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return frozenset(IpAddress.parse(row[0]) for row in rows if int(row[2], 16) & 0x2)


def switch_routes(text: str) -> list[Route]:
    """Out of `ovs/route/show`: "Cached: 10.0.0.0/8 dev br-phy GW 10.1.1.1 SRC 10.1.1.9". An operator's own ("User:")
    come before those of the kernel."""
    found = []
    for line in text.splitlines():
        kind, *fields = line.split()
        if kind not in ("Cached:", "User:") or not fields:
            continue
        interface = ipaddress.ip_interface(fields[0])
        gateway = fields[fields.index("GW") + 1] if "GW" in fields[:-1] else None
        prefix = Prefix.of(interface.packed, interface.network.prefixlen)
        rank = prefix.length + (129 if kind == "User:" else 0)
        found.append(Route(rank, prefix, IpAddress.parse(gateway) if gateway else None))
    return found


def switch_neighbours(text: str) -> frozenset[IpAddress]:
    """Out of `tnl/neigh/show`: a line each, address, MAC, bridge, below a header."""
    rows = [line.split() for line in text.splitlines()]
    mac = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
    return frozenset(IpAddress.parse(row[0]) for row in rows if len(row) >= 2 and mac.fullmatch(row[1]))
