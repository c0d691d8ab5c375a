"""Hypothesis strategies and short ways to a session in a state."""

from __future__ import annotations

from hypothesis import strategies as st

from isthmus.bgp.attribute import AsSegment, PathAttributes, RawAttribute, typed_community
from isthmus.bgp.capability import Capability, multiprotocol, offer
from isthmus.bgp.family import EVPN, Family
from isthmus.bgp.iana import AsSegmentType, CapabilityCode, Origin
from isthmus.bgp.message import Open, encode_keepalive, encode_open
from isthmus.bgp.nlri import Nlri
from isthmus.bgp.nlri.ethernet import MacIp
from isthmus.bgp.nlri.evpn import ESI_ZERO, EvpnPrefix
from isthmus.bgp.nlri.vpn import LABEL_MAX, VpnPrefix
from isthmus.bgp.session import Connected, Input, Received, Session, SessionConfig, Start, State
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.vpn import RouteDistinguisher

OUR_AS, THEIR_AS = 64512, 4200000001
OUR_ID, THEIR_ID = IpAddress.parse("10.60.0.2"), IpAddress.parse("10.60.0.9")


def config(peer_as: int = OUR_AS, hold_time_s: int = 30, connect_retry_s: float = 1.0) -> SessionConfig:
    return SessionConfig(OUR_AS, peer_as, OUR_ID, (EVPN,), hold_time_s, connect_retry_s)


def hello(
    as_number: int = OUR_AS,
    hold_time_s: int = 30,
    router_id: IpAddress = THEIR_ID,
    capabilities: tuple[Capability, ...] | None = None,
) -> bytes:
    """The peer's OPEN, as willing as ours unless told otherwise."""
    offered = offer(as_number, (EVPN,)) if capabilities is None else capabilities
    return encode_open(Open(as_number, hold_time_s, router_id, offered))


OLD_SPEAKER = (multiprotocol(EVPN), Capability(CapabilityCode.ROUTE_REFRESH, b""))
"""Capabilities of a peer that knows no four-octet AS numbers."""

ROUTE = EvpnPrefix(RouteDistinguisher.parse("10.60.0.9:100"), 0, Prefix.parse("10.1.1.0/24"), ESI_ZERO, None, 5001)


def steps_to(state: State, peer_as: int = OUR_AS, families: tuple[Family, ...] = (EVPN,)) -> tuple[Input, ...]:
    """The inputs that bring a fresh session into a state."""
    way: tuple[Input, ...] = (
        Start(),
        Connected(),
        Received(hello(peer_as, capabilities=offer(peer_as, families))),
        Received(encode_keepalive()),
    )
    states = (State.IDLE, State.CONNECT, State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)
    return way[: states.index(state)]


def session_in(state: State, now: float = 0.0, settings: SessionConfig | None = None, jitter: float = 0.0) -> Session:
    """A session in a state, its outputs so far taken."""
    settings = settings or config()
    session = Session(settings, jitter)
    for step in steps_to(state, settings.peer_as, settings.families):
        session.handle(step, now)
    assert session.state is state
    session.outputs()
    return session


ipv4 = st.binary(min_size=4, max_size=4).map(IpAddress)
ipv6 = st.binary(min_size=16, max_size=16).map(IpAddress)
addresses = ipv4 | ipv6
octets4 = st.integers(0, 2**32 - 1)
as_numbers = st.integers(1, 2**16 - 1) | st.integers(2**16, 2**32 - 1)
segments = st.builds(AsSegment, st.sampled_from(AsSegmentType), st.lists(as_numbers, min_size=1, max_size=5).map(tuple))
plain_segments = segments.filter(lambda s: s.kind in (AsSegmentType.AS_SET, AsSegmentType.AS_SEQUENCE))
communities = st.binary(min_size=8, max_size=8).map(typed_community)
UNKNOWN_CODES = tuple(c for c in range(1, 256) if c not in {*range(1, 11), 14, 15, 16, 17, 18, 32})
unknown = st.builds(
    RawAttribute, st.sampled_from((0xC0, 0xE0)), st.sampled_from(UNKNOWN_CODES), st.binary(max_size=300)
)


def some(items: st.SearchStrategy[object], most: int = 4) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(items, max_size=most).map(tuple)


@st.composite
def attributes(draw: st.DrawFn) -> PathAttributes:
    """Any set of attributes that an UPDATE within an AS can carry."""
    carried = draw(st.lists(unknown, max_size=2, unique_by=lambda a: a.code))
    return PathAttributes(
        origin=draw(st.sampled_from(Origin)),
        as_path=tuple(draw(st.lists(segments, max_size=3))),
        next_hop=draw(addresses),
        med=draw(st.none() | octets4),
        local_pref=draw(octets4),
        communities=tuple(draw(st.lists(octets4, max_size=4))),
        originator_id=draw(st.none() | ipv4),
        cluster_list=tuple(draw(st.lists(ipv4, max_size=3))),
        extended_communities=tuple(draw(st.lists(communities, max_size=6))),
        large_communities=tuple(draw(st.lists(st.binary(min_size=12, max_size=12), max_size=3))),
        unknown=tuple(sorted((a._replace(flags=0xE0) for a in carried), key=lambda a: a.code)),
    )


@st.composite
def routes(draw: st.DrawFn) -> EvpnPrefix:
    """Any type 5 route that RFC 9136 lets stand."""
    family = draw(st.sampled_from((ipv4, ipv6)))
    address = draw(family)
    prefix = Prefix.of(address, draw(st.integers(0, len(address) * 8)))
    esi, gateway = ESI_ZERO, None
    overlay = draw(st.sampled_from(("none", "segment", "gateway")))
    if overlay == "segment":
        esi = draw(st.binary(min_size=10, max_size=10).filter(any))
    elif overlay == "gateway":
        gateway = draw(family.filter(any))
    rd = RouteDistinguisher(draw(st.binary(min_size=8, max_size=8)))
    return EvpnPrefix(rd, draw(octets4), prefix, esi, gateway, draw(st.integers(1, 2**24 - 1)))


distinguishers = st.binary(min_size=8, max_size=8).map(RouteDistinguisher)


@st.composite
def hosts(draw: st.DrawFn) -> MacIp:
    """Any type 2 route with an address."""
    esi, mac = (
        draw(st.just(ESI_ZERO) | st.binary(min_size=10, max_size=10)),
        Mac(draw(st.binary(min_size=6, max_size=6))),
    )
    labels = st.integers(0, 2**24 - 1)
    return MacIp(draw(distinguishers), esi, draw(octets4), mac, draw(addresses), draw(labels), draw(st.none() | labels))


@st.composite
def labelled(draw: st.DrawFn) -> VpnPrefix:
    """Any VPNv4 or VPNv6 route; a stack of several ends where one that is read ends, and none of its labels could
    be the type of a route distinguisher."""
    address = draw(addresses)
    prefix = Prefix.of(address, draw(st.integers(0, len(address) * 8)))
    room = min(3, (255 - 64 - 24 - prefix.length) // 24)  # the length is one octet
    above = draw(st.lists(st.integers(48, LABEL_MAX).filter(lambda n: n != 0x80000), max_size=room))
    return VpnPrefix(draw(distinguishers), prefix, (*above, draw(st.integers(48 if above else 0, LABEL_MAX))))


def any_route() -> st.SearchStrategy[Nlri]:
    """Of any family."""
    return routes() | hosts() | labelled()
