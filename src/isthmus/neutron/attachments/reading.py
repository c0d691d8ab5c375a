"""What the database says of attachments, as the plain values of desired.py.

Rules: every function takes a session and ids, reads with a constant number of statements whatever the number of ids,
writes nothing, and returns no row. Which attachment a network association belongs to is decided here and nowhere else
(`homes`): the router that holds a gateway address of the network, else the network itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import Any, NamedTuple

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import external_net, l3, segment
from neutron_lib import constants

from isthmus.model.intent import AssociationKind, Fallback, FamilyName
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import RouteTarget
from isthmus.neutron.attachments.desired import (
    Association,
    Attachment,
    Interface,
    Network,
    Router,
    Subnet,
    network_attachment,
    router_attachment,
)
from isthmus.neutron.attachments.own_routes import ExtraRoute, inside
from isthmus.neutron.rows import models, overlaps
from isthmus.neutron.words import apidef

CENTRALISED_TYPES = (constants.TYPE_VLAN, constants.TYPE_FLAT)
"""OVN gives such a network a port on the wire, and its router serves it from one chassis only."""


class Place(NamedTuple):
    """An address of a router interface on a network."""

    router: str
    port: str
    network: str
    address: IpAddress
    prefix: Prefix
    gateway: IpAddress | None


def places(session: Any, *, routers: Collection[str] = (), networks: Collection[str] = ()) -> list[Place]:
    """Every address of every interface of these routers, and of every router on these networks."""
    if not routers and not networks:
        return []
    query: Any = (
        sa.select(
            l3.RouterPort.router_id,
            l3.RouterPort.port_id,
            models_v2.Port.network_id,
            models_v2.IPAllocation.ip_address,
            models_v2.Subnet.cidr,
            models_v2.Subnet.gateway_ip,
        )
        .join(models_v2.Port, models_v2.Port.id == l3.RouterPort.port_id)
        .join(models_v2.IPAllocation, models_v2.IPAllocation.port_id == l3.RouterPort.port_id)
        .join(models_v2.Subnet, models_v2.Subnet.id == models_v2.IPAllocation.subnet_id)
        .where(
            l3.RouterPort.port_type.in_(constants.ROUTER_INTERFACE_OWNERS),
            sa.or_(l3.RouterPort.router_id.in_(routers), models_v2.Port.network_id.in_(networks)),
        )
    )
    return [
        Place(router, port, network, IpAddress.parse(ip), Prefix.parse(cidr), _address(gateway))
        for router, port, network, ip, cidr, gateway in session.execute(query)
    ]


def _address(text: str | None) -> IpAddress | None:
    return IpAddress.parse(text) if text else None


def homes(session: Any, networks: Collection[str]) -> dict[str, str]:
    """The attachment of each network: its router's when a router holds a gateway address, else its own."""
    return homes_by(places(session, networks=networks), networks)


def homes_by(around: Iterable[Place], networks: Collection[str]) -> dict[str, str]:
    """The same, when every place on these networks is known already."""
    holders: dict[str, list[tuple[int, Prefix, str]]] = defaultdict(list)
    for place in around:
        if place.address == place.gateway:
            holders[place.network].append((place.prefix.version, place.prefix, place.router))
    return {
        network: router_attachment(min(holders[network])[2]) if network in holders else network_attachment(network)
        for network in networks
    }


def behind(session: Any, bgpvpn: str) -> set[str]:
    """The attachments of an l3 BGPVPN's associations, and those that still have a number of it."""
    networks, routers, number = models.NetworkAssociation, models.RouterAssociation, models.Number
    l3_ones: Any = sa.select(sa.literal("network"), networks.network_id).join(
        models.Bgpvpn, models.Bgpvpn.id == networks.bgpvpn_id
    )
    found = session.execute(
        sa.union_all(
            l3_ones.where(networks.bgpvpn_id == bgpvpn, models.Bgpvpn.type == apidef.L3),
            sa.select(sa.literal("router"), routers.router_id).where(routers.bgpvpn_id == bgpvpn),
            sa.select(sa.literal(""), number.attachment_id).where(number.bgpvpn_id == bgpvpn),
        )
    ).all()
    named = {attachment for kind, attachment in found if not kind}
    named |= {router_attachment(router) for kind, router in found if kind == "router"}
    return named | set(homes(session, {network for kind, network in found if kind == "network"}).values())


class Bound(NamedTuple):
    """An association with an l3 BGPVPN and the attachment it belongs to."""

    attachment: str
    id: str
    kind: AssociationKind
    network: str
    bgpvpn: str
    project: str
    guest: bool
    """Whether the BGPVPN belongs to another project than the association."""
    age: int
    vni: int | None
    """None while the BGPVPN is being made or taken away."""
    local_pref: int | None
    fallback: str | None
    families: str | None


def bound(session: Any, attachments: Collection[str] | None) -> list[Bound]:
    """The l3 associations of these attachments; of all when None."""
    found = [*_networks_bound(session, attachments), *_routers_bound(session, attachments)]
    return found if attachments is None else [b for b in found if b.attachment in set(attachments)]


def _networks_bound(session: Any, attachments: Collection[str] | None) -> Iterable[Bound]:
    table = models.NetworkAssociation
    query: Any = (
        _with_bgpvpn(table, table.network_id)
        .where(models.Bgpvpn.type == apidef.L3)
        # Refused when it is associated, but a network can be made external afterwards: then it is not served.
        .where(sa.not_(sa.exists().where(external_net.ExternalNetwork.network_id == table.network_id)))
    )
    if attachments is not None:
        behind = {p.network for p in places(session, routers=ids_of(attachments, "router"))}
        query = query.where(table.network_id.in_(behind | ids_of(attachments, "network")))
    rows = session.execute(query).all()
    home = homes(session, {network for _id, network, *_rest in rows})
    return [Bound(home[network], i, AssociationKind.NETWORK, network, *rest) for i, network, *rest in rows]


def _with_bgpvpn(table: Any, target: Any) -> Any:
    """What is read of every association, in the order of Bound; ids of standard attributes only rise."""
    bgpvpn, vni, own = models.Bgpvpn, models.Vni, table.project_id
    of = (table.bgpvpn_id, own, own != bgpvpn.project_id, table.standard_attr_id)
    numbers = (vni.vni, bgpvpn.local_pref, bgpvpn.fallback, bgpvpn.families)
    query: Any = sa.select(table.id, target, *of, *numbers).join(bgpvpn, bgpvpn.id == table.bgpvpn_id)
    return query.outerjoin(vni, vni.bgpvpn_id == bgpvpn.id)


def _routers_bound(session: Any, attachments: Collection[str] | None) -> Iterable[Bound]:
    table = models.RouterAssociation
    query = _with_bgpvpn(table, table.router_id)
    if attachments is not None:
        routers = ids_of(attachments, "router")
        if not routers:
            return []
        query = query.where(table.router_id.in_(routers))
    return [
        Bound(router_attachment(router), i, AssociationKind.ROUTER, "", *rest)
        for i, router, *rest in session.execute(query)
    ]


def ids_of(attachments: Collection[str], kind: str) -> set[str]:
    """The uuids of the attachments of one kind."""
    pairs = (a.split(":", 1) for a in attachments)
    return {uuid for k, uuid in pairs if k == kind}


def attachments(session: Any, wanted: Collection[str] | None, numbered: bool) -> dict[str, Attachment]:
    """Those that have an l3 association, of `wanted` or of all: what desired.py needs. `numbered`: the cloud gives
    numbers, and what has none yet is being made just now, so it is left out."""
    members = bound(session, wanted)
    return of_members(session, members, numbers_of(session, {m.attachment for m in members}), numbered)


def of_members(
    session: Any, members: Sequence[Bound], numbers: Mapping[tuple[str, str], int], numbered: bool
) -> dict[str, Attachment]:
    """The same, when their associations and numbers are known already."""
    associations = _associations(session, members, numbers, numbered)
    routers = _routers(session, ids_of(associations, "router"))
    networks = networks_of(session, ids_of(associations, "network"))
    found: dict[str, Attachment] = {}
    for name, of in associations.items():
        uuid = name.split(":", 1)[1]
        place: Router | Network = routers[uuid] if name == router_attachment(uuid) else networks[uuid]
        found[name] = Attachment(place, tuple(sorted(of)))
    return found


def _associations(
    session: Any, members: Sequence[Bound], numbers: Mapping[tuple[str, str], int], numbered: bool
) -> dict[str, list[Association]]:
    lists = targets(session, {m.bgpvpn for m in members})
    yielding = overlaps.yielding(session, {m.bgpvpn for m in members if m.guest})
    found: dict[str, list[Association]] = defaultdict(list)
    for m in members:
        number = numbers.get((m.attachment, m.bgpvpn))
        if (numbered and number is None) or m.vni is None:
            continue  # being made or being taken away just now: the settling that follows sees it whole
        found[m.attachment].append(
            Association(
                id=m.id,
                kind=m.kind,
                network=m.network,
                bgpvpn=m.bgpvpn,
                number=number,
                vni=m.vni,
                imports=union(lists[m.bgpvpn], "import_targets"),
                exports=union(lists[m.bgpvpn], "export_targets"),
                local_pref=m.local_pref,
                project=m.project,
                guest=bool(m.guest),
                age=m.age,
                fallback=Fallback(m.fallback) if m.fallback else None,
                yields=m.id in yielding,
                families=families(m.families),
            )
        )
    return found


def families(stored: str | None) -> tuple[FamilyName, ...] | None:
    """Of a BGPVPN, from its row."""
    return None if stored is None else tuple(FamilyName(name) for name in stored.split())


def numbers_of(session: Any, names: Collection[str]) -> dict[tuple[str, str], int]:
    table = models.Number
    query: Any = sa.select(table.attachment_id, table.bgpvpn_id, table.number).where(table.attachment_id.in_(names))
    return {(attachment, bgpvpn): number for attachment, bgpvpn, number in session.execute(query)}


def union(lists: Mapping[str, list[str]], direction: str) -> tuple[RouteTarget, ...]:
    """The API's `route_targets` count for both directions."""
    return tuple(sorted({RouteTarget.parse(t) for t in [*lists["route_targets"], *lists[direction]]}))


def targets(session: Any, bgpvpns: Collection[str]) -> dict[str, dict[str, list[str]]]:
    """Each BGPVPN's lists by name, in the order in which they were given."""
    found: dict[str, dict[str, list[str]]] = {b: {kind: [] for kind in apidef.TARGET_LISTS} for b in bgpvpns}
    if not bgpvpns:
        return found
    table = models.Target
    query: Any = sa.select(table.bgpvpn_id, table.kind, table.value).where(table.bgpvpn_id.in_(bgpvpns))
    for bgpvpn, kind, value in session.execute(query.order_by(table.position)):
        found[bgpvpn][kind].append(value)
    return found


def _routers(session: Any, ids: Collection[str]) -> dict[str, Router]:
    if not ids:
        return {}
    prefixes: dict[str, dict[tuple[str, str], set[Prefix]]] = {i: defaultdict(set) for i in ids}
    own: dict[str, set[IpAddress]] = {i: set() for i in ids}
    for place in places(session, routers=ids):
        prefixes[place.router][place.port, place.network].add(place.prefix)
        own[place.router].add(place.address)
    gateways = _gateways(session, ids)
    extra, others = _extra_routes(session, ids), flavoured(session, ids)
    found: dict[str, Router] = {}
    for i in ids:
        uplinks = frozenset[IpAddress]().union(*(uplink.gateways for uplink in gateways[i].values()))
        subnets = {prefix for of_port in prefixes[i].values() for prefix in of_port}
        found[i] = Router(
            id=i,
            interfaces=tuple(sorted(Interface(port, net, tuple(sorted(p))) for (port, net), p in prefixes[i].items())),
            gateways=tuple(sorted(gateways[i])),
            own_defaults=frozenset(
                {hop.version for hop in uplinks} | {to.version for to, _hop in extra[i] if to.length == 0}
            ),
            routes=inside(starmap(ExtraRoute, extra[i]), subnets),
            uplinks=uplinks,
            outside=_outside(gateways[i].values(), extra[i]),
            flavoured=i in others,
            addresses=frozenset(own[i].union(*(uplink.addresses for uplink in gateways[i].values()))),
        )
    return found


@dataclass(slots=True)
class _Uplink:
    """What an external port brings its router."""

    gateways: set[IpAddress] = field(default_factory=set)
    """Those that the external subnets name."""
    subnets: set[Prefix] = field(default_factory=set)
    addresses: set[IpAddress] = field(default_factory=set)
    """Its own there."""


def _gateways(session: Any, ids: Collection[str]) -> dict[str, dict[str, _Uplink]]:
    """Per router its external ports."""
    found: dict[str, dict[str, _Uplink]] = {i: defaultdict(_Uplink) for i in ids}
    subnet, own = models_v2.Subnet, models_v2.IPAllocation.ip_address
    query: Any = (
        sa.select(l3.RouterPort.router_id, l3.RouterPort.port_id, subnet.cidr, subnet.gateway_ip, own)
        .outerjoin(models_v2.IPAllocation, models_v2.IPAllocation.port_id == l3.RouterPort.port_id)
        .outerjoin(models_v2.Subnet, models_v2.Subnet.id == models_v2.IPAllocation.subnet_id)
        .where(l3.RouterPort.router_id.in_(ids), l3.RouterPort.port_type == constants.DEVICE_OWNER_ROUTER_GW)
    )
    for router, port, cidr, gateway, address in session.execute(query):
        uplink = found[router][port]
        if address:
            uplink.addresses.add(IpAddress.parse(address))
        if cidr:
            uplink.subnets.add(Prefix.parse(cidr))
        if gateway:
            uplink.gateways.add(IpAddress.parse(gateway))
    return found


def _outside(uplinks: Iterable[_Uplink], extra: Iterable[tuple[Prefix, IpAddress]]) -> tuple[Prefix, ...]:
    """The external subnets, and what extra routes lead to by a router there; default routes say nothing of a place."""
    subnets = set[Prefix]().union(*(uplink.subnets for uplink in uplinks))
    beyond = {to for to, hop in extra if to.length and any(s.covers(Prefix.host(hop)) for s in subnets)}
    return tuple(sorted(subnets | beyond))


def flavoured(session: Any, routers: Collection[str]) -> set[str]:
    """Those that have a flavour: Neutron leaves them to other drivers than OVN's, for life."""
    query: Any = sa.select(l3.Router.id).where(l3.Router.id.in_(routers), l3.Router.flavor_id.is_not(None))
    return set(session.scalars(query)) if routers else set()


def with_gateway_on(session: Any, networks: Collection[str]) -> set[str]:
    """The routers whose gateway is on one of the networks."""
    query: Any = (
        sa.select(l3.RouterPort.router_id)
        .join(models_v2.Port, models_v2.Port.id == l3.RouterPort.port_id)
        .where(
            l3.RouterPort.port_type == constants.DEVICE_OWNER_ROUTER_GW,
            models_v2.Port.network_id.in_(networks),
        )
    )
    return set(session.scalars(query)) if networks else set()


def _extra_routes(session: Any, ids: Collection[str]) -> dict[str, list[tuple[Prefix, IpAddress]]]:
    """Per router its extra routes: where to, and by which next hop."""
    found: dict[str, list[tuple[Prefix, IpAddress]]] = {i: [] for i in ids}
    table = l3.RouterRoute
    query: Any = sa.select(table.router_id, table.destination, table.nexthop).where(table.router_id.in_(ids))
    for router, destination, hop in session.execute(query):
        found[router].append((apidef.masked(str(destination)), IpAddress.parse(str(hop))))
    return found


def networks_of(session: Any, ids: Collection[str]) -> dict[str, Network]:
    """Networks with what a subnet's serving depends on."""
    if not ids:
        return {}
    network, subnet, allocation = models_v2.Network, models_v2.Subnet, models_v2.IPAllocation
    held = sa.exists().where(allocation.subnet_id == subnet.id, allocation.ip_address == subnet.gateway_ip)
    query: Any = sa.select(
        network.id, network.mtu, subnet.cidr, subnet.gateway_ip, subnet.ipv6_ra_mode, subnet.ipv6_address_mode, held
    )
    query = query.outerjoin(subnet, subnet.network_id == network.id).where(network.id.in_(ids))
    mtus, subnets = dict[str, int](), dict[str, list[Subnet]]((i, []) for i in ids)
    for i, mtu, cidr, gateway, ra_mode, address_mode, taken in session.execute(query):
        mtus[i] = int(mtu)
        if cidr is not None:
            mode = (ra_mode or address_mode or "").replace("-", "_")
            subnets[i].append(Subnet(Prefix.parse(cidr), _address(gateway), bool(taken), mode))
    return {i: Network(i, mtus.get(i, 0), tuple(sorted(subnets[i]))) for i in ids}


def centralised(session: Any, networks: Collection[str]) -> dict[str, str]:
    """Those of the networks that cannot be served from every hypervisor, with the reason as a sentence."""
    if not networks:
        return {}
    table, external = segment.NetworkSegment, external_net.ExternalNetwork
    outside = sa.select(external.network_id, sa.literal("")).where(external.network_id.in_(networks))
    fixed = (table.network_id.in_(networks), table.network_type.in_(CENTRALISED_TYPES))
    query = sa.union_all(sa.select(table.network_id, table.network_type).where(*fixed), outside)
    found: dict[str, str] = {}
    for network, kind in session.execute(query):
        if not kind:
            found[network] = "it is an external network"
        else:
            found.setdefault(
                network,
                f"its type is {kind}, and OVN serves the router of such a network from one chassis only, "
                "so its hypervisors could not forward for it",
            )
    return found
