"""Which table an address looks in."""

from __future__ import annotations

from dataclasses import replace

from isthmus.fib.entries import SourceKey, view_id
from isthmus.model.intent import CIRCUIT_LANE, ROUTER_IPV4
from isthmus.vpn.views import doors_of, view, views
from tests.build import association, attachment, circuit, ip, net, port, rts

A, B = "neutron-a", "neutron-b"


def test_a_view_is_the_union_of_what_applies_to_the_port() -> None:
    router = association(16, networks=(A, B), both=("64512:1",))
    network = association(17, networks=(A,), both=("64512:2",))
    found = views(
        {circuit(1): attachment(1, router, network, networks=(A, B))},
        [port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")],
    )
    assert found.sources == {
        SourceKey(circuit(1), ip("10.1.0.5")): view_id(rts("64512:1", "64512:2")),
        SourceKey(circuit(1), ip("10.2.0.5")): view_id(rts("64512:1")),
    }


def test_ports_with_the_same_targets_share_a_view_whatever_their_router() -> None:
    one = attachment(1, association(16, networks=(A,), both=("64512:1",)), networks=(A,))
    two = attachment(2, association(17, networks=(B,), both=("64512:1",)), networks=(B,))
    found = views({circuit(1): one, circuit(2): two}, [port("p", A, "10.1.0.5"), port("q", B, "10.1.0.5")])
    assert len(found.views) == 1
    (view,) = found.views.values()
    assert view.circuits == {circuit(1), circuit(2)}


def test_a_port_that_imports_nothing_has_no_view() -> None:
    intent = attachment(1, association(16, networks=(A,), exports=("64512:1",)), networks=(A,))
    assert views({circuit(1): intent}, [port("p", A, "10.1.0.5")]).views == {}


def test_the_routers_own_errors_have_a_view_only_where_it_is_unambiguous() -> None:
    red, blue = association(16, networks=(A,), both=("64512:1",)), association(17, networks=(B,), both=("64512:2",))
    ports = [port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")]
    errors = SourceKey(circuit(1), ROUTER_IPV4)
    one = views({circuit(1): attachment(1, red, blue, networks=(A, B))}, ports[:1])
    two = views({circuit(1): attachment(1, red, blue, networks=(A, B))}, ports)
    assert one.sources[SourceKey(circuit(1), ROUTER_IPV4)] == view_id(rts("64512:1"))
    assert errors not in two.sources


def test_an_address_counts_only_by_the_lane_of_its_network() -> None:
    """And by the circuit's own, for as long as OVN does not do what the row says."""
    red, blue = association(16, networks=(A,), both=("64512:1",)), association(17, networks=(B,), both=("64512:2",))
    intent = replace(attachment(1, red, blue, networks=(A, B)), lanes=(300, 17))
    found = views({circuit(1): intent}, [port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")]).sources
    assert {(str(s.address), s.lane) for s in found} == {
        *(("10.1.0.5", 300), ("10.1.0.5", CIRCUIT_LANE)),
        *(("10.2.0.5", 17), ("10.2.0.5", CIRCUIT_LANE)),
    }
    one = views({circuit(1): intent}, [port("p", A, "10.1.0.5")]).sources
    assert {s.lane for s in one if s.address == ROUTER_IPV4} == {CIRCUIT_LANE}, "a machine cannot bear it"


def test_a_routers_own_route_hides_as_its_subnets_do_and_a_floating_ip_is_of_ipv4() -> None:
    red = association(16, networks=(A,), both=("64512:1",))
    intent = replace(attachment(1, red, networks=(A,)), routes=(net("10.50.0.0/16"),))
    floating = replace(port("p", A, "10.1.0.5", "2001:db8::5"), floating=True)
    found = doors_of(circuit(1), intent, {A: [floating, port("q", A, "10.1.0.6")]})
    assert found.floating == {ip("10.1.0.5")}
    (number,) = found.views
    one = view(number, [circuit(1)], {circuit(1): found}, {circuit(1): intent})
    assert [one.hides(net(p)) for p in ("10.50.3.0/24", "10.1.0.9/32", "10.0.0.0/8", "0.0.0.0/0")] == [
        *(True, True),
        *(False, False),
    ]


def test_a_floating_ip_is_one_though_a_view_beside_it_is_not_served() -> None:
    """Its number is another's (`clashes`)."""
    both = association(16, networks=(A,), both=("64512:1",)), association(17, networks=(B,), both=("64512:2",))
    ports = {
        A: [replace(port("p", A, "10.1.0.5"), floating=True)],
        B: [port("q", B, "10.2.0.5")],
    }
    found = doors_of(circuit(1), attachment(1, *both, networks=(A, B)), ports)
    left = found.without({view_id(rts("64512:2"))})
    assert left.floating == {ip("10.1.0.5")} and {s.address for s in left.sources} == {ip("10.1.0.5")}


def test_the_number_of_a_view_is_the_same_in_every_process() -> None:
    assert f"{view_id(rts('64512:1')):#x}" == f"{view_id(reversed(rts('64512:1'))):#x}" == "0xe7ae25118c30a0c0"
    assert view_id(rts("64512:1", "64512:2")) == view_id([*rts("64512:2"), *rts("64512:1"), *rts("64512:1")])
