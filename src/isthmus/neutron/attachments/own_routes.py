"""A router's extra routes beside the VPN: which hide it, and how it is asked before a default one. Pure.

A packet goes by the router's own routes first: its subnets, then extra routes, the longest prefix first. What is left
is asked of the VPN, and what no VPN knows follows the router's default route, whoever gave it. So an extra route
longer than a default hides what the VPN has there, and nodes are told of it; a default one hides nothing.

    0.0.0.0/1, 128.0.0.0/1 ─► the circuit                      longer than the extra default route, so they win
    what comes back, or was in no VPN ─► the default's next hops   by policy, because the two would win again
    of that what is private, and is not to leave ─► those of them on the tenant's networks

Rules: only routes by a next hop on a tenant network matter here; what leaves by an external port is asked anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from isthmus.model.net import IpAddress, Prefix

HALVES = {4: ("0.0.0.0/1", "128.0.0.0/1"), 6: ("::/1", "8000::/1")}


class ExtraRoute(NamedTuple):
    """One of Neutron's `routes` of a router."""

    destination: Prefix
    nexthop: IpAddress


@dataclass(frozen=True, slots=True)
class AskedFirst:
    """What it takes that the VPN is asked before a default route in the tenant's own network."""

    version: int
    halves: tuple[str, ...]
    """Routes to the circuit."""
    hops: frozenset[str]
    """Where the router would have sent what the VPN does not know."""
    inner: frozenset[str]
    """Those of them on the tenant's networks: there what is private goes that must not leave by a gateway."""


def inside(routes: Iterable[ExtraRoute], subnets: Iterable[Prefix]) -> tuple[ExtraRoute, ...]:
    """Those by a next hop on one of these."""
    served = list(subnets)
    return tuple(sorted(r for r in routes if any(s.covers(Prefix.host(r.nexthop)) for s in served)))


def hiding(routes: Iterable[ExtraRoute]) -> tuple[Prefix, ...]:
    """What of the VPN the router's own routes hide."""
    return tuple(sorted({r.destination for r in routes if r.destination.length}))


def leading_everywhere(routes: Iterable[ExtraRoute]) -> tuple[Prefix, ...]:
    """The default ones: private destinations too follow them, though the VPN does not know these."""
    return tuple(sorted({r.destination for r in routes if not r.destination.length}))


def asked_first(routes: Iterable[ExtraRoute], uplinks: Iterable[IpAddress]) -> list[AskedFirst]:
    """For each IP version with such a default route. `uplinks`: gateways of the external subnets, with which OVN shares
    the traffic."""
    found, known, beyond = list[AskedFirst](), list(routes), list(uplinks)
    taken = {str(r.destination) for r in known}
    for version, halves in HALVES.items():
        hops = {r.nexthop for r in known if r.destination.version == version and not r.destination.length}
        if hops:
            inner = frozenset(map(str, hops))
            hops |= {address for address in beyond if address.version == version}
            free = tuple(half for half in halves if half not in taken)
            found.append(AskedFirst(version, free, frozenset(map(str, hops)), inner))
    return found
