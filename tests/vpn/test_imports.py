"""What a view makes of received routes and local addresses."""

from __future__ import annotations

import pytest

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.nlri.ethernet import MacIp
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.fib.entries import Deliver, NextHop
from isthmus.model.net import Mac
from isthmus.model.reason import NotBest, Note, NotImported, NotInstalled
from isthmus.model.vpn import Encapsulation
from isthmus.vpn.exports import exports
from isthmus.vpn.imports import decide
from isthmus.vpn.refusal import refusal
from isthmus.vpn.views import View, views
from tests.build import association, attachment, attributes, circuit, ip, net, path, port, speaker

A, B = "neutron-a", "neutron-b"
ME = speaker()


def only_view(*subnets: str) -> View:
    intent = attachment(1, association(16, networks=(A,), both=("64512:1",)), networks=(A,), subnets=subnets)
    (view,) = views({circuit(1): intent}, [port("p", A, "10.1.0.5")]).views.values()
    return view


def test_a_remote_route_leads_to_its_tunnel() -> None:
    entry = decide(only_view(), net("10.9.0.1/32"), [path("10.9.0.1/32", attributes("64512:1"))], [], ME)
    assert entry is not None
    assert entry.target == NextHop(ip("172.30.2.1"), Mac.parse("02:78:ac:1e:02:01"), 7001)


def test_a_route_of_another_vpn_is_not_in_the_view() -> None:
    assert decide(only_view(), net("10.9.0.1/32"), [path("10.9.0.1/32", attributes("64512:2"))], [], ME) is None


@pytest.mark.parametrize(
    ("attrs", "why"),
    [
        (attributes("64512:1", next_hop="172.30.1.1"), NotImported.OWN_ROUTE),
        (attributes("64512:1", originator="172.30.1.1"), NotImported.OWN_ROUTE),
        (attributes("64512:1", as_path=(64513, 64512)), NotImported.AS_LOOP),
        (attributes("64512:1", next_hop="2001:db8::1"), NotImported.NEXT_HOP_VERSION),
        (attributes("64512:1", next_hop="0.0.0.0"), NotImported.NEXT_HOP),
        (attributes("64512:1", encapsulations=(Encapsulation.MPLS,)), NotImported.ENCAPSULATION),
        (attributes("64512:1", encapsulations=(Encapsulation.MPLS_IN_UDP,)), NotImported.MPLS_IN_UDP),
        (attributes("64512:1", router_mac=None), NotImported.NO_ROUTER_MAC),
        (attributes("64512:1", router_mac="03:00:00:00:00:01"), NotImported.NO_ROUTER_MAC),
        (attributes("64512:1", encapsulations=()), None),
        (attributes("64512:1", encapsulations=(Encapsulation.MPLS, Encapsulation.VXLAN)), None),
    ],
)
def test_what_cannot_be_forwarded_is_refused_with_its_reason(attrs: PathAttributes, why: NotImported | None) -> None:
    route = path("10.9.0.1/32", attrs)
    assert refusal(route, ME) is why
    assert (decide(only_view(), net("10.9.0.1/32"), [route], [], ME) is None) == (why is not None)


def test_a_route_of_a_fabric_is_used_if_it_leads_to_its_pe_by_itself() -> None:
    """EVPN types 2 and 5: what is for bridging only, or resolves through a gateway or segment, is refused by name."""
    plain = path("10.9.0.1/32", attributes("64512:1"))
    assert isinstance(plain.nlri, EvpnPrefix)
    rd, mac = plain.nlri.rd, Mac.parse("02:00:00:00:00:09")
    host = MacIp(rd, bytes(10), 0, mac, ip("10.9.0.1"), 1001, 7001)
    segment = bytes.fromhex("00112233445566778899")
    for nlri, why in (
        (plain.nlri, None),
        (host, None),
        (host._replace(routed=None), NotImported.BRIDGED_ONLY),
        (plain.nlri._replace(gateway=ip("10.9.0.9")), NotImported.OVERLAY_INDEX),
        (plain.nlri._replace(esi=segment), NotImported.OVERLAY_INDEX),
        (plain.nlri._replace(label=0), NotImported.OVERLAY_INDEX),
    ):
        assert refusal(plain._replace(nlri=nlri), ME) is why, nlri


def test_two_hosts_with_one_address_behind_one_pe_are_decided_alike_whoever_came_first() -> None:
    plain = path("10.9.0.1/32", attributes("64512:1"))
    host = MacIp(plain.nlri.distinguisher.rd, bytes(10), 0, Mac.parse("02:00:00:00:00:09"), ip("10.9.0.1"), 1001, 7001)
    one, other = (plain._replace(nlri=n) for n in (host, host._replace(mac=Mac.parse("02:00:00:00:00:0a"))))
    for order in ([one, other], [other, one]):
        entry = decide(only_view(), net("10.9.0.1/32"), order, [], ME)
        assert entry is not None and entry.best == one, order


def test_an_unusable_route_never_displaces_a_usable_one() -> None:
    better = path("10.9.0.1/32", attributes("64512:1", router_mac=None, local_pref=999), rd="172.30.2.9:16")
    usable = path("10.9.0.1/32", attributes("64512:1"))
    entry = decide(only_view(), net("10.9.0.1/32"), [better, usable], [], ME)
    assert entry is not None
    assert entry.best == usable


def test_the_node_that_the_address_moved_to_wins_and_the_old_one_says_so() -> None:
    old = path("10.9.0.1/32", attributes("64512:1", mobility=3), rd="172.30.2.1:16")
    new = path("10.9.0.1/32", attributes("64512:1", mobility=4, next_hop="172.30.2.2"), rd="172.30.2.2:16")
    entry = decide(only_view(), net("10.9.0.1/32"), [old, new], [], ME)
    assert entry is not None
    assert (entry.best, entry.losers, entry.note) == (new, ((old, NotBest.MOBILITY),), None)


def test_one_address_in_two_sites_is_noted_and_a_prefix_is_not() -> None:
    one = path("10.9.0.1/32", attributes("64512:1"))
    two = path("10.9.0.1/32", attributes("64512:1", site=None, originator="172.30.3.1"), rd="172.30.3.1:16")
    mine = attachment(1, association(16, networks=(A,), both=("64512:1",)), networks=(A,), subnets=("10.9.0.0/24",))
    local = exports({circuit(1): mine}, [port("p", A, "10.9.0.1")])
    entry = decide(only_view(), net("10.9.0.1/32"), [one, two], local, ME)
    assert entry is not None
    assert (entry.target, entry.note) == (Deliver(circuit(1)), Note.DUPLICATE_ADDRESS)
    assert {why for _, why in entry.losers} == {NotBest.SECOND}


def test_what_the_router_serves_itself_is_hidden_only_if_every_router_of_the_view_does() -> None:
    hidden = decide(only_view("10.9.0.0/24"), net("10.9.0.1/32"), [path("10.9.0.1/32", attributes("64512:1"))], [], ME)
    assert hidden is not None
    assert hidden.hidden is NotInstalled.HIDDEN_BY_ROUTER
    one = attachment(1, association(16, networks=(A,), both=("64512:1",)), networks=(A,), subnets=("10.9.0.0/24",))
    two = attachment(2, association(17, networks=(B,), both=("64512:1",)), networks=(B,), subnets=("10.8.0.0/24",))
    (shared,) = views(
        {circuit(1): one, circuit(2): two}, [port("p", A, "10.9.0.5"), port("q", B, "10.8.0.5")]
    ).views.values()
    entry = decide(shared, net("10.9.0.1/32"), [path("10.9.0.1/32", attributes("64512:1"))], [], ME)
    assert entry is not None
    assert entry.hidden is None


def test_who_says_no_name_takes_no_address_from_who_was_first() -> None:
    theirs = attributes("64512:1", mobility=1, claimant=A)
    first = path("10.9.0.1/32", theirs)
    near = attributes("64512:1", site=None, as_path=(), next_hop="172.30.1.9", originator="172.30.1.9", local_pref=200)
    nameless = path("10.9.0.1/32", near, rd="172.30.1.9:4242")
    entry = decide(only_view(), net("10.9.0.1/32"), [nameless, first], [], ME)
    assert entry is not None
    assert (entry.best, entry.losers) == (first, ((nameless, NotBest.SECOND),))
