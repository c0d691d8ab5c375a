"""Who shares a line: PEs of other makers that say a prefix alike, and nobody who has an address to himself."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from isthmus.bgp.heard import Heard
from isthmus.bgp.nlri.ethernet import ESI_ZERO, MacIp
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.fib.entries import LabelledHop, NextHop, Spread, endpoints_of
from isthmus.model.net import IpAddress, Mac
from isthmus.model.reason import NotBest
from isthmus.model.vpn import RouteDistinguisher, SiteOfOrigin
from isthmus.rib.path import Path
from isthmus.vpn.exports import exports
from isthmus.vpn.imports import Entry, by_labels_alone, decide, endpoints
from isthmus.vpn.views import View, views
from tests.build import SITE, association, attachment, attributes, circuit, ip, net, path, port, speaker

A, B, RT = "neutron-a", "neutron-b", "64512:1"
PREFIX = "203.0.113.0/24"
MANY = replace(speaker(), multipath=3)
INTENT = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))
PES = [ip(f"172.30.7.{n}") for n in range(1, 6)]


def view() -> View:
    (found,) = views({circuit(1): INTENT}, [port("p", A, "10.1.0.5")]).views.values()
    return found


def said(pe: IpAddress, prefix: str = PREFIX, *, peer: str = "172.30.1.250", number: int = 16, **how: Any) -> Path:
    """By another maker's PE, of a carrier's AS."""
    how = {"site": None, "next_hop": str(pe), "originator": str(pe), "router_mac": "02:00:00:00:07:01", **how}
    return path(prefix, attributes(RT, **how), rd=f"{pe}:{number}", peer=peer)


def behind_labels(pe: IpAddress, *labels: int) -> Path:
    how = attributes(RT, site=None, next_hop=str(pe), originator=str(pe), router_mac=None, encapsulations=())
    route = VpnPrefix(RouteDistinguisher.parse(f"{pe}:16"), net(PREFIX), labels)
    return Path(ip("172.30.1.250"), ip("172.30.1.250"), route, Heard.of(how), 0.0)


def decided(*paths: Path, prefix: str = PREFIX, most: int = 3, silent: frozenset[IpAddress] = frozenset()) -> Entry:
    entry = decide(view(), net(prefix), paths, (), replace(MANY, multipath=most), silent)
    assert entry is not None
    return entry


def led(*paths: Path, **how: Any) -> tuple[IpAddress, ...]:
    return endpoints_of(decided(*paths, **how).target)


def test_two_that_say_it_alike_share_it_and_neither_has_lost() -> None:
    one, two = said(PES[0]), said(PES[1])
    for order in permutations((one, two)):
        entry = decided(*order)
        assert (entry.best, entry.beside, entry.losers) == (one, (two,), ())
        assert entry.target == Spread(tuple(NextHop(pe, Mac.parse("02:00:00:00:07:01"), 7001) for pe in PES[:2]))
        assert set(endpoints(entry)) == set(PES[:2]) and entry.far


def test_behind_labels_too() -> None:
    entry = decided(behind_labels(PES[1], 24, 7001), behind_labels(PES[0], 17))
    assert entry.target == Spread((LabelledHop(PES[0], (17,)), LabelledHop(PES[1], (24, 7001))))
    assert set(by_labels_alone(entry)) == set(PES[:2])
    assert entry.alone == LabelledHop(PES[0], (17,))


def test_without_leave_one_has_it_and_the_other_its_reason() -> None:
    one, two = said(PES[0]), said(PES[1])
    entry = decided(one, two, most=1)
    assert (entry.best, entry.beside, entry.losers) == (one, (), ((two, NotBest.ROUTER_ID),))


def test_no_more_than_the_operator_says_share_it() -> None:
    entry = decided(*map(said, reversed(PES)))
    assert endpoints_of(entry.target) == tuple(PES[:3])
    assert {loser.heard.next_hop: why for loser, why in entry.losers if isinstance(loser, Path)} == dict.fromkeys(
        PES[3:], NotBest.ROUTER_ID
    )


def test_an_endpoint_has_one_share_however_often_it_is_heard_of() -> None:
    again = said(PES[0], peer="172.30.1.251")
    other = said(PES[0], number=17)
    entry = decided(said(PES[1]), again, other, said(PES[0]))
    assert endpoints_of(entry.target) == tuple(PES[:2])
    assert set(entry.losers) == {(again, NotBest.PEER), (other, NotBest.ROUTE_DISTINGUISHER)}


@pytest.mark.parametrize(
    ("otherwise", "why"),
    [
        ({"local_pref": 90}, NotBest.LOCAL_PREF),
        ({"as_path": (64513, 64513)}, NotBest.AS_PATH),
        ({"med": 1}, NotBest.MED),
        # What no field of the decision sees: as long a path by another AS, and another site.
        ({"as_path": (64666,)}, NotBest.ROUTER_ID),
        ({"site": SiteOfOrigin.parse("64666:1")}, NotBest.ROUTER_ID),
        # In whose name, or how often it has moved: an address of somebody's.
        ({"claimant": B}, NotBest.ROUTER_ID),
        ({"mobility": 7}, NotBest.ROUTER_ID),
    ],
)
@pytest.mark.parametrize("prefix", [PREFIX, "203.0.113.9/32"])
def test_who_says_it_otherwise_has_no_share(prefix: str, otherwise: dict[str, Any], why: NotBest) -> None:
    one, two = said(PES[0], prefix), said(PES[1], prefix, **otherwise)
    entry = decided(one, two, prefix=prefix)
    assert (entry.best, entry.target, entry.beside) == (one, decided(one, prefix=prefix).target, ())
    assert entry.losers == ((two, NotBest.SECOND if "claimant" in otherwise else why),)


def test_a_path_that_is_not_its_senders_draws_nothing() -> None:
    """A peer of another AS, which is held to answer for what it says, says the carrier's own path."""
    stranger = ip("192.0.2.66")
    us = replace(MANY, internal=frozenset({ip("172.30.1.250")}), foreign={stranger: 64666})
    entry = decide(view(), net(PREFIX), [said(PES[0]), said(PES[1], peer=str(stranger))], (), us)
    assert entry is not None
    assert entry.beside == () and endpoints_of(entry.target) == (PES[0],)
    both = decide(view(), net(PREFIX), [said(PES[0]), said(PES[1])], (), us)
    assert both is not None and len(both.beside) == 1


def test_nobody_has_a_share_of_a_machine_of_ours() -> None:
    """Neither of one that says in whose name nor of one of an older release, whatever is said beside it, alike in all
    that the decision compares; nor one machine of another's, in two places."""
    for how in ({"claimant": A, "mobility": 1}, {"claimant": A, "mobility": 0}, {"mobility": 4}):
        for other in ({}, how, {**how, "claimant": B}):
            mine = said(PES[0], "10.9.0.1/32", **how)
            assert len(led(mine, said(PES[1], "10.9.0.1/32", **other), prefix="10.9.0.1/32")) == 1
    local = exports({circuit(1): INTENT}, [port("p", A, "10.1.0.5")])
    entry = decide(view(), net("10.1.0.5/32"), [said(pe, "10.1.0.5/32") for pe in PES[:2]], local, MANY)
    assert entry is not None and not entry.beside and endpoints_of(entry.target) == ()


def test_a_machine_behind_a_leaf_is_at_one_leaf() -> None:
    """EVPN type 2: who sends half of its packets to where it was loses them."""
    mac = Mac.parse("02:00:00:00:00:09")
    paths = []
    for pe in PES[:2]:
        rd = RouteDistinguisher.parse(f"{pe}:16")
        route = MacIp(rd, ESI_ZERO, 0, mac, ip("10.9.0.1"), 5001, 7001)
        how = attributes(RT, site=None, next_hop=str(pe), originator=str(pe))
        paths.append(Path(ip("172.30.1.250"), ip("172.30.1.250"), route, Heard.of(how), 0.0))
    assert led(*paths, prefix="10.9.0.1/32") == (PES[0],)


def test_routes_of_one_site_share_and_this_clouds_name_is_nobody_elses() -> None:
    theirs = SiteOfOrigin.parse("64513:7")
    assert led(*(said(pe, site=theirs) for pe in PES[:2])) == tuple(PES[:2])
    assert led(said(PES[0]), said(PES[1], site=SITE)) == (PES[0],), "a loop, or a lie"


def test_who_is_silent_leaves_and_the_others_share_on() -> None:
    paths = [said(pe) for pe in PES[:3]]
    entry = decided(*paths, silent=frozenset({PES[0]}))
    assert endpoints_of(entry.target) == tuple(PES[1:3])
    assert entry.losers == ((paths[0], NotBest.SILENT),)
    assert set(endpoints(entry)) == set(PES[:3]), "and is asked on"
    assert led(*paths[:2], silent=frozenset({PES[0]})) == (PES[1],)
    assert len(led(*paths, silent=frozenset(PES))) == 1, "all are: nothing is spread over what nobody hears"
