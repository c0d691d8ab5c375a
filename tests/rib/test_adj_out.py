"""What a peer was told: differences, and everything again when it asks."""

from __future__ import annotations

from isthmus.rib.adj_out import AdjRibOut, Announcement, RouteKey
from tests.build import attributes, nlri


def routes(*prefixes: str) -> dict[RouteKey, Announcement]:
    found = [Announcement(nlri(p), attributes("64512:1")) for p in prefixes]
    return {a.nlri.key(): a for a in found}


def test_a_route_that_is_about_to_go_says_so_and_is_otherwise_the_same() -> None:
    one = Announcement(nlri("10.1.0.5/32"), attributes("64512:1", local_pref=300))
    leaving = one.leaving()
    assert (leaving.attributes.local_pref, leaving.attributes.communities) == (0, (0xFFFF0000,))
    assert (leaving.nlri, leaving.attributes.route_targets) == (one.nlri, one.attributes.route_targets)


def test_only_the_difference_is_told() -> None:
    told = AdjRibOut()
    assert told.plan(routes("10.1.0.5/32", "10.1.0.6/32")).put == routes("10.1.0.5/32", "10.1.0.6/32")
    assert told.told == {}, "to plan is not to say"
    told.done(routes("10.1.0.5/32", "10.1.0.6/32"))
    plan = told.plan(routes("10.1.0.6/32", "10.1.0.7/32"))
    assert plan.put == routes("10.1.0.7/32")
    assert plan.delete == routes("10.1.0.5/32")
    told.done(routes("10.1.0.6/32", "10.1.0.7/32"))
    assert not told.plan(routes("10.1.0.6/32", "10.1.0.7/32"))


def test_a_peer_that_asks_again_is_told_all_and_also_what_goes_in_the_same_moment() -> None:
    told = AdjRibOut()
    told.done(routes("10.1.0.5/32", "10.1.0.6/32"))
    told.forget()
    plan = told.plan(routes("10.1.0.6/32"))
    assert plan.put == routes("10.1.0.6/32")
    assert plan.delete == routes("10.1.0.5/32"), "a refresh withdraws nothing: it must be said"
    told.done(routes("10.1.0.6/32"))
    assert not told.plan(routes("10.1.0.6/32"))
