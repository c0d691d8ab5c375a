"""Build a Network in the kernel, and sweep everything that carries our prefix.

One `ip -batch` makes namespaces and cables, one more per namespace sets it up, one shell per namespace writes
sysctls and turns offloads off. The prefix is the ownership rule: a namespace called `isthmus-…` is the lab's.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from isthmus.lab.network import PREFIX, End, Network, namespace_of
from isthmus.lab.process import Processes

RUN = Path("/run/netns")
PART = "namespaces"
OFFLOADS = "tx off rx off gso off gro off tso off"


def apply(network: Network, processes: Processes) -> None:
    """Make it all; nothing of it may exist yet (sweep first)."""
    lines = [f"netns add {namespace_of(node)}" for node in network.nodes]
    for veth in network.veths:
        left, right = veth
        lines.append(
            f"link add name {left.device} netns {namespace_of(left.node)}{_mac(left)} type veth"
            f" peer name {right.device} netns {namespace_of(right.node)}{_mac(right)}"
        )
    _batch(processes, None, lines)
    for node in sorted({*network.nodes, *(e.node for v in network.veths for e in v)}):
        _batch(processes, node, list(_setup(network, node)))
        _settle(network, node, processes)


def delete(nodes: Iterable[str], processes: Processes) -> None:
    """Remove these nodes' namespaces and so every interface in them."""
    _batch(processes, None, [f"netns del {namespace_of(node)}" for node in nodes])


def present() -> set[str]:
    """The nodes whose namespaces exist."""
    if not RUN.is_dir():
        return set()
    return {entry.name.removeprefix(PREFIX) for entry in RUN.iterdir() if entry.name.startswith(PREFIX)}


def remove_directory() -> None:
    """Take /run/netns away again if nobody uses it. `ip netns add` made it and mounted it onto itself."""
    if RUN.is_dir() and not any(RUN.iterdir()):
        subprocess.run(["umount", str(RUN)], capture_output=True)  # not mounted: nothing to do
        RUN.rmdir()


def _mac(end: End) -> str:
    return f" address {end.mac}" if end.mac else ""


def _batch(processes: Processes, node: str | None, lines: list[str]) -> None:
    if not lines:
        return
    inside = ["-n", namespace_of(node)] if node else []
    processes.run(PART, ["ip", *inside, "-batch", "-"], stdin="\n".join(lines) + "\n")


def _setup(network: Network, node: str) -> Iterable[str]:
    """The lines for one namespace; a bridge before what joins it, devices before addresses, routes last.

    `dev` and `name` are said, or a device called `d` would be read as a word that begins so.
    """
    if node in network.nodes:
        yield "link set dev lo up"
    for bridge in network.bridges:
        if bridge.node == node:
            yield f"link add name {bridge.device} type bridge"
            yield f"link set dev {bridge.device} up" + (f" mtu {bridge.mtu}" if bridge.mtu else "")
    for end in (e for v in network.veths for e in v if e.node == node):
        if end.bridge:
            yield f"link set dev {end.device} master {end.bridge}"
        if end.up:
            yield f"link set dev {end.device} up"
    for address in network.addresses:
        if address.node == node:
            at_once = " nodad" if address.interface.version == 6 else ""
            yield f"addr add {address.interface} dev {address.device}{at_once}"
    for route in network.routes:
        if route.node == node:
            yield f"route add default via {route.via}" + (f" mtu {route.mtu}" if route.mtu else "")


def _settle(network: Network, node: str, processes: Processes) -> None:
    """Sysctls, and offloads off: a frame with a partial checksum is dropped by the userspace datapath's decoder."""
    ends = [e for v in network.veths for e in v if e.node == node]
    lines = [f"echo {s.value} > /proc/sys/{s.key}" for s in network.sysctls if s.node == node]
    lines += [f"ethtool -K {e.device} {OFFLOADS} >/dev/null" for e in ends if not e.offloads]
    if lines:
        processes.run(PART, ["sh", "-e"], node=node, stdin="\n".join(lines) + "\n")
