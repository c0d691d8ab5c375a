"""A peer that says what it may not: it is as if it had not, it is counted with its reason, and shown by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import EVPN
from isthmus.bgp.heard import Heard
from isthmus.bgp.packing import encode_updates
from isthmus.flows.layout import Table
from isthmus.model.intent import AttachmentIntent
from isthmus.model.net import IpAddress, Mac
from isthmus.model.reason import NotAccepted, NotAnnounced, Note, NotImported
from isthmus.model.vpn import BEACON_TARGET, SiteOfOrigin
from isthmus.node.config import Limits
from isthmus.node.report import status
from isthmus.node.status import PeerStatus, RouteStatus
from isthmus.rib.path import Path
from isthmus.rib.refused import Refused
from isthmus.vpn.beacons import beacon
from isthmus.vpn.exports import Speaker
from isthmus.vpn.trust import EVERYTHING, TargetRange, Trust
from tests.build import ELSEWHERE, SITE, association, attachment, attributes, circuit, ip, net, nlri, path, port, rts
from tests.world import REFLECTOR, World

A, B = "neutron-a", "neutron-b"
AGREED, OURS = "64512:1", "64512:2"
TRUST = Trust(
    accept_targets=(TargetRange.parse(AGREED),),
    announce_targets=(TargetRange.parse(AGREED),),
    tunnel_endpoints=(net("172.30.2.0/24"), net("172.30.3.0/24")),
)


def world(
    trust: Trust = TRUST,
    clouds: Mapping[int, Trust] | None = None,
    limits: Limits | None = None,
    asns: Mapping[IpAddress, int] | None = None,
) -> World:
    """Two VPNs: one agreed on with the other cloud, one that it has no business in."""
    made = World(trust=trust, clouds=clouds, limits=limits, asns=asns)
    made.switch_on()
    made.intent(
        {
            circuit(1): attachment(1, association(16, networks=(A,), both=(AGREED,)), networks=(A,)),
            circuit(2): attachment(2, association(17, networks=(B,), both=(OURS,)), networks=(B,)),
        },
        [port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")],
    )
    return made


def destinations(made: World) -> set[str]:
    matches = [key.match for key in made.flows if key.table == Table.VIEW and key.match]
    return {match.rsplit("=", 1)[1] for match in matches} - {"10.1.0.5", "10.2.0.5"}


def route(made: World, prefix: str) -> RouteStatus:
    (one,) = [r for r in status(made.node, made.now).routes if r.prefix == prefix]
    return one


def peer(made: World) -> PeerStatus:
    return status(made.node, made.now).peers[0]


def test_a_foreign_target_reaches_no_view_and_is_counted_and_named() -> None:
    made = world()
    made.says(path("10.9.0.1/32", attributes(AGREED)), path("10.9.0.2/32", attributes(OURS)))
    assert destinations(made) == {"10.9.0.1"}
    assert peer(made).not_taken == {NotAccepted.FOREIGN_TARGET.value: 1}
    assert route(made, "10.9.0.2/32").why == NotAccepted.FOREIGN_TARGET.value
    assert status(made.node, made.now).unused[NotAccepted.FOREIGN_TARGET.value] == 1
    assert made.node.rib.count(REFLECTOR) == 1, "what is refused takes no room"
    made.says(withdraw=[nlri("10.9.0.2/32")])
    assert peer(made).not_taken == {}


def test_a_route_that_becomes_foreign_is_gone() -> None:
    """Else the peer could leave a route standing that it does not stand for any more."""
    made = world()
    made.says(path("10.9.0.1/32", attributes(AGREED)))
    made.says(path("10.9.0.1/32", attributes(OURS)))
    assert destinations(made) == set() and peer(made).not_taken == {NotAccepted.FOREIGN_TARGET.value: 1}
    made.says(path("10.9.0.1/32", attributes(AGREED)))
    assert destinations(made) == {"10.9.0.1"} and peer(made).not_taken == {}


def test_foreign_routes_make_nobody_forget_what_was_refused_for_want_of_room() -> None:
    """However many were refused: when there is room, the peer is asked for them."""
    made = world(limits=Limits(routes_per_peer=2))
    made.node.peers[REFLECTOR].conversations[EVPN].refused = Refused(names_max=1)
    good = [path(f"10.9.0.{n}/32", attributes(AGREED)) for n in range(1, 6)]
    made.says(*good)
    made.says(*(path(f"10.9.9.{n}/32", attributes(OURS)) for n in range(9)))
    assert peer(made).refused == 3
    made.reflectors[REFLECTOR].answers = good[3:]
    made.says(withdraw=[one.nlri for one in good[:3]])
    assert destinations(made) == {"10.9.0.4", "10.9.0.5"}


def test_a_foreign_target_beside_an_agreed_one_does_not_count() -> None:
    made = world()
    made.says(path("10.9.0.1/32", attributes(AGREED, OURS)))
    views = {view.view: view.import_targets for view in status(made.node, made.now).views}
    shown = route(made, "10.9.0.1/32")
    assert views[shown.view] == [AGREED] and shown.note == Note.TARGETS_LEFT_OUT.value
    assert shown.route_targets == [AGREED]


def test_a_foreign_next_hop_gets_no_packet() -> None:
    made = world()
    made.says(path("10.9.0.1/32", attributes(AGREED, next_hop="172.30.9.9")))
    assert destinations(made) == set() and not made.probed and not made.resolved
    assert peer(made).not_taken == {NotAccepted.FOREIGN_NEXT_HOP.value: 1}


def test_the_beacons_target_lets_nothing_through_that_is_no_beacon() -> None:
    """It needs no permission, so it would be the way round every other bound."""
    made = world()
    signs = [(beacon(Speaker(ip(at), ip(at), Mac.parse("02:78:ac:1e:02:01"), 64513)), hop) for at, hop in BEACONS]
    made.says(
        *(
            Path(REFLECTOR, REFLECTOR, one.nlri, Heard.of(replace(one.attributes, next_hop=ip(hop))), 0.0)
            for one, hop in signs
        )
    )
    assert (peer(made).beacons, peer(made).next_hops_changed_to) == (1, ["172.30.3.250"])
    kept = made.node.rib.count(REFLECTOR)
    for junk in ("10.9.0.1/32", "10.9.0.0/16", "172.30.2.0/25"):
        made.says(path(junk, attributes(str(BEACON_TARGET), OURS)))
    assert made.node.rib.count(REFLECTOR) == kept and destinations(made) == set()
    assert peer(made).not_taken == {NotAccepted.FOREIGN_PREFIX.value: 3}


BEACONS = ("172.30.2.1", "172.30.2.1"), ("172.30.2.2", "172.30.3.250")
"""One as it should be, and one that somebody on the way has changed: tunnel endpoint and next hop."""


def test_only_those_targets_are_told_that_the_peer_may_hear_of() -> None:
    made = world()
    assert set(made.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
    why = {one.address: one.why_not for one in status(made.node, made.now).ports}
    assert why == {"10.1.0.5": "", "10.2.0.5": NotAnnounced.NOT_FOR_PEERS.value}
    assert made.reflectors[REFLECTOR].beacons, "the beacon is everybody's"


def test_tunnels_begin_where_the_operator_says() -> None:
    strict, open_ = world(), world(replace(TRUST, tunnel_endpoints=None))
    door = {match for match in classify(strict) if "02:78" in match}
    assert door == {
        "tun_src=172.30.2.0/24,in_port=1,dl_dst=02:78:ac:1e:01:01",
        "tun_src=172.30.3.0/24,in_port=1,dl_dst=02:78:ac:1e:01:01",
        "in_port=1,dl_dst=02:78:ac:1e:01:01",
    }
    (stranger,) = (key for key in strict.flows if key.match == "in_port=1,dl_dst=02:78:ac:1e:01:01")
    assert strict.flows[stranger].actions == "drop"
    strict.flows[stranger] = replace(strict.flows[stranger], packets=7)
    strict.switch_on()
    assert status(strict.node, strict.now).switch.dropped_strangers == 7
    assert not any("tun_src" in match for match in classify(open_))


def classify(made: World) -> set[str]:
    return {key.match for key in made.flows if key.table == Table.CLASSIFY}


def test_a_stricter_file_counts_for_what_the_last_run_has_taken() -> None:
    made = world(Trust())
    made.says(path("10.9.0.1/32", attributes(AGREED)), path("10.9.0.2/32", attributes(OURS)))
    made.end_of_rib()
    assert destinations(made) == {"10.9.0.1", "10.9.0.2"}
    made.trust = TRUST
    fresh = made.handed_over()
    fresh.switch_on()
    assert made.node.asked.fact is not None
    fresh.tell(made.node.asked.fact)
    assert destinations(fresh) == {"10.9.0.1"}
    assert set(fresh.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}


def same_as(own: int, site: SiteOfOrigin | None = None) -> PathAttributes:
    return attributes(AGREED, as_path=(64513, *[64512] * own), **({"site": site} if site else {}))


def test_the_same_as_in_both_clouds_is_the_operators_choice_and_site_of_origin_stops_loops() -> None:
    refuses, allows = world(), world(replace(TRUST, allow_own_as=1))
    for made in (refuses, allows):
        made.says(path("10.9.0.1/32", same_as(1)))
        made.says(path("10.9.0.2/32", same_as(2)), path("10.9.0.3/32", same_as(2)))
        made.says(path("10.9.0.4/32", same_as(1, SITE)))
    assert route(refuses, "10.9.0.1/32").why == NotImported.AS_LOOP.value and destinations(refuses) == set()
    assert destinations(allows) == {"10.9.0.1"}
    assert route(allows, "10.9.0.3/32").why == NotImported.AS_LOOP.value
    assert route(allows, "10.9.0.4/32").why == NotImported.SITE_LOOP.value


def test_another_cloud_cannot_use_this_clouds_name() -> None:
    """By its Site of Origin it would count as one of us: no duplicate would be noted."""
    made = world()
    made.says(path("10.9.0.1/32", attributes(AGREED, site=SITE)))
    assert destinations(made) == set() and route(made, "10.9.0.1/32").why == NotImported.SITE_LOOP.value
    made.says(path("10.9.0.1/32", attributes(AGREED, site=SITE, as_path=())))
    assert destinations(made) == {"10.9.0.1"}, "one of our own hypervisors"


def test_a_cloud_that_gets_another_name_judges_every_route_by_it() -> None:
    """As a fresh process would; and what was another site's route may be one of its own now."""
    made = world()
    made.says(path("10.9.0.1/32", attributes(AGREED)), path("10.9.0.2/32", attributes(AGREED, as_path=())))
    assert made.node.asked.fact is not None
    circuits = {
        name: replace(one, site=ELSEWHERE)
        for name, one in made.node.asked.fact.circuits.items()
        if isinstance(one, AttachmentIntent)
    }
    before = {view.view: view.alone for view in status(made.node, made.now).views}
    made.intent(dict(circuits), made.node.asked.fact.ports)
    assert destinations(made) == {"10.9.0.2"} and route(made, "10.9.0.1/32").why == NotImported.SITE_LOOP.value
    after = {view.view: view.alone for view in status(made.node, made.now).views}
    assert sorted(before.values()) == [False, True] and set(after.values()) == {True}


def test_nobodys_addresses_are_never_imported() -> None:
    made = world()
    junk = [
        *("0.0.0.5/32", "127.0.0.0/8", "127.0.0.1/32", "169.254.169.254/32", "169.254.128.1/32", "224.0.0.0/4"),
        *("239.1.2.3/32", "255.255.255.255/32", "::1/128", "fe80::/10", "ff02::1/128", "fd00:56:50:4e::1/128"),
        *("fd00:56:50:4e::10/128", "fd00:56:50:4e::/112"),  # lanes
    ]
    good = ["0.0.0.0/0", "10.9.0.0/16", "192.0.2.0/24", "2001:db8:9::/48", "fd00:9::1/128"]
    made.says(*(path(prefix, attributes(AGREED)) for prefix in (*junk, *good)))
    shown = {r.prefix: r.why for r in status(made.node, made.now).routes if r.peer}
    assert {prefix for prefix, why in shown.items() if why == NotImported.RESERVED_PREFIX.value} == set(junk)
    assert {prefix for prefix, why in shown.items() if not why} == set(good)


def test_a_routers_own_addresses_are_nobody_elses_in_its_vpn() -> None:
    """Neither those on its networks nor the ones beyond its gateway; in the VPNs of others they are like any."""
    made = world(trust=EVERYTHING)
    own = ("10.7.0.1/32", "203.0.113.9/32", "2001:db8:7::1/128")

    def intent(addresses: tuple[IpAddress, ...]) -> None:
        circuits = {
            circuit(1): attachment(1, association(16, networks=(A,), both=(AGREED,)), networks=(A,)),
            circuit(2): attachment(2, association(17, networks=(B,), both=(OURS,)), networks=(B,)),
        }
        circuits[circuit(1)] = replace(circuits[circuit(1)], addresses=addresses)
        made.intent(dict(circuits), [port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")])

    intent(tuple(net(one).address for one in own))
    made.says(*(path(one, attributes(AGREED)) for one in (*own, "10.7.0.0/24", "10.7.0.2/32")))
    assert destinations(made) == {"10.7.0.0/24", "10.7.0.2"}
    assert {route(made, one).why for one in own} == {NotImported.ROUTER_ADDRESS.value}
    assert status(made.node, made.now).unused[NotImported.ROUTER_ADDRESS.value] == len(own)
    made.says(*(path(one, attributes(OURS), rd="172.30.2.1:17") for one in own))
    assert destinations(made) >= {"10.7.0.1", "203.0.113.9", "2001:db8:7::1"}
    made.says(withdraw=[nlri(one, rd="172.30.2.1:17") for one in own])
    assert destinations(made) == {"10.7.0.0/24", "10.7.0.2"}
    intent((net("10.7.0.2/32").address,))
    assert destinations(made) == {"10.7.0.0/24", "10.7.0.1", "203.0.113.9", "2001:db8:7::1"}, (
        "no longer; and now one is"
    )


def test_a_next_hop_that_is_no_machines_gets_neither_packet_nor_probe() -> None:
    made = world(Trust())
    hops = ["224.0.0.5", "255.255.255.255", "127.0.0.1", "0.0.0.1", "240.0.0.1", "169.254.1.1"]
    made.says(*(path(f"10.9.0.{n}/32", attributes(AGREED, next_hop=hop)) for n, hop in enumerate(hops)))
    made.says(path("10.9.1.1/32", attributes(AGREED, next_hop=str(REFLECTOR))))
    assert destinations(made) == set() and not made.probed and not made.resolved
    assert {route(made, f"10.9.0.{n}/32").why for n in range(len(hops))} == {NotImported.NEXT_HOP.value}
    assert route(made, "10.9.1.1/32").why == NotImported.REFLECTOR_NEXT_HOP.value


def test_a_peer_that_is_a_pe_itself_is_named_as_one() -> None:
    made = world(Trust(tunnel_endpoints=(net("172.30.0.0/16"), net(f"{REFLECTOR}/32"))))
    made.says(path("10.9.1.1/32", attributes(AGREED, next_hop=str(REFLECTOR))))
    assert destinations(made) == {"10.9.1.1"}


def test_a_range_of_targets_is_of_one_administrator() -> None:
    ranged = TargetRange.parse("64512:100-199")
    assert [ranged.has(t) for t in rts("64512:99", "64512:100", "64512:199", "64512:200", "64513:150")] == [
        *(False, True, True, False, False)
    ]
    assert TargetRange.parse("4200000000:*").has(rts("4200000000:65535")[0])
    assert not TargetRange.parse("64512:*").has(rts("64513:0")[0])


BEYOND = Trust(
    accept_targets=(TargetRange.parse(AGREED),),
    accept_prefixes=(net("10.9.0.0/16"), net("2001:db8:9::/48")),
    tunnel_endpoints=(net("172.30.2.0/24"),),
)
"""Our own reflector is trusted in all, the cloud behind it is not."""


def test_another_cloud_behind_our_own_reflector_is_known_by_its_as() -> None:
    made = world(Trust(), {64513: BEYOND})
    own = {"as_path": (), "site": SITE, "next_hop": "172.30.1.2"}
    made.says(
        path("10.9.0.1/32", attributes(AGREED)),
        path("10.9.0.2/32", attributes(OURS)),
        path("10.9.0.3/32", attributes(AGREED, next_hop="172.30.1.2")),
        path("10.8.0.4/32", attributes(AGREED)),
        path("10.9.0.5/32", attributes(OURS, as_path=(64514, 64513))),
        path("10.8.0.6/32", attributes(OURS, **own)),  # type: ignore[arg-type]
    )
    assert destinations(made) == {"10.9.0.1", "10.8.0.6"}, "a hypervisor of our own says what it likes"
    assert peer(made).not_taken == {
        NotAccepted.FOREIGN_TARGET.value: 2,
        NotAccepted.FOREIGN_NEXT_HOP.value: 1,
        NotAccepted.FOREIGN_PREFIX.value: 1,
    }
    assert route(made, "10.8.0.4/32").why == NotAccepted.FOREIGN_PREFIX.value


def test_another_cloud_that_leaves_itself_out_of_the_path_is_known_by_its_session() -> None:
    made = world(Trust(), {64513: BEYOND}, asns={REFLECTOR: 64513})
    session = made.reflectors[REFLECTOR].session
    assert session.agreed is not None
    within = replace(session.agreed, peer_as=session.agreed.local_as)
    """As to a peer of its own AS: it puts nothing in front."""
    for as_path in ((), (64514,)):
        said = [
            path("10.9.0.1/32", attributes(AGREED, as_path=as_path)),
            path("10.9.0.2/32", attributes(OURS, as_path=as_path)),
            path("10.9.0.3/32", attributes(AGREED, as_path=as_path, next_hop="172.30.1.2")),
            path("10.8.0.4/32", attributes(AGREED, as_path=as_path)),
        ]
        session.send(list(encode_updates([(p.attributes, p.nlri) for p in said], (), within)))
        made.settle()
        assert {str(p.nlri.destination) for p in made.node.rib} == {"10.9.0.1/32"}, as_path
        assert destinations(made) == {"10.9.0.1"}, as_path


def test_a_foreign_target_beside_an_agreed_one_does_not_count_for_another_cloud() -> None:
    """What a filter at the border lets pass that looks for one of the agreed targets."""
    made = world(Trust(), {64513: BEYOND})
    made.says(path("10.9.0.1/32", attributes(AGREED, OURS)))
    views = {view.view: view.import_targets for view in status(made.node, made.now).views}
    assert views[route(made, "10.9.0.1/32").view] == [AGREED]
