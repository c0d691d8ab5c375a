"""Ports that are not simply a machine of this hypervisor: on their way here, or served by OVN from somewhere else."""

from __future__ import annotations

from dataclasses import replace

from isthmus.model.intent import AttachmentIntent
from isthmus.model.port import LocalPort
from isthmus.model.reason import NotAnnounced
from isthmus.node.bulletin import About, bulletin
from isthmus.node.report import status
from tests.build import association, attachment, attributes, circuit, net, path, port
from tests.sim.forwarding import BACK, Fate, Forwarder
from tests.world import REFLECTOR, TUNNEL_PORT, World

A, RT = "neutron-a", "64512:1"
OWN = net("10.1.0.5/32")
VM = port("p", A, "10.1.0.5", revision=3)


def red() -> AttachmentIntent:
    return attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,), subnets=("10.1.0.0/24",))


def world(*ports: LocalPort) -> World:
    made = World()
    made.switch_on()
    made.intent({circuit(1): red()}, ports)
    made.says(path("10.9.0.1/32", attributes(RT)))
    made.end_of_rib()
    return made


def outbound(made: World) -> Fate:
    ports = {str(name): number for name, number in made.circuits.items()}
    forwarder = Forwarder(made.flows, ports, TUNNEL_PORT)
    return forwarder.from_circuit(ports[circuit(1)], "10.1.0.5", "10.9.0.1")[0]


def why_not(made: World) -> str:
    [one] = status(made.node, made.now).ports
    return one.why_not


def test_what_is_on_its_way_here_speaks_at_once_and_is_announced_when_it_is_bound() -> None:
    made = world(replace(VM, why_not=NotAnnounced.ARRIVING))
    assert outbound(made).what == "tunnel"
    assert OWN not in made.reflectors[REFLECTOR].routes
    assert why_not(made) == NotAnnounced.ARRIVING.value
    assert not made.node.claims.all(made.now), "it claims nothing before it is bound"
    made.intent({circuit(1): red()}, [replace(VM, revision=7)])
    assert OWN in made.reflectors[REFLECTOR].routes


def test_one_that_did_not_come_after_all_leaves_nothing() -> None:
    made = world(replace(VM, why_not=NotAnnounced.ARRIVING))
    made.intent({circuit(1): red()})
    made.wait(10)
    assert OWN not in made.reflectors[REFLECTOR].routes
    assert made.circuits == {}


def test_what_a_gateway_chassis_serves_is_left_out_and_the_cloud_is_told() -> None:
    made = world(replace(VM, why_not=NotAnnounced.EXTERNAL), port("q", A, "10.1.0.6"))
    assert outbound(made) == BACK
    assert OWN not in made.reflectors[REFLECTOR].routes
    report = bulletin(made.node, About("1", 0, 0.0), made.now, None)
    assert report is not None
    [one] = report.attachments
    [words] = one.bgpvpns.values()
    assert NotAnnounced.EXTERNAL.value in words
    assert {m.port: m.why_not for m in status(made.node, made.now).machines} == {
        "p": NotAnnounced.EXTERNAL.value,
        "q": "",
    }
