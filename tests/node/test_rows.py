"""Rows that stop being readable, and changes that come together or one right after the other."""

from __future__ import annotations

from dataclasses import replace

from isthmus.bgp import events as bgp
from isthmus.flows.layout import Table
from isthmus.model.intent import AttachmentIntent, UnknownSchema
from isthmus.node import facts
from isthmus.node.order import LINGER_S
from isthmus.node.report import status
from tests.build import association, attachment, circuit, net, nlri, port
from tests.node.test_core import A, B, red, settled, vm
from tests.world import REFLECTOR


def unread(*names: str) -> AttachmentIntent:
    """The attachment's row is good; those of the BGPVPNs of these associations are not."""
    good = red()
    kept = tuple(a for a in good.associations if a.association not in names)
    return replace(good, associations=kept, unread=names, unresolved=((good.associations[0].bgpvpn, "not JSON"),))


def test_a_bgpvpn_whose_row_cannot_be_read_any_more_stays_as_it_was() -> None:
    world = settled()
    name = red().associations[0].association
    before, routes = dict(world.flows), dict(world.reflectors[REFLECTOR].routes)
    for revision in (2, 3):
        world.intent({circuit(1): replace(unread(name), revision=revision)}, [vm()])
        world.wait(LINGER_S + 1)
        assert (world.flows, world.reflectors[REFLECTOR].routes) == (before, routes)
    (row,) = status(world.node, world.now).attachments
    assert row.unresolved, "and everybody can see why nothing new comes"


def test_a_fresh_agent_goes_on_with_it_whatever_else_changes() -> None:
    name = red().associations[0].association
    fresh = settled().crashed()
    fresh.switch_on()
    for ports in ([vm()], [vm(), port("q", A, "10.1.0.6")]):
        fresh.intent({circuit(1): unread(name)}, ports)
        fresh.wait(LINGER_S + 1)
        assert net("10.1.0.5/32") in fresh.reflectors[REFLECTOR].routes


def test_what_was_deleted_does_not_come_back_from_memory() -> None:
    fresh = settled().crashed()
    fresh.switch_on()
    fresh.intent({circuit(1): red()}, [vm()])
    fresh.intent({}, [vm()])
    fresh.intent({circuit(1): UnknownSchema("isthmus:schema", "newer")}, [vm()])
    fresh.wait(LINGER_S + 1)
    assert fresh.reflectors[REFLECTOR].routes == {}


def test_memory_outlives_a_run_that_has_read_nothing() -> None:
    fresh = settled().crashed().crashed()
    fresh.switch_on()
    fresh.intent({circuit(1): UnknownSchema("isthmus:schema", "newer")}, [vm()])
    assert net("10.1.0.5/32") in fresh.reflectors[REFLECTOR].routes


def test_nothing_stays_of_an_endpoint_that_goes_as_the_tunnel_port_moves() -> None:
    world = settled()
    node, far = world.node, world.reflectors[REFLECTOR].session
    far.send_routes((), [nlri("10.9.0.1/32")])
    (gone,) = [output for output in far.outputs() if isinstance(output, bgp.Send)]
    node.handle(facts.Received(REFLECTOR, gone.data), world.now)
    node.handle(facts.SwitchRead(dict(world.circuits), 7), world.now)
    node.effects(world.now)
    assert not [key for key in node.switch.wanted if "172.30.2.1" in key.match]


def test_an_address_that_is_another_vpns_by_now_is_never_delivered_by_the_old_circuit() -> None:
    """Not in one snapshot, but one after the other, and before the new circuit is plugged."""
    world = settled()
    world.frozen = True
    world.intent({circuit(1): replace(red(), associations=())}, [vm()])
    blue = attachment(2, association(17, networks=(B,), both=("64512:2",), vni=5016), networks=(B,))
    other = port("q", B, "10.1.0.5")
    world.intent({circuit(1): replace(red(), associations=()), circuit(2): blue}, [vm(), other])
    inbound = [key for key in world.flows if key.table == Table.INBOUND and "10.1.0.5" in key.match]
    assert inbound == [] and net("10.1.0.5/32") not in world.reflectors[REFLECTOR].routes


def test_status_may_be_asked_between_a_fact_and_what_follows_from_it() -> None:
    world = settled()
    world.node.handle(facts.IntentRead({}, ()), world.now)
    assert status(world.node, world.now).views
