"""The log says what changed, and why; never what lasts."""

from __future__ import annotations

import pytest

from isthmus.cli import render
from isthmus.model.reason import AttachmentState, LimitState, Note
from isthmus.node.status import NodeStatus
from isthmus.shell.transitions import lines
from tests.shell import story


def said(before: NodeStatus | None, after: NodeStatus) -> list[str]:
    return list(lines(before, after))


def test_a_state_that_lasts_is_not_repeated() -> None:
    assert said(story.node(), story.node(generation=18)) == []
    assert said(story.troubled(), story.troubled()) == []


def test_a_start_names_what_is_there() -> None:
    assert said(None, story.node()) == [
        "peer 192.0.2.1: session up, l2vpn-evpn",
        "peer 192.0.2.1: in sync, 2 routes",
        "peer 192.0.2.2: session up, l2vpn-evpn",
        "peer 192.0.2.2: in sync, 2 routes",
        f"attachment {story.ROUTER}: new -> ACTIVE",
        "switch: what earlier runs left and nobody wants is swept",
    ]


def test_a_session_goes_down_with_its_reason_and_comes_back() -> None:
    down = story.node(peers=[story.peer(), story.peer("192.0.2.2", state="Idle", in_sync=False, reason="gone")])
    assert said(story.node(), down) == ["peer 192.0.2.2: session down: gone"]
    assert said(down, story.node()) == [
        "peer 192.0.2.2: session up, l2vpn-evpn",
        "peer 192.0.2.2: in sync, 2 routes",
    ]


def test_another_reason_for_having_no_session_is_news() -> None:
    def idle(reason: str) -> NodeStatus:
        return story.node(peers=[story.peer(state="Idle", in_sync=False, reason=reason)])

    assert said(idle("refused"), idle("no answer")) == ["peer 192.0.2.1: no session: no answer"]
    assert said(idle("refused"), idle("refused")) == []


def test_attachments_change_state() -> None:
    bad = story.attachment(state=AttachmentState.BAD_ROW.name, reason="isthmus:site: missing")
    assert said(story.node(), story.node(attachments=[bad])) == [
        f"attachment {story.ROUTER}: ACTIVE -> BAD_ROW: isthmus:site: missing",
    ]
    assert said(story.node(), story.node(attachments=[])) == [
        f"attachment {story.ROUTER}: ACTIVE -> gone: nothing of it is here any more"
    ]


def test_attachments_that_have_nothing_here_are_no_news() -> None:
    many = [story.attachment(f"ac-{n}", attachment=f"router:{n}", state="NO_WORKLOAD") for n in range(1000)]
    assert said(story.node(attachments=[]), story.node(attachments=many)) == []
    assert said(story.node(attachments=many), story.node(attachments=[])) == []


def test_a_limit_is_told_when_it_comes_near_when_it_is_reached_and_when_there_is_room_again() -> None:
    def view(taken: int, refused: int = 0) -> NodeStatus:
        return story.node(limits=[story.limit("routes_per_view", "0x1f", taken, 100, refused)])

    assert said(view(79), view(79)) == said(None, view(79))[6:] == []
    assert said(view(79), view(80)) == [f"limit routes_per_view of 0x1f: 80 of 100: {LimitState.NEAR.value}"]
    assert said(view(80), view(100)) == []
    assert said(view(100), view(100, 1)) == [
        f"limit routes_per_view of 0x1f: 100 of 100, 1 refused: {LimitState.FULL.value}"
    ]
    assert said(view(100, 1), view(100, 700)) == [], "a surplus that grows is no news"
    assert said(view(100, 1), view(79)) == [f"limit routes_per_view of 0x1f: 79 of 100: {LimitState.ROOM.value}"]
    assert said(view(80), story.node()) == [], "a view that is gone has no limit"


def test_routes_that_are_kept_for_long_and_then_not_any_longer_are_news() -> None:
    def away(kept: str, received: int = 5) -> NodeStatus:
        gone = story.peer(state="Idle", in_sync=False, reason="gone", kept=kept, received=received)
        return story.node(peers=[gone])

    long_lived = Note.LONG_LIVED_STALE.value
    assert said(away(Note.STALE.value), away(long_lived)) == [f"peer 192.0.2.1: 5 routes {long_lived}"]
    assert said(away(long_lived), away(long_lived)) == []
    assert said(away(long_lived), away("", 0)) == ["peer 192.0.2.1: 5 routes are not kept any longer"]
    assert said(away(long_lived), story.node(peers=[story.peer()]))[-1] == "peer 192.0.2.1: in sync, 2 routes"


def test_where_nobody_answers_is_a_line_and_so_is_a_reflector_in_the_way() -> None:
    blind = story.node(switch=story.switch(endpoints_blind=["192.0.2.10"]))
    assert said(story.node(), blind) == ["tunnels: sent to though nobody answers for it: 192.0.2.10"]
    assert said(blind, story.node()) == [
        "tunnels: somebody answers, or nothing leads there any more: 192.0.2.10",
    ]
    astray = story.node(peers=[story.peer(next_hops_changed_to=["192.0.2.1"])])
    assert said(story.node(peers=[story.peer()]), astray) == [
        "peer 192.0.2.1: 192.0.2.1 stands in the place of hypervisors' own next hops"
    ]


def test_a_session_says_what_it_was_to_carry_and_does_not() -> None:
    down = story.node(peers=[story.peer(state="Idle", reason="no connection")])
    up = story.node(peers=[story.peer(families_lacking=["ipv4 vpn", "ipv6 vpn"])])
    line, *_ = said(down, up)
    assert line == "peer 192.0.2.1: session up, l2vpn-evpn; it has not offered ipv4 vpn, ipv6 vpn"
    assert "has not offered ipv4 vpn, ipv6 vpn, so routes" in render.peers(up.peers)


def test_a_family_that_a_reflector_keeps_back_is_a_line() -> None:
    back = story.node(peers=[story.peer(families_kept_back=["ipv6 vpn"])])
    assert said(story.node(peers=[story.peer()]), back) == [
        "peer 192.0.2.1: it shows hypervisors and none of them in ipv6 vpn"
    ]
    assert said(back, back) == [] == said(back, story.node(peers=[story.peer()]))


@pytest.mark.parametrize(("mode", "because"), [("on", "most fell silent together"), ("warn", "to warn only")])
def test_a_doubt_is_one_line_and_so_is_its_end(mode: str, because: str) -> None:
    doubted = story.node(switch=story.switch(endpoints_doubted=["192.0.2.10"], liveness=mode))
    (one,) = said(story.node(), doubted)
    assert one.startswith("tunnels: silent but used as ever") and because in one
    assert said(doubted, doubted) == []
    assert said(doubted, story.node()) == ["tunnels: nobody who is silent is used any more"]


def test_who_is_not_heard_any_more_is_one_line_and_so_is_their_return() -> None:
    many = [f"192.0.2.{n}" for n in range(10, 17)]
    away = story.node(switch=story.switch(endpoints_unheard=many))
    (one,) = said(story.node(), away)
    assert one.startswith("tunnels: not heard by BGP, but answering") and one.endswith("192.0.2.14 and 2 more")
    part = story.node(switch=story.switch(endpoints_unheard=many[1:]))
    assert said(away, part) == ["tunnels: heard again, or held no longer: 192.0.2.10"]
