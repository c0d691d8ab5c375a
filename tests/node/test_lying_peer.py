"""A cloud, or its PE, that lies about whose an address is: it repeats what others say of themselves, claims what they
claim, uses this cloud's name, and never comes to an end."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.flows.layout import Table
from isthmus.model.reason import NotImported
from isthmus.model.vpn import Claimant
from isthmus.node.order import SWEEP_WAIT_S
from isthmus.node.report import status
from isthmus.vpn.trust import TargetRange, Trust
from tests.build import SITE, association, attachment, attributes, circuit, ip, net, path, port
from tests.world import REFLECTOR, World

HERE, THERE = "neutron-here", "neutron-there"
TARGET = "64512:1"
OURS, THEIRS = "10.1.0.5", "10.9.0.1"
PE = ip("172.30.0.9")
"""Another cloud's, below every endpoint of ours."""
LIAR: dict[str, Any] = {"next_hop": "172.30.0.9", "as_path": (64514,), "originator": "172.30.0.9"}


def world(*, with_pe: bool = False) -> World:
    """A machine of ours, and (by our reflector) one of another cloud, in one VPN; perhaps a session with a PE."""
    peers = (REFLECTOR, PE) if with_pe else (REFLECTOR,)
    trusts = {PE: Trust(accept_targets=(TargetRange.parse(TARGET),), tunnel_endpoints=(net("172.30.0.9/32"),))}
    made = World(peers=peers, trusts=trusts, asns={PE: 64514}, host=3)
    made.switch_on()
    made.intent({circuit(1): attachment(1, association(16, networks=(HERE,), both=(TARGET,)), networks=(HERE,))})
    made.says(path(f"{THEIRS}/32", attributes(TARGET, claimant=THERE, mobility=1)))
    made.end_of_rib()
    if with_pe:
        made.end_of_rib(PE)
    boot(made)
    return made


def boot(made: World, *addresses: str) -> None:
    assert made.node.asked.fact is not None
    ports = [port(f"p{n}", HERE, address) for n, address in enumerate((OURS, *addresses))]
    made.intent(dict(made.node.asked.fact.circuits), ports)


def leads_to(made: World, address: str) -> str:
    (flow,) = [f for k, f in made.flows.items() if k.table == Table.VIEW and k.match.endswith(f"nw_dst={address}")]
    return flow.actions


def sequence(made: World, address: str) -> int:
    return next(one.mobility for one in status(made.node, made.now).ports if one.address == address)


@pytest.mark.parametrize("moved", [1, 2, 2**32 - 1])
@pytest.mark.parametrize("with_pe", [False, True])
def test_who_repeats_what_another_cloud_says_of_itself_draws_nothing(moved: int, with_pe: bool) -> None:
    """Everybody in the VPN hears a claimant, a Site of Origin and a VNI, so everybody can say them."""
    made = world(with_pe=with_pe)
    before = leads_to(made, THEIRS)
    as_theirs = attributes(TARGET, claimant=THERE, mobility=moved, **LIAR)
    made.says(path(f"{THEIRS}/32", as_theirs, rd="172.30.0.9:1"), by=PE if with_pe else REFLECTOR)
    assert "172.30.2.1->tun_dst" in before and leads_to(made, THEIRS) == before
    (told,) = [r for r in status(made.node, made.now).routes if r.next_hop == LIAR["next_hop"]]
    assert not told.best and told.why and told.note, "it is shown as what it is"


def test_nor_does_he_make_an_address_of_ours_older_than_it_is() -> None:
    made = world()
    repeated = attributes(TARGET, claimant=HERE, mobility=2**32 - 1, **LIAR)
    made.says(path("10.1.0.6/32", repeated, rd="172.30.0.9:1"))
    boot(made, "10.1.0.6")
    assert sequence(made, "10.1.0.6") == 0, "another cloud's was there before, whatever it calls itself"
    assert sequence(made, OURS) == 1


def test_what_another_cloud_claims_makes_nobody_here_step_down() -> None:
    """However young ours is, and however low the other's endpoint."""
    made = world()
    made.says(path(f"{OURS}/32", attributes(TARGET, claimant="neutron-north", mobility=1, **LIAR), rd="172.30.0.9:1"))
    assert sequence(made, OURS) == 1
    (told,) = [one for one in status(made.node, made.now).ports if one.address == OURS]
    assert told.contested, "and it is said"


def test_a_pe_of_another_cloud_cannot_use_this_clouds_name() -> None:
    made = world(with_pe=True)
    lie = attributes(TARGET, claimant=HERE, mobility=9, site=SITE, next_hop="172.30.0.9", as_path=(), local_pref=None)
    made.says(path("10.9.0.2/32", lie, rd="172.30.0.9:1"), by=PE)
    (told,) = [r for r in status(made.node, made.now).routes if r.prefix == "10.9.0.2/32"]
    assert told.why == NotImported.SITE_LOOP.value


def test_a_pe_that_never_comes_to_an_end_keeps_nobody_from_being_first() -> None:
    made = world(with_pe=True)
    made.cut(PE)
    made.restore(PE)
    boot(made, "10.1.0.6")
    assert sequence(made, "10.1.0.6") == 1


def test_a_pe_alone_does_not_say_that_what_a_crashed_run_had_learnt_is_gone() -> None:
    """It knows its own routes and nobody else's, so its End-of-RIB says nothing of the others'."""
    made = world(with_pe=True)
    before = leads_to(made, THEIRS)
    assert made.node.asked.fact is not None
    intent = made.node.asked.fact
    fresh = made.crashed()
    fresh.reachable.discard(REFLECTOR)
    fresh.switch_on()
    fresh.tell(intent)
    fresh.end_of_rib(PE)
    fresh.wait(2 * SWEEP_WAIT_S)
    assert leads_to(fresh, THEIRS) == before


def test_a_claimant_counts_among_one_clouds_words_alone() -> None:
    one = Claimant.of(HERE)
    assert one.said_by(0) == one
    assert len({one, one.said_by(64513), one.said_by(64514)}) == 3
