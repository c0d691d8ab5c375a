"""What is announced for a local address, under which targets, and why not."""

from __future__ import annotations

from isthmus.model.net import IpAddress
from isthmus.model.reason import NotAnnounced
from isthmus.model.vpn import Claimant
from isthmus.vpn.exports import Occupant, announcement, exports
from tests.build import SITE, association, attachment, circuit, net, port, rts, speaker

A, B = "neutron-a", "neutron-b"


def test_every_address_is_announced_in_every_bgpvpn_that_covers_it_and_in_no_other() -> None:
    red = association(16, networks=(A,), both=("64512:1",))
    blue = association(17, networks=(A, B), both=("64512:2",))
    found = exports(
        {circuit(1): attachment(1, red, blue, networks=(A, B))},
        [port("p1", A, "10.1.0.5", "2001:db8::5"), port("p2", B, "10.2.0.5"), port("p3", "neutron-c", "10.3.0.5")],
    )
    assert {(str(e.prefix), e.vni, e.targets) for e in found} == {
        ("10.1.0.5/32", 5016, frozenset(rts("64512:1"))),
        ("2001:db8::5/128", 5016, frozenset(rts("64512:1"))),
        ("10.1.0.5/32", 5017, frozenset(rts("64512:2"))),
        ("2001:db8::5/128", 5017, frozenset(rts("64512:2"))),
        ("10.2.0.5/32", 5017, frozenset(rts("64512:2"))),
    }


def test_what_is_not_announced_says_why() -> None:
    mute = association(16, networks=(A,), imports=("64512:1",))
    loud = association(17, networks=(A,), both=("64512:2",))
    ports = [port("up", A, "10.1.0.5"), port("down", A, "10.1.0.6", up=False)]
    found = exports({circuit(1): attachment(1, mute, loud, networks=(A,))}, ports)
    assert {(e.port, e.number): e.why_not for e in found} == {
        ("up", 16): NotAnnounced.NO_EXPORT_TARGET,
        ("down", 16): NotAnnounced.NO_EXPORT_TARGET,
        ("up", 17): None,
        ("down", 17): NotAnnounced.PORT_DOWN,
    }


def test_two_associations_of_one_bgpvpn_make_one_route_with_both_their_targets() -> None:
    router = association(16, networks=(A, B), both=("64512:1",), bgpvpn=1)
    network = association(17, networks=(A,), both=("64512:1",), exports=("64512:9",), bgpvpn=1, vni=5016)
    found = exports({circuit(1): attachment(1, router, network, networks=(A, B))}, [port("p", A, "10.1.0.5")])
    assert [(e.why_not, e.targets) for e in found] == [(None, frozenset(rts("64512:1", "64512:9")))]


def test_one_vni_never_delivers_one_address_to_two_places_and_the_loser_is_named() -> None:
    """Two routers of one VPN with the same subnet: who has the address keeps it, whatever is done to the other port."""
    one = attachment(1, association(16, networks=(A,), both=("64512:1",), bgpvpn=1, vni=5000), networks=(A,))
    two = attachment(2, association(17, networks=(B,), both=("64512:1",), bgpvpn=1, vni=5000), networks=(B,))
    ports = [port("old", A, "10.1.0.5", revision=3), port("new", B, "10.1.0.5", revision=4)]
    for circuit_, first, second in ((circuit(1), "old", "new"), (circuit(2), "new", "old")):
        has = Occupant(Claimant.of(A if first == "old" else B), circuit_)
        found = exports({circuit(1): one, circuit(2): two}, ports, occupant=lambda _key, has=has: has)
        assert {e.port: e.why_not for e in found} == {first: None, second: NotAnnounced.DUPLICATE_ADDRESS}
        assert len({e.inbound for e in found if e.why_not is None}) == 1


def test_the_route_on_the_wire_is_made_of_the_clouds_numbers_only() -> None:
    intent = attachment(1, association(77, networks=(A,), both=("64512:1",), local_pref=0), networks=(A,))
    (export,) = exports({circuit(1): intent}, [port("p", A, "10.1.0.5", revision=6)])
    route = announcement(export, speaker())
    assert str(route.nlri.rd) == "172.30.1.1:77"
    assert (route.nlri.prefix, route.nlri.label, route.nlri.gateway) == (net("10.1.0.5/32"), 5077, None)
    a = route.attributes
    assert (a.next_hop, a.local_pref, a.mobility_sequence) == (IpAddress.parse("172.30.1.1"), 0, 1)
    assert a.claimant == Claimant.of(A)
    assert (str(a.router_mac), a.site_of_origin, a.encapsulations) == ("02:78:ac:1e:01:01", SITE, {8})
