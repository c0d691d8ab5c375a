"""One table of what peers say: what a change touches, and what happens when a session ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.net import Prefix
from isthmus.model.vpn import RouteTarget
from isthmus.rib.adj_in import AdjRibIn, Touched
from isthmus.rib.path import Path, PathKey
from tests.build import attributes, ip, net, path, rts


def key(p: Path) -> tuple[Prefix, PathKey]:
    return p.nlri.destination, PathKey.of(p.peer, p.nlri)


def touched(prefix: str, *targets: str) -> Touched:
    return {frozenset(rts(*targets)): {net(prefix)}}


def test_the_same_route_again_touches_nothing_and_keeps_its_age() -> None:
    rib = AdjRibIn()
    assert rib.apply([path("10.0.0.1/32", attributes("1:1"), since=1.0)], []) == touched("10.0.0.1/32", "1:1")
    assert rib.apply([path("10.0.0.1/32", attributes("1:1"), since=9.0)], []) == {}
    assert [p.since for p in rib.paths(net("10.0.0.1/32"))] == [1.0]


def test_changed_targets_touch_the_old_ones_too() -> None:
    rib = AdjRibIn()
    rib.apply([path("10.0.0.1/32", attributes("1:1"))], [])
    both = touched("10.0.0.1/32", "1:1") | touched("10.0.0.1/32", "1:2")
    assert rib.apply([path("10.0.0.1/32", attributes("1:2"))], []) == both
    assert rib.destinations(rts("1:1")) == set()
    assert rib.destinations(rts("1:2")) == {net("10.0.0.1/32")}


def test_a_stale_path_is_used_until_it_is_swept_or_said_again() -> None:
    rib = AdjRibIn()
    kept, gone = path("10.0.0.1/32", attributes("1:1")), path("10.0.0.2/32", attributes("1:1"))
    rib.apply([kept, gone], [])
    rib.mark_stale(kept.channel, 5.0)
    assert rib.destinations(rts("1:1")) == {net("10.0.0.1/32"), net("10.0.0.2/32")}
    assert rib.apply([kept], []) == {}, "said again, unchanged: nothing to recompute"
    assert rib.sweep(lambda p: p.peer == kept.peer) == touched("10.0.0.2/32", "1:1")
    assert rib.destinations(rts("1:1")) == {net("10.0.0.1/32")}
    assert rib.count(kept.peer) == 1


def test_one_peer_going_stale_leaves_the_others_alone() -> None:
    rib = AdjRibIn()
    one = path("10.0.0.1/32", attributes("1:1"), peer="172.30.1.250")
    two = path("10.0.0.1/32", attributes("1:1"), peer="172.30.1.251")
    rib.apply([one, two], [])
    rib.mark_stale(one.channel, 5.0)
    rib.sweep(lambda _: True)
    assert [p.peer for p in rib] == [ip("172.30.1.251")]


steps = st.lists(
    st.tuples(
        st.sampled_from(["announce", "withdraw", "stale", "age", "expire", "hold", "release", "sweep"]),
        st.integers(0, 3),
        st.sampled_from(["172.30.1.250", "172.30.1.251"]),
        st.sampled_from([("1:1",), ("1:2",), ("1:1", "1:2")]),
    ),
    max_size=30,
)


@given(steps)
def test_the_index_by_target_never_differs_from_the_table(history: list[tuple[str, int, str, tuple[str, ...]]]) -> None:
    rib = AdjRibIn()
    for what, number, peer, targets in history:
        route = path(f"10.0.0.{number}/32", attributes(*targets), peer=peer)
        match what:
            case "announce":
                rib.apply([route], [])
            case "withdraw":
                rib.apply([], [key(route)])
            case "stale":
                rib.mark_stale(route.channel, 5.0)
            case "age":
                rib.make_long_lived(route.channel, 5.0)
            case "expire":
                rib.expire(route.channel, 5.0)
            case "hold":
                rib.hold([p for p in rib.paths(route.nlri.destination) if p.key == route.key], 6.0)
            case "release":
                rib.release(lambda path, peer=peer: path.peer == ip(peer))
            case _:
                rib.sweep(lambda path, peer=peer: path.peer == ip(peer))
        for target in rts("1:1", "1:2"):
            assert rib.destinations([target]) == by_scan(rib, target)
        for address in ("172.30.1.250", "172.30.1.251"):
            assert rib.count(ip(address)) == sum(1 for p in rib if p.peer == ip(address))


def by_scan(rib: AdjRibIn, target: RouteTarget) -> set[Prefix]:
    return {p.nlri.prefix for p in rib if target in p.attributes.route_targets}
