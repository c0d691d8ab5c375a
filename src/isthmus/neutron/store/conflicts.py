"""What must not be in one BGPVPN together, or not at all.

A network is in BGPVPNs by itself or by its router, never both: every interface of every router counts, whatever its
kind of owner and whoever owns it. What concerns one network or router comes one after another: associations and
interfaces lock its row before they look (`queue`, `check_interface`), so of two requests at once the second sees the
first. Two associations, of a router and of its network, lock different rows; they look each other up by locking reads.

Subnets that overlap in a BGPVPN are refused or reported, as the cloud chooses (`Overlapping`). A guest's hold up nobody
but guests: where the owner's come to overlap with them, the guest's association is left out (`fitting`).

Rule: functions here run in the caller's transaction and raise what the API answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.common import ipv6_utils
from neutron.db import models_v2
from neutron.db.models import l3
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.exceptions import l3 as l3_exceptions
from oslo_log import log as logging

from isthmus.model.intent import AssociationKind
from isthmus.model.net import IpAddress, Prefix
from isthmus.neutron.attachments import reading
from isthmus.neutron.attachments.desired import Unserved
from isthmus.neutron.rows import dirty, models
from isthmus.neutron.rows.overlaps import Claim, Overlap, claims, guests_in, pairs, with_owners
from isthmus.neutron.words import exceptions
from isthmus.neutron.words.conf import Overlapping
from isthmus.neutron.words.values import NewAssociation

LOG = logging.getLogger(__name__)


def queue(session: Any, news: Sequence[NewAssociation], policy: Overlapping) -> None:
    """Wait for whoever changes the same routers, networks, BGPVPNs.

    The first statement of a transaction, so that everything it reads afterwards is not older. Raises Neutron's own not
    found for a router or network that has gone since the request looked it up.
    """
    targets = {kind: {n.target for n in news if n.kind is kind} for kind in AssociationKind}
    queue_for_overlaps(session, {n.bgpvpn for n in news}, policy)
    for gone in sorted(_lock(session, l3.Router, targets[AssociationKind.ROUTER])):
        raise l3_exceptions.RouterNotFound(router_id=gone)
    for gone in sorted(_lock(session, models_v2.Network, targets[AssociationKind.NETWORK])):
        raise neutron_exceptions.NetworkNotFound(net_id=gone)


def queue_for_overlaps(session: Any, bgpvpns: Collection[str], policy: Overlapping) -> None:
    """The same, for what can make something overlap only."""
    if policy is Overlapping.REFUSE:
        _lock(session, models.Bgpvpn, bgpvpns)


def _lock(session: Any, table: Any, ids: Collection[str]) -> set[str]:
    """Those that are not there."""
    if not ids:
        return set()
    query: Any = sa.select(table.id).where(table.id.in_(ids)).order_by(table.id).with_for_update()
    return set(ids) - set(session.scalars(query))


def check_network(session: Any, network: str) -> str:
    """The attachment that the network belongs to."""
    _check_served(session, {network})
    around = reading.places(session, networks={network})
    for router in _associated_routers(session, {p.router for p in around}):
        raise exceptions.BGPVPNNetworkRouterConflict(network_id=network, router_id=router, other="router")
    home = reading.homes_by(around, {network})[network]
    _check_flavour(session, reading.ids_of([home], "router"))
    return home


def check_router(session: Any, router: str) -> None:
    _check_flavour(session, {router})
    networks = {p.network for p in reading.places(session, routers={router})}
    _check_served(session, networks)
    for network in _associated_networks(session, networks):
        raise exceptions.BGPVPNNetworkRouterConflict(network_id=network, router_id=router, other="network")


def check_port(session: Any, port: str) -> str:
    """A port may be in other BGPVPNs than its network and its router: it is the narrower wish. Its network."""
    query: Any = sa.select(models_v2.Port.network_id).where(models_v2.Port.id == port)
    network = session.scalar(query)
    if network is None:  # it has gone since the request looked it up
        raise neutron_exceptions.PortNotFound(port_id=port)
    _check_served(session, {network})
    return str(network)


def check_interface(session: Any, router: str, network: str) -> None:
    """Before the router gets an interface on the network, in the transaction that makes it."""
    _lock(session, l3.Router, {router})
    _lock(session, models_v2.Network, {network})
    if not _associated_routers(session, {router}):
        return
    _check_served(session, {network})
    if _associated_networks(session, {network}):
        raise exceptions.BGPVPNNetworkRouterConflict(
            network_id=network, router_id=router, other="router and the network"
        )


def _check_served(session: Any, networks: Collection[str]) -> None:
    for refused, reason in reading.centralised(session, networks).items():
        raise exceptions.BGPVPNNetworkNotSupported(network_id=refused, reason=reason)


def _check_flavour(session: Any, routers: Collection[str]) -> None:
    for refused in reading.flavoured(session, routers):
        raise exceptions.BGPVPNRouterNotSupported(router_id=refused, reason=Unserved.FLAVOUR.value)


def _associated_routers(session: Any, routers: set[str]) -> list[str]:
    if not routers:
        return []
    column: Any = models.RouterAssociation.router_id
    return sorted(session.scalars(sa.select(column).where(column.in_(routers)).with_for_update(read=True)))


def _associated_networks(session: Any, networks: set[str]) -> list[str]:
    if not networks:
        return []
    column: Any = models.NetworkAssociation.network_id
    return sorted(session.scalars(sa.select(column).where(column.in_(networks)).with_for_update(read=True)))


# -------------------------------------------------------------------------------------------- overlapping subnets


def check_overlaps(context: Any, bgpvpns: Collection[str], associations: Collection[str], policy: Overlapping) -> None:
    """After the associations were made: whether they overlap with anything. Raises BGPVPNOverlappingSubnets (409)."""

    def is_ours(claim: Claim) -> bool:
        return claim.association in associations

    def told(overlap: Overlap) -> str:
        return str(overlap) if context.is_admin else overlap.told_to({context.project_id})

    _settle(context.session, claims(context.session, bgpvpns), is_ours, told, policy)


def check_interface_overlaps(session: Any, router: str, subnets: Collection[str], policy: Overlapping) -> None:
    """After the router got an interface on these subnets, in the transaction that made it."""
    table = models.RouterAssociation
    query: Any = sa.select(table.bgpvpn_id).where(table.router_id == router)
    _check_claims(session, query, lambda claim: claim.subnet in subnets, policy)


def check_subnet_overlaps(session: Any, network: str, subnet: str, policy: Overlapping) -> None:
    """After the network got the subnet, in the transaction that made it."""
    table = models.NetworkAssociation
    query: Any = sa.select(table.bgpvpn_id).where(table.network_id == network)
    _check_claims(session, query, lambda claim: claim.subnet == subnet, policy)


def check_address_overlaps(session: Any, port: str, subnet: str, address: str, policy: Overlapping) -> None:
    """After a port got an address of the subnet, in the transaction that gave it.

    Every port that is made comes here, so what is not associated is looked up without a lock: one that is associated
    and gets an address at the same moment may slip by. Addresses that Neutron makes of a new subnet's prefix are never
    refused: it would leave the subnet half made.
    """
    table = models.PortAssociation
    query: Any = sa.select(table.bgpvpn_id).where(table.port_id == port, table.advertise_fixed_ips)
    if session.scalar(query.limit(1)) is None:
        return
    if ipv6_utils.is_auto_address_subnet(_modes(session, subnet)):
        policy = Overlapping.WARN
    own = Prefix.host(IpAddress.parse(address))
    _check_claims(session, query, lambda claim: (claim.subnet, claim.prefix) == (subnet, own), policy)


def _modes(session: Any, subnet: str) -> dict[str, str]:
    table = models_v2.Subnet
    query: Any = sa.select(table.ipv6_address_mode, table.ipv6_ra_mode).where(table.id == subnet)
    return dict(session.execute(query).mappings().one())


def _check_claims(session: Any, affected: Any, is_ours: Callable[[Claim], bool], policy: Overlapping) -> None:
    """`affected` selects BGPVPNs, `is_ours` what has just been claimed. What was read before may be older than another
    request that has just committed: with `refuse`, all that make something overlap in a BGPVPN wait for one another,
    then look at what is there now."""

    def told(overlap: Overlap) -> str:
        return overlap.told_to({claim.project for claim in overlap if is_ours(claim)})

    refuses = policy is Overlapping.REFUSE
    bgpvpns = set(session.scalars(affected.with_for_update(read=True) if refuses else affected))
    if bgpvpns:
        queue_for_overlaps(session, bgpvpns, policy)
        _settle(session, claims(session, bgpvpns, latest=refuses), is_ours, told, policy)


def _settle(
    session: Any,
    found: Mapping[str, Collection[Claim]],
    is_ours: Callable[[Claim], bool],
    told: Callable[[Overlap], str],
    policy: Overlapping,
) -> None:
    for bgpvpn, members in found.items():
        disputed = list(with_owners(members)) if policy is Overlapping.REFUSE else []
        yielding = guests_in(disputed)
        late = (o for o in disputed if any(claim.guest and is_ours(claim) for claim in o))
        others = pairs(claim for claim in members if claim.association not in yielding)
        for overlap in (*late, *(o for o in others if any(map(is_ours, o)))):
            if policy is Overlapping.REFUSE:
                raise exceptions.BGPVPNOverlappingSubnets(bgpvpn_id=bgpvpn, overlap=told(overlap))
            LOG.warning("in BGPVPN %s, %s", bgpvpn, overlap)
        if new := [o for o in disputed if any(map(is_ours, o))]:
            LOG.warning("in BGPVPN %s, %s: what is a guest's is left out", bgpvpn, "; ".join(map(str, new)))
            dirty.mark(session, reading.behind(session, bgpvpn))
