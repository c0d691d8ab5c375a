"""What a node should do with a packet, said without BGP and without OpenFlow.

`Forwarding` is the whole desired state; a switch backend renders it and diffs. Keys are tuples of plain values, so two
forwardings compare by dictionary equality.

Rules: nothing here is allocated. A view's number is a function of what it imports, so a fresh process finds its own
flows again; a next hop is its own name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, NewType, assert_never

from isthmus.model.intent import Fallback
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.vpn import RouteTarget

ViewId = NewType("ViewId", int)
"""64 bits, never 0; see `view_id`."""

CircuitName = NewType("CircuitName", str)
"""The logical port name of an attachment circuit, which is its name on the patch port too."""


def view_id(imports: Iterable[RouteTarget], preferred: Iterable[RouteTarget] = (), key: bytes = b"") -> ViewId:
    """The number of the view that imports these targets: the same in every process, whatever else exists. `preferred`:
    those of them whose routes come first, if some do.

    64 bits of BLAKE2b over the sorted targets. Two different sets share a number with probability 2**-64 a pair; who
    wants such a pair needs 2**32 tries, and the hypervisor's key, because tenants choose what their VPNs import.
    """
    octets = b"".join(sorted(set(imports)))
    if first := b"".join(sorted(set(preferred))):
        octets += b"\0" + first
    digest = hashlib.blake2b(octets, digest_size=8, key=key).digest()
    return ViewId(int.from_bytes(digest, "big") or 1)


class NextHop(NamedTuple):
    """Where a tunnelled packet goes. Two PEs may share a VTEP or a router MAC, so all three are the key."""

    vtep: IpAddress
    router_mac: Mac
    vni: int


class LabelledHop(NamedTuple):
    """A PE that takes an IP packet behind labels (RFC 4364)."""

    pe: IpAddress
    labels: tuple[int, ...]
    """Outermost first; at least one."""


class Deliver(NamedTuple):
    """Into the router behind a circuit of this node."""

    circuit: CircuitName


Hop = NextHop | LabelledHop

SPREAD_MAX = 8
"""Hops that share one line."""


class Spread(NamedTuple):
    """To several PEs: each pair of source and destination address to one of them."""

    hops: tuple[Hop, ...]
    """Two at least, one for each endpoint, in the order of these (`spread`)."""


Target = Hop | Deliver | Spread


def spread(hops: Iterable[Hop]) -> Hop | Spread:
    """To all of these, of which no two end at the same endpoint."""
    found = tuple(sorted(hops, key=end))
    return Spread(found) if len(found) > 1 else found[0]


def end(hop: Hop) -> IpAddress:
    """Where the tunnel to it ends."""
    return hop.vtep if isinstance(hop, NextHop) else hop.pe


def endpoints_of(target: Target) -> tuple[IpAddress, ...]:
    """Where the tunnels end that it leads into."""
    match target:
        case NextHop(vtep):
            return (vtep,)
        case LabelledHop(pe):
            return (pe,)
        case Spread(hops):
            return tuple(map(end, hops))
        case Deliver():
            return ()
        case _:
            assert_never(target)


class SourceKey(NamedTuple):
    """Whose packet: the circuit it came by, its source address, and the lane it came by there."""

    circuit: CircuitName
    address: IpAddress
    lane: int | None = None
    """None: the circuit has none, and the address alone says it."""


class InboundKey(NamedTuple):
    """What this node announced with a VNI: exactly this is accepted from a tunnel."""

    vni: int
    prefix: Prefix


class LabelKey(NamedTuple):
    """What this node announced with a label: exactly this is accepted behind it."""

    label: int
    prefix: Prefix
    behind: Literal["mpls"] = "mpls"
    """Tuples are equal by what they hold: this keeps a label and a VNI of one number apart."""


Inbound = InboundKey | LabelKey


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a circuit treats what no view knows."""

    fallback: Fallback
    subnets: tuple[Prefix, ...]
    floating: frozenset[IpAddress] = frozenset()
    """Sources that have a floating IP: a default route of the VPN is not theirs."""
    own_defaults: tuple[int, ...] = ()
    """IP versions in which nobody's packets follow a default route of the VPN."""
    outside: tuple[Prefix, ...] = ()
    """Private, and let through by `public`: the router has a route to them beyond its gateway."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """The whole desired forwarding of a node but the lines of its views, which change one by one."""

    circuits: Mapping[CircuitName, Circuit] = field(default_factory=dict)
    sources: Mapping[SourceKey, ViewId] = field(default_factory=dict)
    inbound: Mapping[Inbound, CircuitName] = field(default_factory=dict)
