"""What a peer says that lies: routes as plain words, each with what must become of it at a hypervisor.

`why` is written from docs/operator/trust.md, not from the core: what the peer may not say is not taken, what it may say
but nobody could use is not imported, and what is left is a route like anybody's, of another cloud.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass, replace
from typing import Any

from isthmus.bgp.attribute import (
    AsSegment,
    PathAttributes,
    claimant_community,
    encapsulation_community,
    mobility_community,
    router_mac_community,
)
from isthmus.bgp.iana import AsSegmentType
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.reason import NotAccepted, NotImported
from isthmus.model.vpn import Claimant, Encapsulation, ExtendedCommunity, RouteDistinguisher, RouteTarget, SiteOfOrigin
from tests.sim.reference import Offer, Place, covers
from tests.sim.reflector import Route

TARGETS = (*(f"64512:{n}" for n in range(1, 6)), "64512:66000", "10.0.0.1:5")
"""Of all BGPVPNs that there ever are."""
BEACON = "65535:4789"
JUNK = ("127.0.0.1/32", "169.254.169.254/32", "224.0.0.9/32", "255.255.255.255/32", "::1/128", "fe80::5/128")
JUNK_COVERED = ("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::1/128", "fe80::/10")


@dataclass(frozen=True, slots=True)
class Leave:
    """What the operator lets the peer say."""

    targets: frozenset[str]
    next_hops: str
    prefixes: tuple[str, ...] | None
    """Where its routes may lead to; None: anywhere."""


@dataclass(frozen=True, slots=True)
class Lie:
    """One route."""

    what: str
    prefix: str
    targets: frozenset[str]
    next_hop: str
    vni: int
    rd: RouteDistinguisher
    network: str = ""
    """In whose name; empty: nobody's."""
    sequence: int = 1
    site: str = ""
    router_mac: str = "02:78:ac:1e:03:01"
    mpls: bool = False
    gateway: bool = False
    path: tuple[int, ...] = ()
    """Behind the liar's own AS."""
    padding: int = 0
    """Octets of attributes that nobody reads."""

    def __str__(self) -> str:
        return f"{self.what}, {self.prefix} at {self.next_hop} with {', '.join(sorted(self.targets))}"

    @property
    def is_host(self) -> bool:
        return ipaddress.ip_network(self.prefix).num_addresses == 1

    @property
    def route(self) -> Route:
        prefix = Prefix.parse(self.prefix)
        said: list[ExtendedCommunity] = [RouteTarget.parse(t) for t in sorted(self.targets)]
        said.append(encapsulation_community(Encapsulation.MPLS if self.mpls else Encapsulation.VXLAN))
        said += [router_mac_community(Mac.parse(self.router_mac))] if self.router_mac else []
        said += [SiteOfOrigin.parse(self.site)] if self.site else []
        said += [claimant_community(Claimant.of(self.network))] if self.network else []
        said.append(mobility_community(self.sequence))
        attributes = PathAttributes(
            as_path=(AsSegment(AsSegmentType.AS_SEQUENCE, self.path),) if self.path else (),
            next_hop=IpAddress.parse(self.next_hop),
            communities=tuple(range(self.padding // 4)),
            extended_communities=tuple(said),
        )
        gateway = IpAddress(bytes(len(prefix.address) - 1) + b"\x09") if self.gateway else None
        return attributes, EvpnPrefix(self.rd, 0, prefix, bytes(10), gateway, self.vni)

    def why(self, asn: int, leave: Leave) -> NotAccepted | NotImported | None:
        """Why a hypervisor of that cloud does not use it; None: it is a route like anybody's."""
        if not covers(leave.next_hops, self.next_hop):
            return NotAccepted.FOREIGN_NEXT_HOP
        counted = self.targets & {*leave.targets, BEACON}
        if not counted:
            return NotAccepted.FOREIGN_TARGET
        if not _within(self.prefix, (leave.next_hops,) if counted == {BEACON} else leave.prefixes):
            return NotAccepted.FOREIGN_PREFIX
        if asn in self.path:
            return NotImported.AS_LOOP
        if self.site == f"{asn}:1":
            return NotImported.SITE_LOOP
        if _within(self.prefix, JUNK_COVERED):
            return NotImported.RESERVED_PREFIX
        if self.gateway:
            return NotImported.OVERLAY_INDEX
        if self.mpls:
            return NotImported.ENCAPSULATION
        return None if self.router_mac else NotImported.NO_ROUTER_MAC

    def offer(self, leave: Leave, router_id: str) -> Offer:
        """As the model has it: of a cloud of its own, whatever it says of itself."""
        place = Place("north-1", "north", self.next_hop, self.router_mac, 0, 0, 0, 0)
        address, number = self.prefix.partition("/")[0], int.from_bytes(self.rd, "big")
        targets = self.targets & leave.targets
        return Offer(
            *(place, "", "", number, self.vni, address, targets, 100, self.network, frozenset[str]()),
            sequence=self.sequence,
            router_id=router_id,
            site=self.site,
            hops=len(self.path),
        )


def _within(prefix: str, allowed: tuple[str, ...] | None) -> bool:
    one = ipaddress.ip_network(prefix)
    nets = [ipaddress.ip_network(a) for a in allowed or ()]
    return allowed is None or any(
        n.version == one.version and n.supernet_of(one)  # type: ignore[arg-type]
        for n in nets
    )


class Tongue:
    """Makes lies about what is there."""

    def __init__(self, rng: random.Random, leave: Leave, router_id: str) -> None:
        self._rng, self._leave = rng, leave
        self.router_id = router_id
        self._foreign = sorted({*TARGETS} - leave.targets)
        self._number = 0
        self._last: Lie | None = None

    def about(self, owned: Offer, hypervisors: list[str]) -> Lie:
        """One lie about somebody's address."""
        rng, leave = self._rng, self._leave
        agreed = owned.targets & leave.targets or leave.targets
        its = owned.place.vtep
        base = Lie(
            what="",
            prefix=_host(owned.address),
            targets=frozenset([rng.choice(sorted(agreed))]),
            next_hop=self._hop(),
            vni=rng.choice((owned.vni, owned.vni, 4999)),
            rd=self._rd(),
            network=rng.choice(("neutron-of-north", owned.network, owned.network)),
            sequence=rng.choice((1, 2, 1_000_000, 2**32 - 1, 0)),
            site=rng.choice(("", "64512:1", "64513:1", "64514:1")),
        )
        made = [
            replace(base, what="is first"),
            replace(base, what="has moved", **_moved(owned)),
            replace(base, what="says no name", network=""),
            replace(base, what="its number", rd=RouteDistinguisher.of(IpAddress.parse(its), owned.number)),
            replace(base, what="foreign target", targets=frozenset([rng.choice(self._foreign)])),
            replace(base, what="foreign beside", targets=base.targets | {rng.choice(self._foreign)}),
            replace(base, what="foreign next hop", next_hop=rng.choice((*hypervisors, "192.0.2.77", "172.30.9.9"))),
            replace(base, what="loop", path=(rng.choice((64512, 64513)),)),
            replace(base, what="junk", prefix=rng.choice(JUNK)),
            replace(base, what="no MAC", router_mac=""),
            replace(base, what="MPLS", mpls=True),
            replace(base, what="gateway", gateway=True),
            replace(base, what="nobody's", prefix=rng.choice(("10.0.0.99/32", "10.99.0.7/32", "fd00:1::99/128"))),
            self._beacon(base, rng.choice(hypervisors)),
        ]
        lie = rng.choice(made)
        if self._last is not None and rng.random() < 0.3:  # what was said before, in other words
            lie = replace(lie, rd=self._last.rd, prefix=self._last.prefix)
        self._last = lie
        return lie

    def flood(self, owned: Offer, many: int) -> list[Lie]:
        """Very many routes of one kind: addresses, next hops, paths of one prefix, octets or targets."""
        rng, leave = self._rng, self._leave
        may = rng.random() < 0.8
        targets = frozenset([rng.choice(sorted(leave.targets) if may else self._foreign)])
        net = ipaddress.ip_network(leave.next_hops)
        kind = rng.choice(("routes", "next hops", "paths", "octets"))
        found = []
        for n in range(many):
            one = Lie(
                what=f"flood of {kind}",
                prefix=f"10.99.{n >> 8}.{n & 255}/32",
                targets=targets,
                next_hop=str(net[1 + n % 250]) if kind == "next hops" else self._hop(),
                vni=owned.vni,
                rd=self._rd(),
                network="neutron-of-north",
            )
            if kind == "paths":
                one = replace(one, prefix=_host(owned.address))
            elif kind == "octets":
                one = replace(one, padding=1500)
            found.append(one)
        return found

    def _beacon(self, base: Lie, hypervisor: str) -> Lie:
        """Of a hypervisor of others: as that one has it, or with a next hop that the liar may say."""
        rd = RouteDistinguisher.of(IpAddress.parse(hypervisor), 0)
        hop = self._rng.choice((hypervisor, base.next_hop))
        beside = base.targets if self._rng.random() < 0.3 else frozenset[str]()
        targets = frozenset([BEACON]) | beside
        return replace(base, what="beacon", prefix=_host(hypervisor), targets=targets, next_hop=hop, rd=rd)

    def _hop(self) -> str:
        return str(ipaddress.ip_network(self._leave.next_hops)[self._rng.choice((9, 9, 10))])

    def _rd(self) -> RouteDistinguisher:
        self._number += 1
        return RouteDistinguisher.of(IpAddress.parse(self.router_id), self._number & 0xFFFF)


def _host(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


def _moved(owned: Offer) -> dict[str, Any]:
    """All that says that somebody's machine has come here."""
    site = {"east": "64512:1", "west": "64513:1"}[owned.place.cloud]
    return {"sequence": 2**32 - 1, "network": owned.network, "vni": owned.vni, "site": site}
