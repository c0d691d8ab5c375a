"""In which families a BGPVPN is announced, where an administrator has named them; what is imported is not limited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from isthmus.bgp.family import EVPN, VPNV4, VPNV6, Family
from isthmus.fib.entries import InboundKey, LabelKey
from isthmus.flows.render import Renderer
from isthmus.model.intent import AttachmentIntent, FamilyName
from isthmus.model.reason import NotAnnounced
from isthmus.node.bulletin import About, bulletin
from isthmus.node.order import LINGER_S
from isthmus.node.report import status
from isthmus.vpn.exports import exports
from isthmus.vpn.offers import delivered_by, of_export, untold
from tests.build import association, attachment, attributes, circuit, net, path, port, speaker, uuid
from tests.world import REFLECTOR, Reflector, World

ALL = (EVPN, VPNV4, VPNV6)
A, RT = "neutron-a", "64512:1"
PORT = port("p", A, "10.1.0.5", "fd01::5")
FOUR, SIX = "10.1.0.5", "fd01::5"


def intent(*names: FamilyName, limited: bool = True) -> AttachmentIntent:
    one = association(16, networks=(A,), both=(RT,), families=names if limited else None)
    return attachment(1, one, networks=(A,), subnets=("10.1.0.0/24", "fd01::/64"))


ANYWHERE = intent(limited=False)


def begun(first: AttachmentIntent, families: tuple[Family, ...] = ALL) -> World:
    world = World(families=families)
    world.gre = 2
    world.reflectors = {REFLECTOR: Reflector(REFLECTOR, families)}
    world.switch_on()
    world.intent({circuit(1): first}, [PORT])
    return world


def told(world: World) -> dict[Family, list[str]]:
    """What the reflector has been told and not been told to forget, by family."""
    there: dict[Family, set[str]] = {}
    for update in world.reflectors[REFLECTOR].history:
        for route in update.withdrawn:
            there[route.family].discard(str(route.destination.address))
        for route in update.announced:
            there.setdefault(route.family, set()).add(str(route.destination.address))
    return {family: sorted(addresses) for family, addresses in there.items() if addresses}


def why_not(world: World) -> dict[str, str]:
    return {p.address: p.why_not for p in status(world.node, world.now).ports}


def wrong(world: World) -> str | None:
    """What the status of the BGPVPN says."""
    report = bulletin(world.node, About("0.1.0", 5000, 4000.0), world.now, None)
    assert report is not None
    (one,) = report.attachments
    return one.bgpvpns.get(uuid(1016))


def delivered(world: World, keys: Iterable[InboundKey | LabelKey]) -> list[bool]:
    return [Renderer.inbound_key(key) in world.flows for key in keys]


def test_an_address_is_offered_in_the_families_that_its_bgpvpn_names_and_are_spoken() -> None:
    """Plain values: which offers are made, and why there is none."""
    dual = [port("p", A, "10.1.0.5"), port("q", A, "2001:db8::5")]

    def offers(*names: FamilyName, spoken: tuple[Family, ...] = ALL) -> list[tuple[list[Family], NotAnnounced | None]]:
        here = attachment(1, association(16, networks=(A,), both=(RT,), families=names), networks=(A,))
        by = replace(speaker(), families=spoken)
        found = exports({circuit(1): here}, dual)
        assert all(len(list(of_export(e, by))) == len(list(delivered_by(e, by))) for e in found)
        return [([o.route.nlri.family for o in of_export(e, by)], untold(e, by)) for e in found]

    four, six, evpn = FamilyName.VPNV4, FamilyName.VPNV6, FamilyName.EVPN
    assert offers(evpn) == [([EVPN], None), ([EVPN], None)]
    assert offers(four, six) == [([VPNV4], None), ([VPNV6], None)]
    assert offers(four, evpn) == [([EVPN, VPNV4], None), ([EVPN], None)]
    assert offers(four) == [([VPNV4], None), ([], NotAnnounced.FAMILY_OF_OTHER_VERSION)]
    missing = NotAnnounced.FAMILY_NOT_SPOKEN
    assert offers(four, six, spoken=(EVPN,)) == [([], missing), ([], missing)]
    assert offers(evpn, four, spoken=(VPNV4,)) == [([VPNV4], None), ([], missing)]
    assert offers() == [([], missing)] * 2, "only such as this release has no name for"


def test_a_bgpvpn_is_announced_in_its_families_only_and_imports_from_all() -> None:
    world = begun(intent(FamilyName.VPNV4, FamilyName.VPNV6))
    assert told(world) == {VPNV4: [FOUR], VPNV6: [SIX]}
    vxlan = [InboundKey(5016, net(f"{FOUR}/32")), InboundKey(5016, net(f"{SIX}/128"))]
    labels = [LabelKey(32, net(f"{FOUR}/32")), LabelKey(65_568, net(f"{SIX}/128"))]
    assert delivered(world, vxlan) == [False, False], "nothing comes in by what is not announced"
    assert delivered(world, labels) == [True, True]
    assert (why_not(world), wrong(world)) == ({FOUR: "", SIX: ""}, None)
    world.says(path("10.9.0.2/32", attributes(RT)))
    assert "10.9.0.2/32" in {r.prefix for r in status(world.node, world.now).routes if r.best}


def test_a_change_says_and_withdraws_just_that_and_the_old_way_lingers() -> None:
    world = begun(ANYWHERE)
    assert told(world) == {EVPN: [FOUR, SIX], VPNV4: [FOUR], VPNV6: [SIX]}
    heard = world.reflectors[REFLECTOR].history
    before, vxlan = len(heard), [InboundKey(5016, net(f"{FOUR}/32"))]
    world.intent({circuit(1): intent(FamilyName.VPNV4, FamilyName.VPNV6)}, [PORT])
    assert told(world) == {VPNV4: [FOUR], VPNV6: [SIX]}
    assert not [r for u in heard[before:] for r in u.announced], "nothing is said again"
    assert delivered(world, vxlan) == [True], "packets are under way"
    world.wait(LINGER_S)
    assert delivered(world, vxlan) == [False]
    world.intent({circuit(1): ANYWHERE}, [PORT])
    assert told(world) == {EVPN: [FOUR, SIX], VPNV4: [FOUR], VPNV6: [SIX]}


def test_the_status_says_that_a_family_is_asked_for_which_nobody_speaks() -> None:
    world = begun(intent(FamilyName.VPNV4, FamilyName.VPNV6), (EVPN,))
    missing = NotAnnounced.FAMILY_NOT_SPOKEN.value
    assert told(world) == {}
    assert why_not(world) == {FOUR: missing, SIX: missing}
    assert wrong(world) == f"2 addresses are not announced: {missing}"


def test_an_address_of_the_other_ip_version_is_named_and_is_no_fault() -> None:
    world = begun(intent(FamilyName.VPNV4))
    assert told(world) == {VPNV4: [FOUR]}
    assert why_not(world) == {FOUR: "", SIX: NotAnnounced.FAMILY_OF_OTHER_VERSION.value}
    assert wrong(world) is None


def test_an_agent_that_is_exchanged_keeps_to_them() -> None:
    world = begun(intent(FamilyName.VPNV4))
    fresh = world.handed_over()
    fresh.switch_on()
    fresh.intent({circuit(1): intent(FamilyName.VPNV4)}, [PORT])
    assert told(fresh) == {VPNV4: [FOUR]}
