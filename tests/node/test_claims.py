"""Whose address it is, played from outside: a guest of a shared BGPVPN wants what is another's.

The owner's network and the guest's have the same prefix (Neutron warns, and lets them), and both are in one BGPVPN.
What is looked at is where packets go, on every hypervisor; what a tenant can do to his own machine is all allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from isthmus.fib.entries import InboundKey
from isthmus.model.reason import Contested
from isthmus.model.vpn import Claimant
from isthmus.node import facts
from isthmus.node.bulletin import About, bulletin
from isthmus.node.claims import Claims
from isthmus.node.order import LINGER_S
from isthmus.node.report import status
from isthmus.vpn.claims import Hearing
from isthmus.vpn.exports import Occupant
from tests.build import association, attachment, attributes, circuit, ip, path, port, uuid
from tests.node.fabric import Fabric, endpoint
from tests.world import REFLECTOR, TUNNEL_PORT, World

OWNER, GUEST, THIRD = "neutron-owner", "neutron-guest", "neutron-third"
RT = "64512:5"
ADDRESS = "10.1.0.5"
HOUR_S = 3600.0


def cloud(hosts: int = 3, guest: int = 17, owner: int = 16) -> Fabric:
    """Everybody in one BGPVPN, whose VNI is 700."""
    joined = {owner: (OWNER, "10.1.0.0/24"), guest: (GUEST, "10.1.0.0/24"), 18: (THIRD, "10.3.0.0/24")}
    vpn = {n: association(n, networks=(network,), both=(RT,), bgpvpn=1, vni=700) for n, (network, _) in joined.items()}
    return Fabric(
        hosts,
        attachments=[
            attachment(n, vpn[n], networks=(network,), subnets=(subnet,)) for n, (network, subnet) in joined.items()
        ],
    )


owner_vm = port("victim", OWNER, ADDRESS, revision=7)
guest_vm = port("guest", GUEST, ADDRESS, revision=1, mac="02:00:00:00:00:66")
third_vm = port("third", THIRD, "10.3.0.7")
neighbour = port("neighbour", THIRD, "10.3.0.8")


def well(fabric: Fabric, *hosts: int) -> None:
    """What is for the owner goes to the owner, wherever it comes from."""
    for host in hosts:
        assert fabric.leads(host, ADDRESS) == endpoint(1), f"hypervisor {host}"
    assert fabric.delivers(1, ADDRESS) == circuit(16)


def touched_often(fabric: Fabric) -> None:
    """`openstack port set --description`, five hundred times."""
    fabric.ask(2, replace(guest_vm, revision=500), neighbour)


def turned_off_and_on(fabric: Fabric) -> None:
    for up in (False, True, False, True):
        fabric.ask(2, replace(guest_vm, up=up, revision=500), neighbour)
        fabric.wait(LINGER_S + 1)


def readdressed(fabric: Fabric) -> None:
    other = replace(guest_vm, addresses=port("x", GUEST, "10.1.0.77").addresses, revision=501)
    fabric.ask(2, other, neighbour)
    fabric.wait(LINGER_S + 1)
    fabric.ask(2, replace(guest_vm, revision=502), neighbour)


def made_again(fabric: Fabric) -> None:
    fabric.ask(2, neighbour)
    fabric.wait(LINGER_S + 1)
    fabric.ask(2, replace(guest_vm, name="another", revision=900), neighbour)


def migrated(fabric: Fabric) -> None:
    """A resize moves the machine; each is a move, and they are his own."""
    for n in range(4):
        old, new = (2, 3) if n % 2 == 0 else (3, 2)
        fabric.move(replace(guest_vm, revision=600 + n), old, new)
        fabric.wait(LINGER_S + 1)


def patient(fabric: Fabric) -> None:
    fabric.wait(3 * HOUR_S)


def restarted(fabric: Fabric) -> None:
    """The agent of the guest's hypervisor dies."""
    fabric.crash(2)


ATTACKS: tuple[Callable[[Fabric], None], ...] = (
    touched_often,
    turned_off_and_on,
    readdressed,
    made_again,
    migrated,
    patient,
    restarted,
)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: one.__name__)
def test_nothing_a_guest_does_to_his_machine_draws_the_owners_traffic(attack: Callable[[Fabric], None]) -> None:
    fabric = cloud()
    fabric.ask(1, owner_vm)
    fabric.ask(3, third_vm)
    fabric.ask(2, guest_vm, neighbour)
    well(fabric, 2, 3)
    attack(fabric)
    well(fabric, 2, 3)


@pytest.mark.parametrize(
    "attack", [touched_often, turned_off_and_on, made_again, patient], ids=lambda one: one.__name__
)
@pytest.mark.parametrize("guest", [15, 17])
def test_nor_on_one_hypervisor_whatever_its_routers_name(attack: Callable[[Fabric], None], guest: int) -> None:
    fabric = cloud(guest=guest)
    fabric.ask(2, owner_vm)
    fabric.ask(3, third_vm)
    fabric.ask(2, owner_vm, guest_vm)
    keep = fabric.ask

    def beside_the_owner(host: int, *ports: object) -> None:
        keep(host, *([owner_vm] if host == 2 else []), *ports)  # type: ignore[arg-type]

    fabric.ask = beside_the_owner  # type: ignore[method-assign]
    attack(fabric)
    assert fabric.leads(3, ADDRESS) == endpoint(2) and fabric.delivers(2, ADDRESS) == circuit(16)


def owner_rebooted(fabric: Fabric) -> None:
    fabric.ask(1, replace(owner_vm, up=False))
    fabric.wait(30)
    fabric.ask(1, owner_vm)


def owners_agent_died(fabric: Fabric) -> None:
    fabric.crash(1)


def owner_moved_and_came_back(fabric: Fabric) -> None:
    fabric.move(owner_vm, 1, 3)
    fabric.wait(LINGER_S + 1)
    fabric.move(owner_vm, 3, 1)


@pytest.mark.parametrize(
    "what", [owner_rebooted, owners_agent_died, owner_moved_and_came_back], ids=lambda w: w.__name__
)
def test_who_waits_for_the_owner_to_be_away_has_to_give_the_address_back(what: Callable[[Fabric], None]) -> None:
    fabric = cloud()
    fabric.ask(1, owner_vm)
    fabric.ask(3, third_vm)
    fabric.ask(2, guest_vm, neighbour)
    what(fabric)
    fabric.wait(LINGER_S + 1)
    fabric.ask(3, third_vm)
    well(fabric, 2, 3)


def test_an_address_that_is_given_up_is_the_next_ones_and_then_his() -> None:
    fabric = cloud()
    fabric.ask(1, owner_vm)
    fabric.ask(3, third_vm)
    fabric.ask(2, guest_vm)
    fabric.ask(1)
    fabric.wait(LINGER_S + 1)
    assert fabric.leads(3, ADDRESS) == endpoint(2), "at once: nobody else has it"
    fabric.wait(HOUR_S + 1)
    fabric.ask(1, owner_vm)
    assert fabric.leads(3, ADDRESS) == endpoint(2), "after an hour it is his"


def test_a_move_wins_before_the_old_hypervisor_has_noticed() -> None:
    fabric = cloud()
    fabric.ask(1, owner_vm)
    fabric.ask(3, third_vm)
    fabric.ask(2, owner_vm, neighbour)
    assert fabric.leads(3, ADDRESS) == endpoint(2)
    fabric.ask(1)
    fabric.ask(1, owner_vm)
    assert fabric.leads(3, ADDRESS) == endpoint(1), "and back"


def test_both_sides_are_told_and_nobody_makes_anothers_status_bad() -> None:
    fabric = cloud()
    fabric.ask(1, owner_vm)
    fabric.ask(2, guest_vm)
    words = {n: {p.contested for p in status(w.node, w.now).ports} for n, w in fabric.worlds.items() if n < 3}
    assert words == {1: {Contested.FIRST.value}, 2: {Contested.SECOND.value}}
    owner, guest = (bulletin(fabric.worlds[n].node, About("1", 1, 0.0), fabric.worlds[n].now, None) for n in (1, 2))
    assert owner is not None and guest is not None
    (mine,), (his,) = owner.attachments, guest.attachments
    assert not mine.bgpvpns and "came second" in "".join(mine.notes.values())
    assert "had it first" in "".join(his.bgpvpns.values())
    fabric.ask(2)
    assert {p.contested for p in status(fabric.worlds[1].node, fabric.worlds[1].now).ports} == {""}


def test_two_that_come_first_at_once_agree_on_one() -> None:
    """Neither had heard of the other: their reflectors did not know each other."""
    fabric = cloud()
    keep, fabric.pass_on = fabric.pass_on, lambda: None  # type: ignore[method-assign]
    fabric.ask(1, owner_vm)
    fabric.ask(2, guest_vm, neighbour)
    fabric.pass_on = keep  # type: ignore[method-assign]
    fabric.ask(3, third_vm)
    well(fabric, 2, 3)
    assert [p.mobility for p in status(fabric.worlds[2].node, 0.0).ports if p.address == ADDRESS] == [0]


# A network in a BGPVPN of its own project's and in one that another shares with it

A_NET, B_NET, FAR = "neutron-a", "neutron-b", "10.9.0.1"


def services(*, local_pref: int | None = None) -> Fabric:
    """The tenant's network and its database are in its own BGPVPN; the network is in the services' too, and so is a
    stranger, whose machine has the database's address and came first."""
    own = {
        n: association(n, networks=(network,), both=(RT,), bgpvpn=1, vni=7005)
        for n, network in ((16, OWNER), (18, THIRD))
    }
    shared = [
        association(n, networks=(network,), both=("64512:6",), bgpvpn=2, vni=7006, local_pref=local_pref, shared=True)
        for n, network in ((17, GUEST), (19, THIRD))
    ]
    fabric = Fabric(
        attachments=[
            attachment(16, own[16], networks=(OWNER,)),
            attachment(17, shared[0], networks=(GUEST,)),
            attachment(18, own[18], shared[1], networks=(THIRD,), subnets=("10.3.0.0/24",)),
        ]
    )
    fabric.ask(2, guest_vm)
    fabric.ask(1, owner_vm)
    fabric.ask(3, third_vm)
    return fabric


@pytest.mark.parametrize("local_pref", [None, 2**32 - 1])
def test_a_shared_bgpvpn_draws_nothing_from_a_private_one(local_pref: int | None) -> None:
    fabric = services(local_pref=local_pref)
    assert fabric.leads(3, ADDRESS) == endpoint(1)
    fabric.ask(3, third_vm, replace(guest_vm, revision=500))
    fabric.ask(2)
    assert fabric.leads(3, ADDRESS) == endpoint(1), "though the stranger is on this very hypervisor"
    fabric.ask(2, replace(guest_vm, revision=501))
    fabric.ask(3, third_vm)
    fabric.crash(3)
    assert fabric.leads(3, ADDRESS) == endpoint(1)


def test_a_dead_machine_of_ones_own_is_not_replaced_by_a_strangers() -> None:
    fabric = services()
    for answer in (facts.Answer.ANSWERS, facts.Answer.SILENT):
        fabric.worlds[3].probe(ip(endpoint(1)), answer)
    assert fabric.leads(3, ADDRESS) == endpoint(1), "to where nothing is sent, and not to a stranger"
    fabric.ask(1)
    fabric.wait(LINGER_S + 1)
    assert fabric.leads(3, ADDRESS) == endpoint(2), "when it is withdrawn nobody of the project has the address"


def test_two_projects_with_the_same_targets_see_each_its_own_first() -> None:
    """Each shares its BGPVPN with the other: one set of targets, two orders, two views."""
    mine = association(16, networks=(A_NET,), both=("64512:5",), bgpvpn=1, vni=7005)
    theirs = association(17, networks=(B_NET,), both=("64512:6",), bgpvpn=2, vni=7006)
    theirs_here = replace(theirs, association=uuid(18), networks=(A_NET,), shared=True)
    mine_there = replace(mine, association=uuid(19), networks=(B_NET,), shared=True)
    world = World()
    world.switch_on()
    rows = [attachment(1, mine, theirs_here, networks=(A_NET,)), attachment(2, theirs, mine_there, networks=(B_NET,))]
    ports = [port("p", A_NET, "10.1.0.5"), port("q", B_NET, "10.1.0.6")]
    world.intent({circuit(n): row for n, row in enumerate(rows, 1)}, ports)
    world.says(
        path(f"{FAR}/32", attributes("64512:5", next_hop="172.30.2.1")),
        path(f"{FAR}/32", attributes("64512:6", next_hop="172.30.2.2"), rd="172.30.2.2:16"),
    )
    found = {v.import_targets[0]: v for v in status(world.node, world.now).views}
    assert len(found) == 1 and len(world.node.tables.views) == 2
    hops = {(r.view, r.next_hop) for r in status(world.node, world.now).routes if r.best and r.peer}
    own = {f"{number:#x}": {str(t) for t in view.own} for number, view in world.node.tables.views.items()}
    assert {(*own[view], hop) for view, hop in hops} == {("64512:5", "172.30.2.1"), ("64512:6", "172.30.2.2")}


# A view of VPNs that hear nothing of each other, of one project's own


def two_private(fabric_hosts: int = 3) -> Fabric:
    """A network is in two BGPVPNs of its project; the second has a guest, and neither's members hear of the other."""
    red = {
        n: association(n, networks=(network,), both=(RT,), bgpvpn=1, vni=7005)
        for n, network in ((16, OWNER), (18, THIRD))
    }
    blue = {
        n: association(n, networks=(network,), both=("64512:6",), bgpvpn=2, vni=7006, local_pref=200)
        for n, network in ((17, GUEST), (19, THIRD))
    }
    return Fabric(
        fabric_hosts,
        attachments=[
            attachment(16, red[16], networks=(OWNER,)),
            attachment(17, blue[17], networks=(GUEST,)),
            attachment(18, red[18], blue[19], networks=(THIRD,), subnets=("10.3.0.0/24",)),
        ],
    )


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: one.__name__)
def test_nor_does_a_guest_of_another_vpn_that_the_same_network_is_in(attack: Callable[[Fabric], None]) -> None:
    fabric = two_private()
    fabric.ask(1, owner_vm)
    fabric.ask(3, third_vm)
    fabric.ask(2, guest_vm, neighbour)
    well(fabric, 3)
    attack(fabric)
    well(fabric, 3)
    owner_rebooted(fabric)
    well(fabric, 3)


@pytest.mark.parametrize(
    ("restart", "flows_first"),
    [(World.handed_over, True), (World.handed_over, False), (World.crashed, True)],
    ids=["handed_over", "handed_over, flows read late", "crashed"],
)
def test_whose_a_line_was_outlasts_a_restart(restart: Callable[[World], World], flows_first: bool) -> None:
    """What the switch has is the memory, whichever route the fresh process hears first, and if it is read last."""
    fabric = two_private()
    fabric.ask(1, owner_vm)
    fabric.ask(3, third_vm)
    fabric.ask(2, guest_vm)
    for order in ((1, 2), (2, 1)):
        fresh = fabric.worlds[3] = restart(fabric.worlds[3])
        if flows_first:
            fresh.switch_on()
        else:
            fresh.readable = False
            fresh.tell(facts.SwitchRead(dict(fresh.circuits), TUNNEL_PORT, fresh.gre))
        fabric.ask(3, third_vm)
        for host in order:
            told = fabric.worlds[host].node.peers[REFLECTOR].conversations.values()
            routes = [(a.attributes, a.nlri) for one in told for a in one.told.told.values()]
            fresh.reflectors[REFLECTOR].session.send_routes(routes)
            fresh.settle()
        if not flows_first:
            fresh.readable = True
            fresh.switch_on()
        fresh.end_of_rib()
        fresh.wait(60)
        assert fabric.leads(3, ADDRESS) == endpoint(1), f"{order} came in this order"


def test_who_does_not_hear_of_an_owner_does_not_make_him_step_down() -> None:
    """The owner imports what the guest's VPN exports, and not the other way round; the guest has the lower endpoint."""
    wide = association(16, networks=(OWNER,), both=(RT,), imports=("64512:6",), bgpvpn=1, vni=7005)
    mine = association(18, networks=(THIRD,), both=(RT,), bgpvpn=1, vni=7005)
    narrow = association(17, networks=(GUEST,), both=("64512:6",), bgpvpn=2, vni=7006)
    fabric = Fabric(
        attachments=[
            attachment(16, wide, networks=(OWNER,)),
            attachment(17, narrow, networks=(GUEST,)),
            attachment(18, mine, networks=(THIRD,), subnets=("10.3.0.0/24",)),
        ],
    )
    fabric.ask(2, owner_vm)
    fabric.ask(3, third_vm)
    fabric.ask(1, guest_vm)
    (told,) = (p for p in status(fabric.worlds[2].node, 0.0).ports if p.address == ADDRESS)
    assert (told.mobility, told.contested) == (1, Contested.FIRST.value)


def test_a_title_ends_and_is_not_remembered_for_ever() -> None:
    key = InboundKey(700, path(f"{ADDRESS}/32", attributes(RT)).nlri.destination)
    claims, owner = Claims(), Claimant.of(OWNER)
    claims.judge(key, owner, circuit(16), Hearing(), knows=True, now=0.0)
    claims.drop(key, 10.0)
    (kept,) = claims.all(10.0 + HOUR_S - 1)
    assert Claims([kept], at=20.0, now=500.0).occupant(key, 500.0) == Occupant(owner, circuit(16))
    assert claims.all(10.0 + HOUR_S) == () and claims.occupant(key, 10.0 + HOUR_S) is None


def test_who_comes_behind_a_parted_reflector_takes_nothing_from_an_owner_of_old() -> None:
    """The guest's hypervisor has the lower endpoint, and its reflector knows nobody for a while."""
    fabric = cloud()
    fabric.ask(2, owner_vm)
    fabric.ask(3, third_vm)
    fabric.wait(HOUR_S + 1)
    keep, fabric.pass_on = fabric.pass_on, lambda: None  # type: ignore[method-assign]
    fabric.worlds[1].says(withdraw=fabric.worlds[2].reflectors[REFLECTOR].routes.values())
    fabric.ask(1, guest_vm)
    fabric.pass_on = keep  # type: ignore[method-assign]
    fabric.pass_on()
    fabric.ask(3, third_vm)
    assert fabric.leads(3, ADDRESS) == endpoint(2)
    (told,) = (p for p in status(fabric.worlds[2].node, 0.0).ports if p.address == ADDRESS)
    assert told.mobility == 1
