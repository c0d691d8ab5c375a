"""Namespaces, cables and addresses as values: what netns.py builds, said without building it.

A *node* is one network namespace of the lab (`a-h1`, `wan`); its namespace carries the lab's prefix, and that prefix
is how a fresh process knows which namespaces it may sweep. Every interface is born inside a namespace, so removing
the namespaces removes all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import NamedTuple

PREFIX = "isthmus-"


def namespace_of(node: str) -> str:
    return PREFIX + node


class End(NamedTuple):
    """One end of a cable. `bridge`: the Linux bridge of that node which it joins. `offloads`: they stay as they are."""

    node: str
    device: str
    mac: str | None = None
    bridge: str | None = None
    up: bool = True
    offloads: bool = False


class Veth(NamedTuple):
    """A cable. Offloads are off at both ends: a frame with a partial checksum dies in the userspace datapath. The
    kernel's knows what to do with it."""

    left: End
    right: End


class Bridge(NamedTuple):
    """A Linux bridge inside a node."""

    node: str
    device: str
    mtu: int | None = None
    """Of the bridge's own device: what is routed out of it."""


class Address(NamedTuple):
    node: str
    device: str
    interface: IPv4Interface | IPv6Interface


class DefaultRoute(NamedTuple):
    node: str
    via: IPv4Address | IPv6Address
    mtu: int | None = None
    """The largest packet that is to be sent by it, if it is not the device's."""


class Sysctl(NamedTuple):
    """One kernel setting of a node, `net/ipv4/ip_forward` form: a device name may hold a dot."""

    node: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Network:
    """Everything netns.py makes in one go."""

    nodes: tuple[str, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    veths: tuple[Veth, ...] = ()
    addresses: tuple[Address, ...] = ()
    routes: tuple[DefaultRoute, ...] = ()
    sysctls: tuple[Sysctl, ...] = field(default=())
