"""From what the database says of one attachment to the northbound rows it must have: pure, whole, every time anew.

    tenant switch ── router ── LRP ══ transit switch ══ AC (localport) ··· br-vpn on every hypervisor

Rows and reasons are on the room's page (docs/design/neutron.md). Rules for editors: no negated prefix in a match (OVN
multiplies them into hundreds of thousands of flows); policies run after routing, so they match on `outport`; nothing
names a subnet, so a subnet that comes or goes changes only the AC row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, assert_never

from isthmus.model import intent
from isthmus.model.intent import (
    PRIVATE_PREFIXES,
    AssociationIntent,
    AssociationKind,
    AttachmentIntent,
    Fallback,
    FamilyName,
    Lane,
    is_private,
)
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import RouteTarget
from isthmus.neutron.attachments.lanes import lanes
from isthmus.neutron.attachments.own_routes import AskedFirst, ExtraRoute, asked_first, hiding, leading_everywhere
from isthmus.neutron.words.values import Cloud

KIND_KEY, ATTACHMENT_KEY, REVISION_KEY = intent.KIND_KEY, intent.ATTACHMENT_KEY, intent.REVISION_KEY
NETWORK_NAME_KEY = "neutron:network_name"
DIGEST_SIZE = 64
GATEWAY_MAC = "02:00:5e:01:00:01"
"""Our gateway on a network without a router; one MAC for all, each a broadcast domain of its own."""

DEFAULT_ROUTES = {4: "0.0.0.0/0", 6: "::/0"}
ROUTERS = {4: intent.ROUTER_IPV4, 6: intent.ROUTER_IPV6}


class Table(StrEnum):
    """The northbound tables that carry rows of ours."""

    SWITCH = "Logical_Switch"
    SWITCH_PORT = "Logical_Switch_Port"
    ROUTER = "Logical_Router"
    ROUTER_PORT = "Logical_Router_Port"
    POLICY = "Logical_Router_Policy"
    ROUTE = "Logical_Router_Static_Route"


class Key(NamedTuple):
    """Which row: its table, the switch or router that holds it (blank for those themselves), and its name there."""

    table: Table
    parent: str
    name: str


Value = str | int | frozenset[str] | frozenset[bool] | tuple[tuple[str, str], ...]
Row = tuple[tuple[str, Value], ...]
"""The columns that are ours, sorted by name; a map column is a sorted tuple of pairs."""


class Unserved(StrEnum):
    """Why a subnet or a whole attachment is not in the VPN though somebody associated it."""

    NO_ASSOCIATION = "no l3 BGPVPN is associated"
    NO_INTERFACE = "the router has no interface on any network"
    NO_SUBNET = "the network has no subnet that could be served"
    NO_GATEWAY_IP = "the subnet has no gateway_ip"
    TOO_LARGE = "its router has more networks, or is in more BGPVPNs or with more route targets, than one row can carry"
    OVERLAPS = "its subnets overlap with those of the BGPVPN's owner, which come first"
    FLAVOUR = "the router has a flavour: OVN serves routers without one only"
    GATEWAY_TAKEN = "a port of the network has the subnet's gateway_ip"


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is not served, and why: a subnet's prefix, the id of an association (TOO_LARGE, OVERLAPS), or the
    attachment itself (blank)."""

    what: str
    why: Unserved


@dataclass(frozen=True, slots=True, order=True)
class Interface:
    """A port of a Neutron router on a tenant network."""

    port: str
    network: str
    subnets: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class Router:
    """A Neutron router."""

    id: str
    interfaces: tuple[Interface, ...]
    gateways: tuple[str, ...]
    """Its ports on external networks."""
    own_defaults: frozenset[int]
    """IP versions in which Neutron gives it a default route: by a gateway with an address, or an extra route."""
    routes: tuple[ExtraRoute, ...] = ()
    """Its extra routes by next hops on its networks."""
    uplinks: frozenset[IpAddress] = frozenset()
    """The gateways of its external subnets."""
    outside: tuple[Prefix, ...] = ()
    """What it has routes of its own to beyond its gateways: their subnets, and extra routes by routers there."""
    flavoured: bool = False
    """Somebody else's than OVN's."""
    addresses: frozenset[IpAddress] = frozenset()
    """Its own, on its networks and beyond its gateways."""


@dataclass(frozen=True, slots=True, order=True)
class Subnet:
    """A subnet of a network without a router."""

    prefix: Prefix
    gateway: IpAddress | None
    gateway_taken: bool
    address_mode: str = ""
    """slaac, dhcpv6_stateful, dhcpv6_stateless in OVN's spelling, or blank: no router advertisements."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network that no Neutron router serves: we hold its gateway addresses."""

    id: str
    mtu: int
    subnets: tuple[Subnet, ...]


@dataclass(frozen=True, slots=True, order=True)
class Association:
    """A network or router association with an l3 BGPVPN, with the BGPVPN's numbers and targets."""

    id: str
    kind: AssociationKind
    network: str
    """The network of a network association, else blank."""
    bgpvpn: str
    number: int | None
    """None where the hypervisors give their own."""
    vni: int
    imports: tuple[RouteTarget, ...]
    exports: tuple[RouteTarget, ...]
    local_pref: int | None = None
    project: str = ""
    guest: bool = False
    """Whether the BGPVPN belongs to another project."""
    age: int = 0
    """Higher is younger."""
    fallback: Fallback | None = None
    """The BGPVPN's own; None: the cloud's."""
    yields: bool = False
    """Whether it is a guest's and overlaps with what the BGPVPN's owner has in it."""
    families: tuple[FamilyName, ...] | None = None
    """In which alone it is announced."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """Everything that the rows of one attachment follow from."""

    place: Router | Network
    associations: tuple[Association, ...]

    @property
    def name(self) -> str:
        return router_attachment(self.place.id) if isinstance(self.place, Router) else network_attachment(self.place.id)


@dataclass(frozen=True, slots=True)
class Desired:
    """The rows, and what was left out."""

    rows: dict[Key, Row]
    skipped: tuple[Skipped, ...] = ()
    form: int = 1
    """Of the rows (`model/intent`)."""
    bgpvpns: frozenset[str] = frozenset()
    """Whose own rows the nodes need beside these."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What OVN must have, and the revision that says so."""

    desired: Desired
    revision: int
    left: bool = False
    """A newer release has settled it: this one leaves it alone."""


def router_attachment(router: str) -> str:
    return f"router:{router}"


def network_attachment(network: str) -> str:
    return f"network:{network}"


def switch_of(network: str) -> str:
    """Neutron's name of a network's logical switch, and of a router's logical router."""
    return f"neutron-{network}"


def transit(place: str) -> str:
    return f"isthmus-ts-{place}"


def router_port(place: str) -> str:
    return f"isthmus-lrp-{place}"


def circuit(place: str) -> str:
    return f"isthmus-ac-{place}"


def own_router(network: str) -> str:
    return f"isthmus-lr-{network}"


def gateway_port(network: str) -> str:
    """Our gateway's port on the tenant switch."""
    return f"isthmus-gws-{network}"


def desired(attachment: Attachment | None, cloud: Cloud, revision: int, form: int = 1) -> Desired:
    """The rows of one attachment; none without an l3 association or anything to serve. Raises intent.BadIntent."""
    if attachment is None or not attachment.associations:
        return Desired({}, (Skipped("", Unserved.NO_ASSOCIATION),), form)
    match attachment.place:
        case Router() as place:
            return _behind_router(attachment, place, cloud, revision, form)
        case Network() as place:
            return _without_router(attachment, place, cloud, revision, form)
        case _:
            assert_never(attachment.place)


def digest(result: Desired) -> str:
    """Equal for equal rows, in every process: with a revision of 0 it says whether anything else has changed. From
    form 2 on it says the form too, so that an older release knows what it must not settle anew."""
    if not result.rows:
        return ""
    text = _digest(result)
    return text if result.form == 1 else f"{result.form}:{text}"[:DIGEST_SIZE]


def settled_by(content: str) -> int:
    """The form that this digest was made of; 0 when nothing was."""
    head, colon, _rest = content.partition(":")
    return int(head) if colon and head.isdigit() else int(bool(content))


def _digest(result: Desired) -> str:
    # Text that does not depend on the order of a set, which differs from process to process.
    rows = [(key, [(column, _ordered(value)) for column, value in row]) for key, row in sorted(result.rows.items())]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _ordered(value: Value) -> object:
    return ["set", *sorted(value)] if isinstance(value, frozenset) else value


def _behind_router(attachment: Attachment, place: Router, cloud: Cloud, revision: int, form: int) -> Desired:
    if place.flavoured:
        return Desired({}, (Skipped("", Unserved.FLAVOUR),), form)
    if not place.interfaces:
        return Desired({}, (Skipped("", Unserved.NO_INTERFACE),), form)
    networks = sorted({i.network for i in place.interfaces})
    subnets = sorted({prefix for i in place.interfaces for prefix in i.subnets})
    router, of = switch_of(place.id), lanes(networks, form)
    rows = _transit_rows(attachment, router, _neutron_name(networks[0]), cloud.vpn_mtu, laned=bool(of))
    rows |= {_circuit_key(place.id): _circuit_row(attachment, networks, subnets, cloud, revision, form, of)}
    keeps_in = _fallback(attachment, cloud, form)[0] is Fallback.PUBLIC
    rows |= dict(_policy(attachment, router, *policy) for policy in _policies(attachment, place, of, keeps_in))
    for version in sorted(set(DEFAULT_ROUTES) - place.own_defaults):
        # A packet without any route never reaches the policies; two default routes would share the traffic.
        # What no policy leads is in no BGPVPN, and comes by a lane of its own.
        lane = intent.NOBODYS_LANE if of else intent.CIRCUIT_LANE
        rows |= dict([_route(attachment, router, DEFAULT_ROUTES[version], version, lane)])
    for first in asked_first(place.routes, place.uplinks) if of else ():
        rows |= dict(_route(attachment, router, half, first.version, intent.NOBODYS_LANE) for half in first.halves)
    return Desired(rows, (), form, _referred(attachment, form))


def _referred(attachment: Attachment, form: int) -> frozenset[str]:
    return frozenset(a.bgpvpn for a in attachment.associations) if form > 1 else frozenset()


def _neutron_name(network: str) -> dict[str, str]:
    """Neutron reads this key of every port of its routers and raises KeyError without it."""
    return {NETWORK_NAME_KEY: switch_of(network)}


def _without_router(attachment: Attachment, place: Network, cloud: Cloud, revision: int, form: int) -> Desired:
    skipped = tuple(unserved(place.subnets))
    served = [s for s in place.subnets if s.gateway is not None and not s.gateway_taken]
    if not served:
        return Desired({}, (*skipped, Skipped("", Unserved.NO_SUBNET)), form)
    router = own_router(place.id)
    subnets = sorted(s.prefix for s in served)
    rows: dict[Key, Row] = {Key(Table.ROUTER, "", router): _row(external_ids=_ids(attachment, "lr"))}
    rows |= _transit_rows(attachment, router, {}, cloud.vpn_mtu)
    # Behind it is one network: whose packet it is nobody need ask.
    rows |= {_circuit_key(place.id): _circuit_row(attachment, [place.id], subnets, cloud, revision, form, {})}
    rows |= _gateway_rows(attachment, place, served)
    port = router_port(place.id)
    rows |= dict(_policy(attachment, router, *policy) for policy in _circuit_policies(port, _ports([port])))
    for version, prefix in DEFAULT_ROUTES.items():
        rows |= dict([_route(attachment, router, prefix, version, intent.CIRCUIT_LANE)])
    return Desired(rows, skipped, form, _referred(attachment, form))


def unserved(subnets: Iterable[Subnet]) -> Iterable[Skipped]:
    """The subnets of a router-less network whose gateway we cannot hold."""
    for subnet in subnets:
        if subnet.gateway is None:
            yield Skipped(str(subnet.prefix), Unserved.NO_GATEWAY_IP)
        elif subnet.gateway_taken:
            yield Skipped(str(subnet.prefix), Unserved.GATEWAY_TAKEN)


def _transit_rows(
    attachment: Attachment, router: str, more_ids: dict[str, str], mtu: int | None, *, laned: bool = False
) -> dict[Key, Row]:
    """The transit switch and both ends of its link to the router; the router answers "too big" beyond `mtu`."""
    place = attachment.place.id
    lengths = (intent.CIRCUIT_IPV4_LENGTH, intent.CIRCUIT_IPV6_LENGTH)
    if laned:
        lengths = (intent.LANES_IPV4_LENGTH, intent.LANES_IPV6_LENGTH)
    # A unique local address: with a link-local next hop northd picks the first port that has fe80::/64.
    own = (intent.ROUTER_IPV4, intent.ROUTER_IPV6)
    networks = frozenset(f"{address}/{length}" for address, length in zip(own, lengths, strict=True))
    return {
        Key(Table.SWITCH, "", transit(place)): _row(external_ids=_ids(attachment, "ts")),
        Key(Table.ROUTER_PORT, router, router_port(place)): _row(
            mac=str(intent.ROUTER_MAC),
            networks=networks,
            options=(("gateway_mtu", str(mtu)),) if mtu else (),
            external_ids=_ids(attachment, "lrp", more_ids),
        ),
        Key(Table.SWITCH_PORT, transit(place), f"isthmus-tsr-{place}"): _row(
            type="router",
            addresses=frozenset({"router"}),
            options=(("router-port", router_port(place)),),
            external_ids=_ids(attachment, "tsr"),
        ),
    }


def _circuit_key(place: str) -> Key:
    return Key(Table.SWITCH_PORT, transit(place), circuit(place))


def _circuit_row(
    attachment: Attachment,
    networks: list[str],
    subnets: list[Prefix],
    cloud: Cloud,
    revision: int,
    form: int,
    of: Mapping[str, int],
) -> Row:
    names, place, keeps = tuple(switch_of(n) for n in networks), attachment.place, cloud.keeps_default
    fallback, outside = _fallback(attachment, cloud, form)
    wanted = AttachmentIntent(
        attachment=attachment.name,
        revision=revision,
        site=cloud.site,
        networks=names,
        subnets=tuple(subnets),
        # Form 1 has no words for one without a number.
        associations=tuple(_association(a, names) for a in attachment.associations if form > 1 or a.number is not None),
        lanes=tuple(of[n] for n in networks) if of else (),
        routes=hiding(place.routes) if isinstance(place, Router) and of else (),
        own_defaults=tuple(sorted(place.own_defaults)) if isinstance(place, Router) and of and keeps else (),
        fallback=fallback,
        outside=outside,
        addresses=_addresses(place),
    )
    numbers = [intent.CIRCUIT_LANE, *((intent.NOBODYS_LANE, *of.values()) if of else ())]
    return _row(
        type="localport",
        addresses=frozenset(f"{lane.mac} {lane.ipv4} {lane.ipv6}" for lane in map(Lane, numbers)),
        options=(),
        external_ids=tuple(sorted(intent.to_external_ids(wanted, form).items())),
    )


def _addresses(place: Router | Network) -> tuple[IpAddress, ...]:
    if isinstance(place, Router):
        return tuple(sorted(place.addresses))
    return tuple(sorted(s.gateway for s in place.subnets if s.gateway is not None and not s.gateway_taken))


def _fallback(attachment: Attachment, cloud: Cloud, form: int) -> tuple[Fallback, tuple[Prefix, ...]]:
    """The strictest of its BGPVPNs' for the whole router, for who asks that nothing leaves is not overruled by another;
    and the private prefixes that the router has routes of its own to."""
    strictest = Fallback.strictest(a.fallback or cloud.fallback for a in attachment.associations)
    if strictest is Fallback.NONE or not isinstance(attachment.place, Router):
        return strictest, ()
    outside = tuple(prefix for prefix in attachment.place.outside if is_private(prefix))
    if form == 1:
        # It cannot say what must be let through, and nothing may be cut off by mistake.
        return (Fallback.ALL if outside else strictest), ()
    if strictest is Fallback.PUBLIC:
        outside += leading_everywhere(attachment.place.routes)
    return strictest, outside


def _association(a: Association, all_networks: tuple[str, ...]) -> AssociationIntent:
    covered = (switch_of(a.network),) if a.kind is AssociationKind.NETWORK else all_networks
    return AssociationIntent(
        association=a.id,
        kind=a.kind,
        bgpvpn=a.bgpvpn,
        number=a.number,
        vni=a.vni,
        imports=a.imports,
        exports=a.exports,
        networks=covered,
        local_pref=a.local_pref,
        shared=a.guest,
        families=a.families,
    )


class Policy(NamedTuple):
    priority: int
    match: str
    action: str
    nexthops: frozenset[str] = frozenset()


def _policies(attachment: Attachment, place: Router, of: Mapping[str, int], keeps_in: bool) -> Iterable[Policy]:
    """`keeps_in`: what is private does not leave by a gateway."""
    port = router_port(place.id)
    ways_out = _ports([port, *(f"lrp-{g}" for g in sorted(place.gateways))])
    yield from _circuit_policies(port, ways_out)
    for first in asked_first(place.routes, place.uplinks) if of else ():
        yield from _then_the_default(first, port, ways_out, keeps_in)
    # What br-vpn hands back (fallback), and what comes from outside, follows the routing table.
    yield Policy(1080, f"inport == {ways_out}", "allow")
    for where, lane in _ways_in(attachment, place, of):
        for version in (4, 6):
            match = f"{where}ip{version} && outport == {ways_out}"
            yield Policy(1000, match, "reroute", _next_hop(lane, version))


def _then_the_default(first: AskedFirst, port: str, ways_out: str, keeps_in: bool) -> Iterable[Policy]:
    """What the halves lead to the circuit, and no VPN knows or is to be asked for."""
    match = f'outport == "{port}" && ip{first.version}'
    if keeps_in and first.inner != first.hops:
        private = ", ".join(str(p) for p in PRIVATE_PREFIXES if p.version == first.version)
        inner = f"inport == {ways_out} && {match} && ip{first.version}.dst == {{{private}}}"
        yield Policy(1096, inner, "reroute", first.inner)
    yield Policy(1095, f"inport == {ways_out} && {match}", "reroute", first.hops)
    yield Policy(900, match, "reroute", first.hops)


def _circuit_policies(port: str, ways_out: str) -> Iterable[Policy]:
    """What every router with a circuit has: its ICMP errors reach the remote, and nothing goes round in circles."""
    for version in (4, 6):
        # Too big (without it the remote's TCP stands still) and time exceeded go back into the VPN.
        match = f'inport == "{port}" && outport == {ways_out} && ip{version}.src == {ROUTERS[version]}'
        yield Policy(1100, match, "reroute", _next_hop(intent.CIRCUIT_LANE, version))
    yield Policy(1090, f'inport == "{port}" && outport == "{port}"', "drop")


def _next_hop(lane: int, version: int) -> frozenset[str]:
    return frozenset({str(Lane(lane).ipv4 if version == 4 else Lane(lane).ipv6)})


def _ways_in(attachment: Attachment, place: Router, of: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    """By which ports come packets that ask a VPN first, and by which lane they go; a network has a port for each IP
    version. Without lanes all of them together, blank when the whole router is in a VPN."""
    whole = any(a.kind is AssociationKind.ROUTER for a in attachment.associations)
    if whole and not of:
        yield "", intent.CIRCUIT_LANE
        return
    covered = {i.network for i in place.interfaces} if whole else {a.network for a in attachment.associations}
    found: dict[int, list[str]] = {}
    for i in sorted(i for i in place.interfaces if i.network in covered):
        found.setdefault(of.get(i.network, intent.CIRCUIT_LANE), []).append(f"lrp-{i.port}")
    for lane, ports in found.items():
        yield f"inport == {_ports(ports)} && ", lane


def _ports(names: Iterable[str]) -> str:
    return "{" + ", ".join(f'"{name}"' for name in names) + "}"


def policy_name(priority: int, match: str) -> str:
    return f"{priority} {match}"


def _policy(
    attachment: Attachment, router: str, priority: int, match: str, action: str, nexthops: frozenset[str]
) -> tuple[Key, Row]:
    row = _row(
        priority=priority,
        match=match,
        action=action,
        nexthops=nexthops,
        external_ids=_ids(attachment, "policy"),
    )
    return Key(Table.POLICY, router, policy_name(priority, match)), row


def _route(attachment: Attachment, router: str, prefix: str, version: int, lane: int) -> tuple[Key, Row]:
    (nexthop,) = _next_hop(lane, version)
    row = _row(
        ip_prefix=prefix,
        nexthop=nexthop,
        output_port=frozenset({router_port(attachment.place.id)}),
        external_ids=_ids(attachment, "route"),
    )
    return Key(Table.ROUTE, router, prefix), row


def _gateway_rows(attachment: Attachment, place: Network, served: list[Subnet]) -> dict[Key, Row]:
    """Our gateway on the tenant network: Neutron's DHCP names its address already, router advertisements are ours."""
    port = f"isthmus-gw-{place.id}"
    mode = next((s.address_mode for s in sorted(served) if s.address_mode), "")
    advertise = {"address_mode": mode, "mtu": str(place.mtu), "send_periodic": "true"} if mode else {}
    return {
        Key(Table.ROUTER_PORT, own_router(place.id), port): _row(
            mac=GATEWAY_MAC,
            networks=frozenset(f"{s.gateway}/{s.prefix.length}" for s in served),
            ipv6_ra_configs=tuple(sorted(advertise.items())),
            external_ids=_ids(attachment, "gw"),
        ),
        Key(Table.SWITCH_PORT, switch_of(place.id), gateway_port(place.id)): _row(
            type="router",
            addresses=frozenset({"router"}),
            options=(("router-port", port),),
            external_ids=_ids(attachment, "gws"),
        ),
    }


def _ids(attachment: Attachment, kind: str, more: dict[str, str] | None = None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({KIND_KEY: kind, ATTACHMENT_KEY: attachment.name, **(more or {})}.items()))


def _row(**columns: Value) -> Row:
    return tuple(sorted(columns.items()))
