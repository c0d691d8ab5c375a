"""A route that does not arrive: a malformed UPDATE is named while it may be why, and no longer; so is what its BGPVPN
asks for and nobody there can do."""

from __future__ import annotations

from isthmus.bgp.packing import encode_updates
from isthmus.cli.known import Known, Told
from isthmus.cli.verdict import Cause, Verdict
from isthmus.cli.why import why
from isthmus.model.intent import FamilyName
from isthmus.node import facts
from isthmus.node.report import status
from tests.build import association, attachment, attributes, circuit, nlri, path, port
from tests.world import REFLECTOR, World

NETWORK, TARGET = "neutron-a", "64512:1"
ORIGIN, NO_ORIGIN = bytes((0x40, 1, 1, 0)), bytes((0x40, 1, 1, 9))


def host(address: str, machine: str, families: tuple[FamilyName, ...] | None = None) -> World:
    """A hypervisor with this machine, whose reflector passes nothing of the other's on."""
    world = World()
    world.switch_on()
    subnet = address.rpartition(".")[0] + ".0/24"
    bound = association(16, networks=(NETWORK,), both=(TARGET,), families=families)
    wish = attachment(1, bound, networks=(NETWORK,), subnets=(subnet,))
    world.intent({circuit(1): wish}, [port(machine, NETWORK, address)])
    world.end_of_rib()
    return world


HERE, THERE = ("10.1.0.5", "aaaa-1"), ("10.9.0.10", "bbbb-1")


def says(world: World, prefix: str, rd: str, *, well: bool) -> None:
    """The reflector announces a route, as it should or with an ORIGIN that nobody knows."""
    agreed = world.reflectors[REFLECTOR].session.agreed
    assert agreed is not None
    octets = b"".join(encode_updates([(attributes(TARGET), nlri(prefix, rd))], (), agreed))
    assert ORIGIN in octets
    world.tell(facts.Received(REFLECTOR, octets if well else octets.replace(ORIGIN, NO_ORIGIN)))


def asked(here: World, families: tuple[FamilyName, ...] | None = None) -> Verdict:
    there = host(*THERE, families)
    here.says(path("10.1.0.99/32", attributes(TARGET)))
    told = [Told("h1", status(here.node, here.now)), Told("h2", status(there.node, there.now))]
    return why(Known(told), HERE[1], THERE[1])


def of_the_far_end() -> str:
    """The RD of the route that is asked about."""
    there = host(*THERE)
    return next(p.route_distinguisher for p in status(there.node, there.now).ports)


def test_a_malformed_update_that_was_mended_is_a_remark() -> None:
    here = host(*HERE)
    for well in (False, True):
        says(here, "10.77.0.1/32", "172.30.2.1:17", well=well)
    verdict = asked(here)
    assert verdict.cause is Cause.NOT_PASSED_ON
    assert any("1 of 172.30.1.250's UPDATEs as withdrawals" in remark for remark in verdict.remarks)


def test_a_malformed_update_of_another_route_is_a_remark() -> None:
    here = host(*HERE)
    says(here, "10.77.0.1/32", "172.30.2.1:17", well=False)
    says(here, "10.9.0.10/32", "172.30.2.1:17", well=False)  # the same address in another VPN
    assert asked(here).cause is Cause.NOT_PASSED_ON


def test_a_malformed_update_of_this_route_is_the_cause() -> None:
    here = host(*HERE)
    says(here, "10.9.0.10/32", of_the_far_end(), well=False)
    verdict = asked(here)
    assert verdict.cause is Cause.ROUTE_MALFORMED and "undefined origin" in verdict.sentence


def test_one_of_very_many_may_be_of_this_route() -> None:
    here = host(*HERE)
    for number in range(20):
        says(here, f"10.77.0.{number}/32", "172.30.2.1:17", well=False)
    assert asked(here).cause is Cause.ROUTE_MALFORMED


def test_a_family_that_the_far_end_does_not_speak_is_named() -> None:
    verdict = asked(host(*HERE), (FamilyName.VPNV4,))
    assert verdict.cause is Cause.NOT_IN_FAMILY
    assert "speaks none of the families in which its BGPVPN is announced" in verdict.sentence
