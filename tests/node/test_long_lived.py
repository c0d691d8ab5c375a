"""A reflector that stays away: its routes are kept, then least preferred, then gone; whatever comes first ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.capability import LongLived
from isthmus.bgp.family import EVPN
from isthmus.bgp.session import Session, SessionConfig
from isthmus.flows.layout import Table
from isthmus.model.reason import NotBest, Note
from isthmus.node import effects
from isthmus.node.order import END_OF_RIB_WAIT_MAX_S, END_OF_RIB_WAIT_S, LOST_TOO_S, RESTART_TIME_S, SETTLE_S
from isthmus.node.report import status
from isthmus.node.status import PeerStatus, RouteStatus
from isthmus.rib.adj_in import NO_LLGR
from isthmus.rib.decision import LLGR_STALE
from tests.build import association, attachment, attributes, circuit, path, port
from tests.world import ASN, REFLECTOR, SECOND, World

NET, RT = "neutron-a", "64512:1"
HERE = attachment(1, association(16, networks=(NET,), both=(RT,)), networks=(NET,))
LIFE = 1000
FAR, OTHER = "172.30.2.1", "172.30.2.2"


def world(*, both: bool = False, long_lived_s: int = LIFE) -> World:
    """Two routes of one reflector, which has said that this is all."""
    made = World(peers=(REFLECTOR, SECOND) if both else (REFLECTOR,), long_lived_s=long_lived_s)
    if both:
        made.cut(SECOND)
    made.switch_on()
    made.intent({circuit(1): HERE}, [port("p", NET, "10.1.0.5")])
    made.says(path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes(RT)))
    made.end_of_rib()
    return made


def with_community(number: int, attrs: PathAttributes) -> PathAttributes:
    return replace(attrs, communities=(*attrs.communities, number))


def where(made: World) -> dict[str, str]:
    """Destination -> tunnel endpoint, as the node says and the switch has it."""
    found = [r for r in status(made.node, made.now).routes if r.best and r.installed and r.peer]
    assert {r.prefix.removesuffix("/32") for r in found} == routes(made)
    return {r.prefix.removesuffix("/32"): r.next_hop for r in found}


def routes(made: World) -> set[str]:
    return {key.match.rsplit("=", 1)[1] for key in made.flows if key.table == Table.VIEW and key.match}


def told(made: World, prefix: str, next_hop: str = FAR) -> RouteStatus:
    (found,) = [r for r in status(made.node, made.now).routes if r.prefix == prefix and r.next_hop == next_hop]
    return found


def peer(made: World) -> PeerStatus:
    return next(p for p in status(made.node, made.now).peers if p.address == str(REFLECTOR))


def test_kept_then_least_preferred_then_gone() -> None:
    made = world()
    made.cut()
    made.wait(RESTART_TIME_S - 1)
    assert routes(made) == {"10.9.0.1", "10.9.0.2"} and told(made, "10.9.0.1/32").note == Note.STALE
    assert peer(made).kept == Note.STALE.value
    made.wait(2)
    assert routes(made) == {"10.9.0.1", "10.9.0.2"}
    one = told(made, "10.9.0.1/32")
    assert (one.note, one.stale_s, one.installed) == (Note.LONG_LIVED_STALE.value, RESTART_TIME_S + 1, True)
    assert (peer(made).kept, peer(made).kept_s) == (Note.LONG_LIVED_STALE.value, RESTART_TIME_S + 1)
    made.wait(LIFE - 2)
    assert routes(made) == {"10.9.0.1", "10.9.0.2"}
    made.wait(2)
    assert routes(made) == set() and peer(made).kept == "" and peer(made).received == 0


def test_attempts_that_fail_leave_nothing_behind() -> None:
    made = world()
    made.cut()
    deadlines = len(list(made.node.convergence.retention.deadlines()))
    made.wait(RESTART_TIME_S - 1)
    dials = [e for e in made.log if isinstance(e, effects.Dial)]
    assert len(dials) > 3, "or this test proves nothing"
    assert len(list(made.node.convergence.retention.deadlines())) == deadlines


def test_a_life_of_nothing_ends_with_the_time_of_rfc_4724() -> None:
    made = world(long_lived_s=0)
    made.cut()
    made.wait(RESTART_TIME_S - 1)
    assert routes(made) == {"10.9.0.1", "10.9.0.2"}
    made.wait(2)
    assert routes(made) == set()


def test_what_may_not_be_kept_so_long_goes_when_it_becomes_long_lived() -> None:
    made = world()
    made.says(path("10.9.0.3/32", with_community(NO_LLGR, attributes(RT))))
    made.cut()
    made.wait(RESTART_TIME_S - 1)
    assert routes(made) == {"10.9.0.1", "10.9.0.2", "10.9.0.3"}
    made.wait(2)
    assert routes(made) == {"10.9.0.1", "10.9.0.2"}


@pytest.mark.parametrize("away", [5, RESTART_TIME_S + 5], ids=["stale", "long-lived stale"])
def test_end_of_rib_ends_it_and_what_is_said_again_counts_in_full(away: float) -> None:
    made = world()
    made.cut()
    made.wait(away)
    made.restore()
    assert routes(made) == {"10.9.0.1", "10.9.0.2"}, "a session that comes up contradicts nothing yet"
    made.says(path("10.9.0.1/32", attributes(RT)))
    assert told(made, "10.9.0.1/32").note == "" and told(made, "10.9.0.2/32").note != ""
    made.end_of_rib()
    made.wait(SETTLE_S)
    assert routes(made) == {"10.9.0.1"} and peer(made).kept == ""
    made.wait(LIFE + RESTART_TIME_S)
    assert routes(made) == {"10.9.0.1"}, "no old timer takes away what is confirmed"


def test_who_never_offered_to_say_end_of_rib_is_believed_after_a_while() -> None:
    made = world()
    made.cut()
    made.wait(RESTART_TIME_S + 5)
    made.restore()
    made.without_graceful_restart()
    made.says(path("10.9.0.1/32", attributes(RT)))
    made.wait(END_OF_RIB_WAIT_S + SETTLE_S - 1)
    assert routes(made) == {"10.9.0.1", "10.9.0.2"}, "it has as long as any to hear of everybody"
    made.wait(2)
    assert routes(made) == {"10.9.0.1"}


@pytest.mark.parametrize("life", [0, LIFE])
def test_who_offered_to_say_end_of_rib_is_waited_for(life: int) -> None:
    """A GoBGP whose neighbour is switched off waits 360 s for it, and says nothing meanwhile."""
    made = world(long_lived_s=life)
    made.cut()
    made.wait(5)
    made.restore()
    made.wait(max(END_OF_RIB_WAIT_MAX_S, RESTART_TIME_S + life) - 1)
    assert routes(made) == {"10.9.0.1", "10.9.0.2"} and not peer(made).in_sync
    made.wait(1 + SETTLE_S)
    assert routes(made) == set() and peer(made).in_sync, "not for ever"


def test_reflectors_that_restart_together_and_are_slow_to_say_all_contradict_nothing() -> None:
    made = world(both=True)
    made.restore(SECOND)
    made.says(path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes(RT)), by=SECOND)
    made.end_of_rib(by=SECOND)
    for one in (REFLECTOR, SECOND):
        made.cut(one)
    for one in (REFLECTOR, SECOND):
        made.restore(one)
    made.wait(360)
    assert routes(made) == {"10.9.0.1", "10.9.0.2"}


def test_nothing_gets_older_while_the_session_is_up_and_says_its_routes_again() -> None:
    made = world()
    made.says(path("10.9.0.3/32", with_community(NO_LLGR, attributes(RT))))
    made.cut()
    made.wait(RESTART_TIME_S - 40)
    made.restore()
    lacking = 1000.0 + RESTART_TIME_S + 0.5 - made.now
    assert 0 < lacking < END_OF_RIB_WAIT_S, "or this test proves nothing"
    made.wait(lacking)
    assert "10.9.0.3" in routes(made) and told(made, "10.9.0.1/32").note == Note.STALE
    made.cut()
    assert "10.9.0.3" not in routes(made) and told(made, "10.9.0.1/32").note == Note.LONG_LIVED_STALE


def test_a_session_in_sync_contradicts_whosever_it_is() -> None:
    made = world(both=True)
    made.restore(SECOND)
    made.says(path("10.9.0.1/32", attributes(RT)), by=SECOND)
    made.end_of_rib(by=SECOND)
    made.cut()
    made.wait(LOST_TOO_S)
    assert routes(made) == {"10.9.0.1"}
    made.wait(RESTART_TIME_S + LIFE + 1)
    assert routes(made) == {"10.9.0.1"} and told(made, "10.9.0.1/32").note == ""


def test_anything_that_is_confirmed_beats_what_is_long_lived_stale() -> None:
    """Here by one reflector that is away and one that has not yet said all."""
    made = world(both=True)
    made.says(path("10.9.0.1/32", attributes(RT, local_pref=200, mobility=9)))
    made.cut()
    made.wait(RESTART_TIME_S - 40)
    made.restore(SECOND)
    worse = path("10.9.0.1/32", attributes(RT, next_hop=OTHER, local_pref=50), rd="172.30.2.2:16")
    made.says(worse, by=SECOND)
    assert where(made)["10.9.0.1"] == FAR, "stale is as good as confirmed"
    made.cut(SECOND)
    made.wait(45)
    made.restore(SECOND)
    made.says(worse, by=SECOND)
    assert where(made) == {"10.9.0.1": OTHER, "10.9.0.2": FAR}
    assert told(made, "10.9.0.1/32").why == NotBest.LONG_LIVED_STALE
    made.says(path("10.9.0.3/32", attributes(RT)), by=SECOND)
    made.end_of_rib(by=SECOND)
    assert where(made)["10.9.0.2"] == FAR, "it may not have heard of everybody"
    made.wait(SETTLE_S)
    assert where(made) == {"10.9.0.1": OTHER, "10.9.0.3": FAR}


@pytest.mark.parametrize("late", [False, True])
def test_a_route_that_comes_long_lived_stale_is_least_preferred_in_whatever_order_they_come(late: bool) -> None:
    made = world()
    kept = path("10.9.0.7/32", with_community(LLGR_STALE, attributes(RT, local_pref=900, mobility=9)))
    live = path("10.9.0.7/32", attributes(RT, next_hop=OTHER, local_pref=1), rd="172.30.2.2:16")
    made.says(kept)
    assert where(made)["10.9.0.7"] == FAR and told(made, "10.9.0.7/32").note == Note.LLGR_STALE
    made.says(live)
    if late:
        made.says(kept)
    assert where(made)["10.9.0.7"] == OTHER
    assert told(made, "10.9.0.7/32").why == NotBest.LONG_LIVED_STALE
    made.says(withdraw=[live.nlri])
    assert where(made)["10.9.0.7"] == FAR
    made.says(path("10.9.0.7/32", attributes(RT, local_pref=900, mobility=9)), live)
    assert where(made)["10.9.0.7"] == FAR and told(made, "10.9.0.7/32").why == ""


def test_among_long_lived_stale_routes_all_else_decides_as_ever() -> None:
    made = world()
    made.says(
        path("10.9.0.1/32", attributes(RT, local_pref=100)),
        path("10.9.0.1/32", attributes(RT, next_hop=OTHER, local_pref=200), rd="172.30.2.2:16"),
    )
    assert where(made)["10.9.0.1"] == OTHER
    made.cut()
    made.wait(RESTART_TIME_S + 5)
    assert where(made)["10.9.0.1"] == OTHER
    assert told(made, "10.9.0.1/32").why == NotBest.LOCAL_PREF


def test_what_we_announce_is_never_marked_and_says_how_long_it_may_be_kept() -> None:
    made = world()
    made.cut()
    made.wait(RESTART_TIME_S + 5)
    made.restore()
    made.wait(1)
    far = made.reflectors[REFLECTOR]
    ours = [update.attributes for update in far.history if update.attributes is not None]
    assert ours and not any({LLGR_STALE, NO_LLGR} & set(a.communities) for a in ours)
    assert far.session.agreed is not None
    said = [c.long_lived for c in far.session.agreed.peer_capabilities if c.long_lived]
    assert said == [{EVPN: LongLived(LIFE, preserved=True)}]


def test_a_flow_stands_as_it_is_while_its_route_gets_older() -> None:
    made = world()
    before = dict(made.flows)
    made.cut()
    made.wait(RESTART_TIME_S + LIFE - 1)
    assert made.flows == before


def test_every_end_of_a_session_is_counted_from_itself() -> None:
    made = world()
    made.cut()
    made.wait(60)
    made.restore()
    made.says(path("10.9.0.2/32", attributes(RT)))
    made.cut()
    second = made.now
    made.wait(1000.0 + RESTART_TIME_S + 5 - made.now)
    notes = {r.prefix: r.note for r in status(made.node, made.now).routes if r.peer}
    assert notes == {"10.9.0.1/32": Note.LONG_LIVED_STALE.value, "10.9.0.2/32": Note.STALE.value}
    made.wait(second + RESTART_TIME_S + 1 - made.now)
    assert told(made, "10.9.0.2/32").note == Note.LONG_LIVED_STALE


def test_what_the_peer_asks_for_its_own_routes_is_shown_and_changes_nothing() -> None:
    made = World(long_lived_s=LIFE)
    asking = SessionConfig(ASN, ASN, REFLECTOR, (EVPN,), hold_time_s=30, restart_time_s=1, long_lived_s=77)
    made.reflectors[REFLECTOR].session = Session(asking)
    made.switch_on()
    made.intent({circuit(1): HERE}, [port("p", NET, "10.1.0.5")])
    made.says(path("10.9.0.1/32", attributes(RT)))
    made.end_of_rib()
    assert peer(made).asks_long_lived_s == 77
    made.cut()
    made.wait(RESTART_TIME_S + LIFE - 1)
    assert routes(made) == {"10.9.0.1"}
