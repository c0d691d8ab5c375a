"""Which subnets of one BGPVPN overlap: whoever is sent a packet for such an address is a matter of chance.

What counts is what a BGPVPN's associations stand for: every subnet of an associated network, the subnets on which an
associated router has an interface, the addresses of an associated port. Of type l3 only: in an l2 BGPVPN several
networks are one, with one subnet. Prefix routes of ports do not count: the same prefix behind several ports is a way
to share its load, and a longer one a way to take part of it. A guest's claims yield to those of the BGPVPN's owner.
Rule: a constant number of statements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3
from neutron_lib import constants

from isthmus.model.net import IpAddress, Prefix
from isthmus.neutron.rows import models
from isthmus.neutron.words import apidef


class Claim(NamedTuple):
    """Addresses that belong to the BGPVPN by an association; `project` is the association's."""

    prefix: Prefix
    subnet: str
    network: str
    association: str
    project: str
    guest: bool
    """Whether the BGPVPN is another project's."""

    def __str__(self) -> str:
        return f"{self.prefix} of subnet {self.subnet} of network {self.network}"


class Overlap(NamedTuple):
    """`outer` covers `inner`, or is the same prefix; the two are of different subnets."""

    outer: Claim
    inner: Claim

    def __str__(self) -> str:
        return f"{self.outer} and {self.inner} overlap"

    def told_to(self, projects: Collection[str]) -> str:
        """As above, without what belongs to other projects than these."""
        sides = [str(c) if c.project in projects else f"{c.prefix} of another project" for c in self]
        return f"{sides[0]} and {sides[1]} overlap"


def overlaps(session: Any, bgpvpns: Collection[str]) -> dict[str, list[Overlap]]:
    """Of each of the BGPVPNs that has any: each claim with the narrowest other that covers it, in a stable order."""
    found = {bgpvpn: list(pairs(members)) for bgpvpn, members in claims(session, bgpvpns).items()}
    return {bgpvpn: several for bgpvpn, several in found.items() if several}


def claims(session: Any, bgpvpns: Collection[str], *, latest: bool = False) -> dict[str, set[Claim]]:
    """Everything that is claimed in each of the BGPVPNs, in the order of their ids.

    `latest`: as it is now, not as it was when the transaction began, and it stays so until that ends.
    """
    found: dict[str, set[Claim]] = defaultdict(set)
    prefixes: dict[str, Prefix] = {}  # few texts, said again by each BGPVPN of a long list
    for bgpvpn, association, project, guest, subnet, network, cidr, address in _claims(session, bgpvpns, latest):
        if (text := address or cidr) not in prefixes:
            prefixes[text] = Prefix.host(IpAddress.parse(address)) if address else Prefix.parse(cidr)
        found[bgpvpn].add(Claim(prefixes[text], subnet, network, association, project, bool(guest)))
    return dict(sorted(found.items()))


def pairs(members: Iterable[Claim]) -> Iterator[Overlap]:
    """Each with the narrowest other that covers it."""
    for around, claim in _nested(members):
        if around and around[-1].subnet != claim.subnet:  # of the same subnet: said of that claim already
            yield Overlap(around[-1], claim)


def with_owners(members: Iterable[Claim]) -> Iterator[Overlap]:
    """Each of a guest's with each of the owner's."""
    for around, claim in _nested(members):
        for outer in around:
            if outer.guest != claim.guest and outer.subnet != claim.subnet:
                yield Overlap(outer, claim)


def guests_in(found: Iterable[Overlap]) -> set[str]:
    """Their associations."""
    return {claim.association for overlap in found for claim in overlap if claim.guest}


def yielding(session: Any, bgpvpns: Collection[str]) -> set[str]:
    """Guests' associations that overlap with what the owners of these BGPVPNs have in them."""
    found = claims(session, bgpvpns) if bgpvpns else {}
    return {association for members in found.values() for association in guests_in(with_owners(members))}


def _nested(members: Iterable[Claim]) -> Iterator[tuple[list[Claim], Claim]]:
    """Each with those that cover it, the widest first. Prefixes are nested or apart: in their order, those that cover
    one are a stack."""
    around: list[Claim] = []
    for claim in sorted(members, key=lambda c: (c.prefix.version, *c)):
        while around and not around[-1].prefix.covers(claim.prefix):
            around.pop()
        yield around, claim
        around.append(claim)


def _claims(session: Any, bgpvpns: Collection[str], latest: bool) -> Iterable[Any]:
    """(BGPVPN, association, its project, whether that is a guest, subnet, network, CIDR, address or null)"""
    parts = _selects(bgpvpns)
    if not latest:
        return session.execute(sa.union_all(*parts))
    return [row for part in parts for row in session.execute(part.with_for_update(read=True))]


def _selects(bgpvpns: Collection[str]) -> tuple[Any, ...]:
    subnet, allocation = models_v2.Subnet, models_v2.IPAllocation
    networks, routers, ports = models.NetworkAssociation, models.RouterAssociation, models.PortAssociation

    def of(table: Any, address: Any) -> Any:
        bgpvpn, own = models.Bgpvpn, table.project_id
        of_whom = (table.bgpvpn_id, table.id, own, own != bgpvpn.project_id)
        said = (*of_whom, subnet.id, subnet.network_id, subnet.cidr, address)
        query: Any = sa.select(*said).select_from(table).join(bgpvpn, bgpvpn.id == table.bgpvpn_id)
        return query.where(bgpvpn.id.in_(bgpvpns), bgpvpn.type == apidef.L3)

    return (
        of(networks, sa.null()).join(subnet, subnet.network_id == networks.network_id),
        of(routers, sa.null())
        .join(l3.RouterPort, l3.RouterPort.router_id == routers.router_id)
        .join(allocation, allocation.port_id == l3.RouterPort.port_id)
        .join(subnet, subnet.id == allocation.subnet_id)
        .where(l3.RouterPort.port_type.in_(constants.ROUTER_INTERFACE_OWNERS)),
        of(ports, allocation.ip_address)
        .join(allocation, allocation.port_id == ports.port_id)
        .join(subnet, subnet.id == allocation.subnet_id)
        .where(ports.advertise_fixed_ips),
    )
