"""A peer, or one VPN of it, that says too much: the surplus is refused, by the maximum it reached, and nothing else."""

from __future__ import annotations

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.iana import MessageType
from isthmus.model.reason import LimitState, NotAccepted
from isthmus.node.config import Limits
from isthmus.node.report import status
from isthmus.rib.path import Path
from tests.build import association, attachment, attributes, circuit, net, nlri, path, port
from tests.world import REFLECTOR, World

A = "neutron-a"
RT, OTHER = "64512:1", "64512:2"


def world(**limits: int) -> World:
    made = World(limits=Limits(**limits))
    made.switch_on()
    red = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))
    made.intent({circuit(1): red}, [port("p", A, "10.1.0.5")])
    return made


def taken(made: World) -> set[str]:
    return {str(one.nlri.prefix) for one in made.node.rib}


def not_taken(made: World) -> dict[str, int]:
    return status(made.node, made.now).peers[0].not_taken


def limit(made: World, name: str, of: str = str(REFLECTOR)) -> tuple[str, int, int]:
    (one,) = [x for x in status(made.node, made.now).limits if (x.limit, x.of) == (name, of)]
    return one.state, one.taken, one.refused


def asked(made: World) -> int:
    """How often the peer was asked to say everything again."""
    return made.node.peers[REFLECTOR].session.counters.sent[MessageType.ROUTE_REFRESH]


def numbered(count: int, target: str = RT, net: int = 9, **more: str) -> list[Path]:
    return [path(f"10.{net}.0.{n}/32", attributes(target, **more)) for n in range(1, count + 1)]  # type: ignore[arg-type]


def test_one_vpn_that_floods_takes_no_room_from_the_others() -> None:
    made = world(routes_per_target=5, routes_per_peer=20)
    made.says(*numbered(15))
    made.says(*numbered(5, OTHER, 8))
    assert len(taken(made)) == 10 and {f"10.8.0.{n}/32" for n in range(1, 6)} <= taken(made)
    assert not_taken(made) == {NotAccepted.TARGET_FULL.value: 10}
    assert limit(made, "routes_per_target", f"{REFLECTOR} {RT}") == (LimitState.FULL.name, 5, 10)
    assert limit(made, "routes_per_target", f"{REFLECTOR} {OTHER}") == (LimitState.NEAR.name, 5, 0)
    assert limit(made, "routes_per_peer") == (LimitState.ROOM.name, 10, 0)
    shown = {r.prefix: r.why for r in status(made.node, made.now).routes}
    assert shown["10.9.0.6/32"] == NotAccepted.TARGET_FULL.value


def heavy(size: int) -> PathAttributes:
    """With communities of its own, as nobody needs."""
    return attributes(RT, plain=tuple(range(size)))


def test_octets_are_counted_and_not_only_routes() -> None:
    """500,000 routes of 4 KB each are 2 GB on every hypervisor."""
    made = world(octets_per_target=10_000)
    made.says(*(path(f"10.9.0.{n}/32", heavy(900)) for n in (1, 2, 3, 4)))
    assert len(taken(made)) == 2 and not_taken(made) == {NotAccepted.TARGET_OCTETS.value: 2}
    assert asked(made) == 0, "what would not go in is not asked for"
    made.says(path("10.9.0.9/32", attributes(RT)))
    assert "10.9.0.9/32" in taken(made), "an ordinary one has room still"
    made = world(octets_per_peer=10_000)
    made.says(*(path(f"10.9.0.{n}/32", heavy(900)) for n in (1, 2, 3, 4)))
    assert not_taken(made) == {NotAccepted.PEER_OCTETS.value: 2}
    assert limit(made, "octets_per_peer")[0] == LimitState.FULL.name


def test_targets_are_counted_for_each_takes_more_here_than_on_the_wire() -> None:
    """Half a megabyte of UPDATEs with new targets only would be fifty on every hypervisor."""
    made = world(octets_per_peer=1_000_000)
    for n in range(100):
        made.says(path(f"10.9.0.{n}/32", attributes(*(f"64512:{100 + n * 400 + i}" for i in range(400)))))
    kept = len(list(made.node.rib))
    assert 0 < kept < 10 and not_taken(made) == {NotAccepted.PEER_OCTETS.value: 100 - kept}
    made.says(path("10.9.0.1/32", attributes(RT)))
    assert "10.9.0.1/32" in taken(made), "what it had before has made room"


def test_a_route_cannot_grow_beyond_what_a_new_one_may_be() -> None:
    made = world(octets_per_peer=3_000)
    made.says(path("10.9.0.1/32", attributes(RT)))
    made.says(path("10.9.0.1/32", heavy(900)))
    assert taken(made) == set(), "it is not said any more as it was, and what is said is too much"
    assert not_taken(made) == {NotAccepted.PEER_OCTETS.value: 1}
    made.says(path("10.9.0.1/32", attributes(RT)))
    assert taken(made) == {"10.9.0.1/32"} and not_taken(made) == {}


def test_next_hops_are_counted_for_each_costs_flows_and_probes_everywhere() -> None:
    made = world(next_hops_per_target=3)
    made.says(*(path(f"10.9.0.{n}/32", attributes(RT, next_hop=f"172.30.2.{n}")) for n in range(1, 9)))
    assert len(made.probed) == 3 and not_taken(made) == {NotAccepted.TARGET_NEXT_HOPS.value: 5}
    made.says(path("10.9.0.99/32", attributes(RT, next_hop="172.30.2.1")))
    assert "10.9.0.99/32" in taken(made), "it leads where others lead"
    made.says(path("10.9.0.1/32", attributes(RT, next_hop="172.30.2.77")))
    assert "10.9.0.1/32" not in taken(made), "another still leads to the old one"
    made.says(path("10.9.0.2/32", attributes(RT, next_hop="172.30.2.77")))
    assert "10.9.0.2/32" in taken(made), "one for one"


def rds(count: int, target: str = RT, prefix: str = "10.9.0.1/32") -> list[Path]:
    return [path(prefix, attributes(target), rd=f"172.30.2.{n}:16") for n in range(1, count + 1)]


def test_routes_of_one_prefix_are_counted_for_all_are_looked_at_when_one_changes() -> None:
    made = world(paths_per_target=20)
    made.says(*rds(50))
    made.says(*rds(50, prefix="10.9.0.2/32"))
    assert [len(made.node.rib.paths(net(f"10.9.0.{n}/32"))) for n in (1, 2)] == [20, 20]
    assert not_taken(made) == {NotAccepted.TARGET_PATHS.value: 60}
    assert limit(made, "paths_per_target") == (LimitState.FULL.name, 20, 60)
    made.says(path("10.9.0.1/32", attributes(OTHER), rd="172.30.2.99:16"))
    assert len(made.node.rib.paths(net("10.9.0.1/32"))) == 21, "another VPN has its own room"
    made.says(path("10.9.0.1/32", attributes(RT, med=7), rd="172.30.2.1:16"))
    assert len(made.node.rib.paths(net("10.9.0.1/32"))) == 21, "what it has may change"


def test_all_vpns_together_have_a_maximum_of_one_prefix_too() -> None:
    made = world(paths_per_target=20, paths_per_prefix=30)
    made.says(*rds(20), *(path("10.9.0.1/32", attributes(OTHER), rd=f"172.30.3.{n}:16") for n in range(1, 21)))
    assert len(made.node.rib.paths(net("10.9.0.1/32"))) == 30
    assert not_taken(made) == {NotAccepted.PEER_PATHS.value: 10}


def test_what_was_refused_is_asked_for_when_its_own_maximum_has_room_again() -> None:
    made = world(routes_per_target=5)
    made.says(*numbered(7))
    made.reflectors[REFLECTOR].answers = numbered(7)[2:]
    made.says(withdraw=[nlri("10.9.0.1/32")])
    assert ("10.9.0.6/32" in taken(made) and "10.9.0.7/32" in taken(made) - {"10.9.0.1/32"}) or len(taken(made)) == 5
    made.says(withdraw=[nlri("10.9.0.2/32")])
    assert taken(made) == {f"10.9.0.{n}/32" for n in range(3, 8)} and not_taken(made) == {}


def test_a_crowd_that_goes_is_asked_for_again() -> None:
    made = world(paths_per_target=20)
    made.says(*rds(25))
    made.reflectors[REFLECTOR].answers = rds(25)[10:]
    made.says(withdraw=[one.nlri for one in rds(10)])
    assert len(made.node.rib.paths(net("10.9.0.1/32"))) == 15 and not_taken(made) == {}
