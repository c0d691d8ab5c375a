"""A family is a row in two tables: what is in sync, told, retained and refreshed is of one family of one peer.

VPNv4 and VPNv6 beside EVPN, as a node plays them: whose routes lead where, in which order they are preferred, and what
is told in each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from isthmus.bgp.family import EVPN, VPNV4, VPNV6, Family
from isthmus.bgp.iana import CapabilityCode
from isthmus.bgp.nlri import Nlri
from isthmus.bgp.nlri.ethernet import MacIp
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.bgp.update import Update
from isthmus.cli import render, summary
from isthmus.cli.reading import AgentInfo
from isthmus.fib.entries import InboundKey, LabelKey, LabelledHop
from isthmus.flows.layout import ANSWER_LABEL, ASK_LABEL
from isthmus.flows.render import Renderer
from isthmus.model.net import IpAddress, Mac
from isthmus.model.port import LocalPort
from isthmus.model.reason import NotAccepted, NotBest, Note, NotImported
from isthmus.model.vpn import Encapsulation, RouteDistinguisher
from isthmus.node import facts
from isthmus.node.handed_on import decode, encode, sealed
from isthmus.node.order import LINGER_S, LOST_TOO_S, RESTART_TIME_S
from isthmus.node.report import status
from isthmus.rib.path import Channel
from isthmus.vpn.beacons import BEACON_TARGET, beacon, labelled_beacon
from isthmus.vpn.exports import Speaker
from isthmus.vpn.families import FAMILIES
from isthmus.vpn.trust import TargetRange, Trust
from tests.build import association, attachment, attributes, circuit, ip, net, path, port
from tests.world import REFLECTOR, SECOND, Reflector, World

ALL = (EVPN, VPNV4, VPNV6)
A, RT = "neutron-a", "64512:1"
MAC = Mac.parse("02:00:00:00:00:09")
INTENT = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,), subnets=("10.1.0.0/24", "fd01::/64"))
PORT = port("p", A, "10.1.0.5", "fd01::5")
BEHIND_LABELS = {"encapsulations": (), "router_mac": None}
"""What a PE that knows neither of us nor of VXLAN says."""


def begun(
    families: tuple[Family, ...] = ALL,
    peers: tuple[IpAddress, ...] = (REFLECTOR,),
    spoken: tuple[Family, ...] | None = None,
) -> World:
    """`spoken`: by the reflectors; None: as many."""
    world = World(peers=peers, families=families)
    world.gre = 2
    world.reflectors = {address: Reflector(address, spoken or families) for address in peers}
    world.switch_on()
    world.intent({circuit(1): INTENT}, [PORT])
    return world


def labelled(prefix: str, *labels: int, rd: str = "172.30.2.1:16") -> VpnPrefix:
    return VpnPrefix(RouteDistinguisher.parse(rd), net(prefix), labels or (7001,))


def says(
    world: World, *routes: VpnPrefix, withdraw: Iterable[VpnPrefix] = (), by: IpAddress = REFLECTOR, **how: object
) -> None:
    said = attributes(RT, **{**BEHIND_LABELS, **how})  # type: ignore[arg-type]
    world.reflectors[by].session.send_routes([(said, r) for r in routes], withdraw)
    world.settle()


def ends(world: World, family: Family) -> None:
    world.reflectors[REFLECTOR].session.send_end_of_rib(family)
    world.settle()


def told(said: Iterable[Update]) -> dict[Family, list[Nlri]]:
    """What was announced in each family."""
    found: dict[Family, list[Nlri]] = {}
    for route in (r for update in said for r in update.announced):
        found.setdefault(route.family, []).append(route)
    return found


def shown(world: World) -> dict[str, str]:
    """What is routed, and the note on it."""
    return {r.prefix: r.note for r in status(world.node, world.now).routes if r.best and r.peer}


def candidates(world: World, prefix: str) -> list[tuple[list[int], str]]:
    """Labels, and why not."""
    return [(r.labels, r.why) for r in status(world.node, world.now).routes if r.prefix == prefix]


def test_every_route_goes_in_the_family_that_carries_it_and_each_has_its_end_of_rib() -> None:
    world = begun()
    said = world.reflectors[REFLECTOR].history
    assert {family: sorted(str(r.destination) for r in routes) for family, routes in told(said).items()} == {
        EVPN: ["10.1.0.5/32", "fd01::5/128"],
        VPNV4: ["10.1.0.5/32"],
        VPNV6: ["fd01::5/128"],
    }
    assert {u.end_of_rib for u in said} - {None} == set(ALL)
    says(world, labelled("10.9.0.1/32"), labelled("fd09::1/128"))
    world.says(path("10.9.0.2/32", attributes(RT)))
    assert shown(world) == {"10.9.0.1/32": "", "10.9.0.2/32": "", "fd09::1/128": ""}


def test_a_route_of_ours_has_the_label_of_its_version_and_says_how_it_is_sent_to() -> None:
    world = begun()
    said = world.reflectors[REFLECTOR].history
    routes = told(said)
    (four,), (six,) = routes[VPNV4], routes[VPNV6]
    assert (four.labels, six.labels) == ((16 + 16,), (65_552 + 16,)), "the number of (attachment, BGPVPN) is 16"
    (attrs,) = {u.attributes for u in said if u.family == VPNV4 and u.announced}
    assert attrs is not None and attrs.encapsulations == {Encapsulation.MPLS_IN_GRE}
    assert attrs.router_mac is None and attrs.next_hop == ip("172.30.1.1")


def test_what_is_told_with_a_label_is_delivered_by_it_and_by_the_vni() -> None:
    world = begun()
    four, six = net("10.1.0.5/32"), net("fd01::5/128")
    keys = InboundKey(5016, four), LabelKey(32, four), InboundKey(5016, six), LabelKey(65_568, six)
    assert all(Renderer.inbound_key(key) in world.flows for key in keys)
    world.intent({circuit(1): INTENT}, ())
    assert {r.destination for u in world.reflectors[REFLECTOR].history for r in u.withdrawn} == {four, six}
    assert all(Renderer.inbound_key(key) in world.flows for key in keys), "packets are under way"
    world.wait(LINGER_S)
    assert not any(Renderer.inbound_key(key) in world.flows for key in keys)


def test_without_a_port_for_labels_nothing_is_told_that_needs_one() -> None:
    world = World(families=ALL)
    world.switch_on()
    world.intent({circuit(1): INTENT}, [PORT])
    assert told(world.reflectors[REFLECTOR].history).keys() == {EVPN}
    world.gre = 2
    world.switch_on()
    assert told(world.reflectors[REFLECTOR].history).keys() == set(ALL)


def test_a_peer_that_speaks_one_of_them_is_told_that_one() -> None:
    world = begun(spoken=(EVPN,))
    said = world.reflectors[REFLECTOR].history
    assert told(said).keys() == {EVPN}
    world.end_of_rib()
    assert world.node.peers[REFLECTOR].in_sync and world.node.routes_in_sync(world.now)


def test_a_node_of_labels_only_is_in_no_vxlan() -> None:
    world = begun((VPNV4,))
    assert told(world.reflectors[REFLECTOR].history).keys() == {VPNV4}
    four = net("10.1.0.5/32")
    assert Renderer.inbound_key(LabelKey(32, four)) in world.flows
    assert Renderer.inbound_key(InboundKey(5016, four)) not in world.flows


def test_each_family_has_its_beacon() -> None:
    world = begun()
    other = Reflector(SECOND, ALL)
    peer = world.node.peers[REFLECTOR]
    beacons = {family: one.beacon for family, one in peer.conversations.items()}
    assert {f: str(b.nlri.destination) for f, b in beacons.items() if b} == {
        EVPN: "172.30.1.1/32",
        VPNV4: "172.30.1.1/32",
        VPNV6: "::ffff:172.30.1.1/128",
    }
    assert all(b is not None and BEACON_TARGET in b.attributes.route_targets for b in beacons.values())
    assert len(world.reflectors[REFLECTOR].beacons) == 3
    assert other.beacons == []


def test_a_reflector_that_does_not_carry_a_family_is_named() -> None:
    """BIRD has no EVPN, OpenBGPD 7.7 neither: the session stands with the rest, and that must not look whole."""
    world = begun(ALL, spoken=(VPNV4,))
    (peer,) = status(world.node, world.now).peers
    assert (peer.families[0], peer.families_lacking) == ("ipv4 vpn", ["l2vpn evpn", "ipv6 vpn"])
    (whole,) = (p for w in (begun(ALL),) for p in status(w.node, w.now).peers)
    assert whole.families_lacking == [], "RT-Constrain is a help and no family of routes"


def test_a_reflector_that_shows_hypervisors_in_one_family_of_labels_alone_is_named() -> None:
    """BIRD without `extended next hop` has offered VPNv6, and takes no route whose next hop is `::ffff:` and IPv4."""
    world = begun()
    for family in ALL:
        ends(world, family)

    def kept_back() -> list[str]:
        (peer,) = status(world.node, world.now).peers
        problems = "\n".join(summary.problems(status(world.node, world.now), AgentInfo()))
        assert ("none of them in ipv6 vpn" in problems) == ("none of them in ipv6 vpn" in render.peers([peer]))
        assert ("none of them in ipv6 vpn" in problems) == bool(peer.families_kept_back)
        return peer.families_kept_back

    there = Speaker(ip("172.30.2.1"), ip("172.30.2.1"), MAC, 64513)
    plain, four, six = beacon(there), *(labelled_beacon(family, there) for family in (VPNV4, VPNV6))
    reflector = world.reflectors[REFLECTOR].session
    seen = [kept_back()]
    for one in (plain, four, six):
        reflector.send_routes([(one.attributes, one.nlri)])
        world.settle()
        seen.append(kept_back())
    assert seen == [[], [], ["ipv6 vpn"], []], "of EVPN nothing follows: not every hypervisor speaks labels"


def test_two_families_that_lead_to_one_address_are_two_candidates() -> None:
    """Whoever announces both is sent to in VXLAN, unless told otherwise, whatever the local preference."""
    world = begun()
    world.says(path("10.9.0.1/32", attributes(RT, local_pref=50)))
    says(world, labelled("10.9.0.1/32", 9009))
    assert candidates(world, "10.9.0.1/32") == [([], ""), ([9009], NotBest.ENCAPSULATION.value)]
    world.says(withdraw=[path("10.9.0.1/32", attributes(RT)).nlri])  # type: ignore[list-item]
    assert candidates(world, "10.9.0.1/32") == [([9009], "")]


def test_a_route_with_labels_leads_to_its_pe() -> None:
    world = begun()
    says(world, labelled("10.9.0.0/24", 16, 17, 18))
    (entries,) = world.node.tables.entries.values()
    assert entries[net("10.9.0.0/24")].target == LabelledHop(ip("172.30.2.1"), (16, 17, 18))


@pytest.mark.parametrize(
    ("labels", "how", "why"),
    [
        ((15,), {}, NotImported.RESERVED_LABEL),
        ((0,), {}, NotImported.RESERVED_LABEL),
        ((3,), {}, NotImported.IMPLICIT_NULL),
        ((ASK_LABEL,), {}, NotImported.RESERVED_LABEL),
        ((ANSWER_LABEL,), {}, NotImported.RESERVED_LABEL),
        ((ASK_LABEL - 1,), {}, None),
        ((16, 17, 18, 19), {}, NotImported.LABEL_STACK),
        ((16,), {"next_hop": "2001:db8::1"}, NotImported.NEXT_HOP_VERSION),
        ((16,), {"encapsulations": (Encapsulation.VXLAN,)}, NotImported.ENCAPSULATION),
        ((16,), {"encapsulations": (Encapsulation.MPLS,)}, NotImported.ENCAPSULATION),
        ((16,), {"encapsulations": (Encapsulation.MPLS_IN_UDP,)}, NotImported.MPLS_IN_UDP),
        ((16,), {"encapsulations": (Encapsulation.MPLS_IN_UDP, Encapsulation.MPLS_IN_GRE)}, None),
        ((16,), {"encapsulations": (Encapsulation.GRE,)}, None),
        ((16,), {}, None),
    ],
)
def test_what_cannot_be_sent_to_behind_labels_is_refused(
    labels: tuple[int, ...], how: dict[str, object], why: NotImported | None
) -> None:
    world = begun()
    says(world, labelled("10.9.0.1/32", *labels), **how)
    assert candidates(world, "10.9.0.1/32") == [(list(labels), why.value if why else "")]


def test_who_is_in_sync_in_one_family_contradicts_nothing_in_the_other() -> None:
    world = begun((EVPN, VPNV4), peers=(REFLECTOR, SECOND))
    says(world, labelled("10.9.0.1/32"))
    world.says(path("10.9.0.2/32", attributes(RT)))
    for family in (EVPN, VPNV4):
        ends(world, family)
    world.says(path("10.9.0.3/32", attributes(RT)), by=SECOND)
    world.end_of_rib(by=SECOND)
    world.cut()
    world.wait(LOST_TOO_S)
    assert list(shown(world)) == ["10.9.0.1/32", "10.9.0.3/32"], "the other reflector has had its say in EVPN only"
    second = world.node.peers[SECOND].conversations
    assert (second[EVPN].in_sync, second[VPNV4].in_sync) == (True, False)
    assert not world.node.peers[SECOND].in_sync


def test_a_refresh_asks_for_one_family_and_is_answered_in_it() -> None:
    world = begun()
    far = world.reflectors[REFLECTOR]
    far.history.clear()
    far.session.ask_refresh(VPNV6)
    world.settle()
    assert told(far.history).keys() == {VPNV6}


def test_an_exchange_hands_on_all() -> None:
    world = begun()
    says(world, labelled("10.9.0.1/32"), labelled("fd09::1/128"))
    world.says(path("10.9.0.2/32", attributes(RT)))
    ends(world, VPNV4)
    memory = world.node.suspend(world.now, [REFLECTOR])
    assert decode(encode(memory)) == memory
    session = memory.peers[REFLECTOR].session
    assert session is not None
    assert {family: (len(c.received), c.in_sync) for family, c in session.channels.items()} == {
        EVPN: (1, False),
        VPNV4: (1, True),
        VPNV6: (1, False),
    }


def test_an_older_agent_passes_over_what_it_cannot_read() -> None:
    """It knows type 5 of EVPN and no key of these, and goes on with the rest."""
    world = begun()
    says(world, labelled("10.9.0.1/32"))
    host = MacIp(RouteDistinguisher.parse("172.30.2.1:16"), bytes(10), 0, MAC, ip("10.9.0.3"), 1001, 7001)
    world.says(path("10.9.0.2/32", attributes(RT)))
    world.reflectors[REFLECTOR].session.send_routes([(attributes(RT), host)])
    world.settle()
    assert shown(world).keys() == {"10.9.0.1/32", "10.9.0.2/32", "10.9.0.3/32"}
    memory = world.node.suspend(world.now, [REFLECTOR])
    assert decode(encode(memory)) == memory
    head, _, routes = encode(memory).partition(b"\n")[2].partition(b"\n")
    known = json.dumps(_without_beside(json.loads(head))).encode()
    session = decode(sealed(known + b"\n" + routes)).peers[REFLECTOR].session
    assert session is not None and session.channels.keys() == {EVPN}
    assert [str(nlri.destination) for _, nlri in session.channels[EVPN].received] == ["10.9.0.2/32"]


def _without_beside(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_beside(one) for key, one in value.items() if not key.endswith("_beside")}
        case list():
            return [_without_beside(one) for one in value]
    return value


def test_an_exchange_says_nothing_again_in_any_family() -> None:
    world = begun()
    says(world, labelled("10.9.0.1/32"))
    far = world.reflectors[REFLECTOR]
    before, flows = len(far.history), dict(world.flows)
    fresh = world.handed_over()
    fresh.switch_on()
    fresh.intent({circuit(1): INTENT}, [PORT])
    assert not [u for u in far.history[before:] if u.announced or u.withdrawn]
    assert shown(fresh) == {"10.9.0.1/32": ""} and fresh.flows.keys() == flows.keys()


def test_a_session_that_ends_makes_all_stale_and_each_ages_by_itself() -> None:
    world = begun((EVPN, VPNV4))
    says(world, labelled("10.9.0.1/32"))
    world.says(path("10.9.0.2/32", attributes(RT)))
    world.node.handle(facts.Closed(REFLECTOR, "reset"), world.now)
    world.node.effects(world.now)
    rib = world.node.rib
    assert all(p.stale for p in rib)
    assert {p.channel for p in rib} == {Channel(REFLECTOR, EVPN), Channel(REFLECTOR, VPNV4)}
    assert rib.sweep(lambda path: path.nlri.family == EVPN)
    assert {p.channel.family for p in rib} == {VPNV4}


def test_a_family_that_the_next_session_does_not_carry_is_as_good_as_withdrawn() -> None:
    """RFC 4724 section 4.2: whoever gave its label away must not be sent packets of this VPN."""
    world = begun((EVPN, VPNV4))
    says(world, labelled("10.9.0.1/32"))
    world.says(path("10.9.0.2/32", attributes(RT)))
    world.cut()
    world.reachable.add(REFLECTOR)
    world.reflectors[REFLECTOR] = Reflector(REFLECTOR, (EVPN,))
    world.wait(2.0)
    assert world.node.peers[REFLECTOR].up_since is not None
    assert {p.nlri.destination for p in world.node.rib} == {net("10.9.0.2/32")}


def test_without_a_port_for_labels_what_needs_one_does_not_leave_by_the_router() -> None:
    world = World(families=ALL)
    world.switch_on()
    world.intent({circuit(1): INTENT}, [PORT])
    says(world, labelled("203.0.113.0/24"))
    (view,) = world.node.tables.views
    assert world.flows[Renderer.route_key(view, net("203.0.113.0/24"))].actions == "drop"


# Who cannot be heard, and restarts


def signs(world: World, withdraw: Iterable[Family] = (), say: Iterable[Family] = ()) -> None:
    """Another hypervisor's beacons."""
    there = ip("172.30.2.1")
    ours = Speaker(there, there, Mac(b"\x02\x78" + there), 64513)
    said = {family: make(ours) for family, use in FAMILIES.items() if (make := use.beacon) is not None}
    world.reflectors[REFLECTOR].session.send_routes(
        [(said[family].attributes, said[family].nlri) for family in say], [said[family].nlri for family in withdraw]
    )
    world.settle()


def test_a_beacon_says_something_of_its_own_family_only() -> None:
    """FRR keeps the VPNv4 routes of a hypervisor whose agent is gone, its beacon too, and withdraws those of EVPN."""
    world = begun((EVPN, VPNV4))
    signs(world, say=(EVPN, VPNV4))
    world.says(path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes(RT)))
    says(world, labelled("10.9.0.1/32"))
    world.probe(ip("172.30.2.1"), facts.Answer.ANSWERS)
    signs(world, withdraw=[EVPN])
    world.says(withdraw=[path(p, attributes(RT)).nlri for p in ("10.9.0.1/32", "10.9.0.2/32")])  # type: ignore[misc]
    assert shown(world) == {"10.9.0.1/32": "", "10.9.0.2/32": Note.HELD.value}
    assert candidates(world, "10.9.0.1/32") == [([7001], ""), ([], NotBest.LONG_LIVED_STALE.value)]
    says(world, withdraw=[labelled("10.9.0.1/32")])
    assert shown(world) == {"10.9.0.1/32": Note.HELD.value, "10.9.0.2/32": Note.HELD.value}, "the one was taken back"


def test_routes_with_labels_are_held_as_others_are() -> None:
    world = begun()
    signs(world, say=ALL)
    says(world, labelled("10.9.0.1/32"), labelled("fd09::1/128"))
    world.probe(ip("172.30.2.1"), facts.Answer.ANSWERS)
    signs(world, withdraw=[VPNV4, VPNV6])
    says(world, withdraw=[labelled("10.9.0.1/32"), labelled("fd09::1/128")])
    assert set(shown(world).values()) == {Note.HELD.value}
    world.wait(RESTART_TIME_S)
    assert shown(world) == {}


def preserved(world: World) -> set[Family]:
    """The families of which the last OPEN says that what was told is forwarded still."""
    agreed = world.reflectors[REFLECTOR].session.agreed
    assert agreed is not None
    (found,) = [c.value for c in agreed.peer_capabilities if c.code == CapabilityCode.GRACEFUL_RESTART]
    each = (found[at : at + 4] for at in range(2, len(found), 4))
    named = {Family.of(int.from_bytes(one[:2], "big"), one[2]) for one in each if one[3] & 0x80}
    return {family for family in ALL if family in named}


def again(world: World, *ports: LocalPort) -> World:
    """A fresh run after a crash."""
    fresh = world.crashed()
    fresh.switch_on()
    fresh.intent({circuit(1): INTENT}, ports)
    return fresh


def test_after_a_crash_all_that_is_gone_is_withdrawn_by_name_in_its_family() -> None:
    fresh = again(begun(), port("q", A, "10.1.0.6"))
    said = fresh.reflectors[REFLECTOR].history
    gone = {(r.family, str(r.destination)) for u in said for r in u.withdrawn}
    assert gone == {
        (EVPN, "10.1.0.5/32"),
        (EVPN, "fd01::5/128"),
        (VPNV4, "10.1.0.5/32"),
        (VPNV6, "fd01::5/128"),
    }
    for family in ALL:
        ends_at = [u.end_of_rib for u in said].index(family)
        assert not [u for u in said[ends_at:] if u.family == family and u.withdrawn], "End-of-RIB is the last word"


def test_after_a_crash_forwarding_is_preserved_if_the_labels_are_there_too() -> None:
    world = begun()
    assert preserved(again(world, PORT)) == set(ALL)
    world = begun()
    key = Renderer.inbound_key(LabelKey(32, net("10.1.0.5/32")))
    fresh = world.crashed()
    del fresh.flows[key]
    fresh.switch_on()
    fresh.intent({circuit(1): INTENT}, [PORT])
    assert preserved(fresh) == set()


def test_a_family_that_is_spoken_no_more_costs_nothing_else() -> None:
    """The file of today has EVPN alone: what was told with labels is not said again, and its flows go."""
    world = begun()
    left = decode(encode(world.node.remember(world.now)))
    fresh = World(memory=left, generation=2, now=world.now + 1)
    fresh.flows, fresh.circuits, fresh.next_port = dict(world.flows), dict(world.circuits), world.next_port
    fresh.switch_on()
    fresh.intent({circuit(1): INTENT}, [PORT])
    assert told(fresh.reflectors[REFLECTOR].history).keys() == {EVPN}
    assert Renderer.inbound_key(InboundKey(5016, net("10.1.0.5/32"))) in fresh.flows
    assert Renderer.inbound_key(LabelKey(32, net("10.1.0.5/32"))) not in fresh.flows


def test_how_far_a_peer_is_trusted_holds_for_labels_too() -> None:
    trust = Trust(
        accept_targets=(TargetRange.parse(RT),),
        accept_prefixes=(net("10.9.0.0/16"),),
        tunnel_endpoints=(net("172.30.2.0/24"),),
    )
    world = World(families=ALL, trust=trust)
    world.gre = 2
    world.switch_on()
    world.intent({circuit(1): INTENT}, [PORT])
    says(world, labelled("10.9.0.1/32"))
    says(world, labelled("10.9.0.2/32"), next_hop="172.30.3.1")
    says(world, labelled("10.8.0.3/32"))
    world.reflectors[REFLECTOR].session.send_routes([(attributes("64512:2", **BEHIND_LABELS), labelled("10.9.0.4/32"))])
    signs(world, say=ALL)
    assert shown(world) == {"10.9.0.1/32": ""}
    peer = world.node.peers[REFLECTOR]
    assert peer.not_taken == {
        NotAccepted.FOREIGN_NEXT_HOP: 1,
        NotAccepted.FOREIGN_PREFIX: 1,
        NotAccepted.FOREIGN_TARGET: 1,
    }, "a beacon may be shown by its endpoint, in whatever clothes"
