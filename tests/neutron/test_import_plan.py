"""What of networking-bgpvpn's can be imported, as plain values: each reason to leave something out, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from isthmus.model.intent import AssociationKind
from isthmus.neutron.commands.upstream.contents import Association, Bgpvpn, Contents
from isthmus.neutron.commands.upstream.plan import Plan, Surroundings, plan, without_shared_vnis
from isthmus.neutron.words.values import Route, Standard

pytestmark = pytest.mark.neutron

STANDARD = Standard("", 3, datetime(2024, 1, 1, tzinfo=UTC), None)
ONE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
EMPTY = Contents({}, {})


def bgpvpn(id: str = ONE, **changes: Any) -> Bgpvpn:
    lists = {"route_targets": ("64512:1",), "import_targets": (), "export_targets": (), "route_distinguishers": ()}
    lists |= changes.pop("lists", {})
    made = Bgpvpn(id, "p", "blue", "l3", lists, None, None, STANDARD)
    return replace(made, **changes)


def bound(kind: str, target: str, bgpvpn: str = ONE, **changes: Any) -> Association:
    made = Association(f"{kind}-{target}-{bgpvpn[0]}", AssociationKind(kind), "p", bgpvpn, target, STANDARD)
    return replace(made, **changes)


def side(bgpvpns: list[Bgpvpn], associations: list[Association] | None = None) -> Contents:
    return Contents({b.id: b for b in bgpvpns}, {a.id: a for a in associations or []})


def made(bgpvpns: list[Bgpvpn], *associations: Association, ours: Contents = EMPTY, **around: Any) -> Plan:
    return plan(side(bgpvpns, list(associations)), ours, Surroundings(**around))


def test_everything_that_the_api_would_take_is_taken() -> None:
    leak = [Route("10.0.0.0/8", None, 5), Route(None, OTHER, None)]
    found = made(
        [bgpvpn(vni=7), bgpvpn(OTHER, type="l3")],
        bound("router", "r"),
        bound("network", "n"),
        bound("port", "p", routes=tuple(leak)),
        behind={"r": frozenset({"m"})},
        networks={"p": "n"},
    )
    assert found.is_clean
    assert [b.id for b in found.bgpvpns] == [ONE, OTHER]
    assert [a.kind for a in found.associations] == ["router", "network", "port"], "routers come first"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lists": {"route_targets": ("64512",)}}, "route_targets: "),
        ({"lists": {"import_targets": ("64512:1", "645:99999999999")}}, "import_targets: "),
        ({"lists": {"route_distinguishers": ("1:2:3:4",)}}, "route_distinguishers: "),
        ({"vni": 0}, "vni: 0 is not within 1 to 16777215"),
        ({"local_pref": -1}, "local_pref: -1 is not within"),
        ({"project_id": None}, "it belongs to no project"),
    ],
)
def test_a_bgpvpn_that_the_api_would_refuse_stays_behind_with_its_associations(
    changes: dict[str, Any], words: str
) -> None:
    found = made([bgpvpn(**changes)], bound("network", "n"))
    assert (found.bgpvpns, found.associations) == ((), ())
    assert found.refused[0].startswith(f"BGPVPN {ONE} (blue): {words}")
    assert found.refused[1].endswith("its BGPVPN is not imported")


def test_bgpvpns_of_one_route_distinguisher_stay_behind_and_name_each_other() -> None:
    having = {"lists": {"route_distinguishers": ("64512:9", "64512:10")}}
    one, other = bgpvpn(**having), bgpvpn(OTHER, lists={"route_distinguishers": ("64512:9",)})
    found = made([one, other, bgpvpn("3" * 8 + ONE[8:])])
    assert [b.id[0] for b in found.bgpvpns] == ["3"]
    words = "route distinguisher 64512:9 is also that of BGPVPN"
    assert found.refused == (f"BGPVPN {ONE} (blue): {words} {OTHER}", f"BGPVPN {OTHER} (blue): {words} {ONE}")
    assert made([other], ours=side([one])).refused == (f"BGPVPN {OTHER} (blue): {words} {ONE}",)
    assert made([one], ours=side([one])).is_clean


def test_two_bgpvpns_of_one_vni_are_both_named_unless_nobody_insists_on_it() -> None:
    theirs = side([bgpvpn(vni=7), bgpvpn(OTHER, vni=7)])
    found = plan(theirs, EMPTY, Surroundings())
    assert [line.split(": ", 1)[1] for line in found.refused] == [
        f"VNI 7 is also that of BGPVPN {OTHER}",
        f"VNI 7 is also that of BGPVPN {ONE}",
    ]
    found = plan(without_shared_vnis(theirs, {}), EMPTY, Surroundings())
    assert [b.vni for b in found.bgpvpns] == [None, None]


def test_a_vni_that_somebody_has_here_already() -> None:
    found = made([bgpvpn(vni=7)], taken={7: OTHER})
    assert found.refused == (f"BGPVPN {ONE} (blue): VNI 7 is also that of BGPVPN {OTHER}",)


@pytest.mark.parametrize(
    ("kind", "changes", "around", "words"),
    [
        ("router", {}, {"behind": {"t": frozenset({"v"})}, "unserved": {"v": "its type is vlan"}}, "its type is vlan"),
        ("network", {}, {"unserved": {"t": "it is an external network"}}, "it is an external network"),
        ("port", {}, {"networks": {"t": "v"}, "unserved": {"v": "its type is flat"}}, "its type is flat"),
        ("port", {"routes": (Route("10.0.0.0/8", None, 1), Route("10.0.0.0/8", None, 2))}, {}, "is given twice"),
        ("port", {"routes": (Route("10.1.2.3/8", None, 1), Route("10.0.0.0/8", None, 2))}, {}, "is given twice"),
        ("port", {"routes": (Route("10.0.0.0", None, 1),)}, {}, "prefix: "),
        ("port", {"routes": (Route(None, ONE, None),)}, {}, "cannot be leaked into itself"),
        ("port", {"routes": (Route(None, OTHER, None),)}, {}, f"routes: BGPVPN {OTHER} is not imported"),
    ],
)
def test_an_association_that_the_api_would_refuse(
    kind: str, changes: dict[str, Any], around: dict[str, Any], words: str
) -> None:
    found = made([bgpvpn()], bound(kind, "t", **changes), **around)
    assert [b.id for b in found.bgpvpns] == [ONE], "its BGPVPN is not held up"
    [line] = found.refused
    assert line.startswith(f"{kind} association {kind}-t-1 ({kind} t in BGPVPN {ONE}): ")
    assert words in line


def test_leaks_between_types_and_projects() -> None:
    leak = bound("port", "t", routes=(Route(None, OTHER, None),))
    for other in (bgpvpn(OTHER, type="l2"), bgpvpn(OTHER, project_id="q")):
        [line] = made([bgpvpn(), other], leak).refused
        assert f"routes: BGPVPN {OTHER} " in line


def test_a_router_in_an_l2_bgpvpn() -> None:
    [line] = made([bgpvpn(type="l2")], bound("router", "r")).refused
    assert line.endswith("a router can only be associated with a BGPVPN of type l3")


def test_a_network_by_itself_and_by_its_router() -> None:
    behind = {"r": frozenset({"n", "m"})}
    found = made([bgpvpn(), bgpvpn(OTHER)], bound("network", "n"), bound("router", "r", OTHER), behind=behind)
    assert [a.target for a in found.associations] == ["r"], "the router stays"
    assert "it is attached to router r" in found.refused[0]
    here = side([bgpvpn()], [bound("network", "n")])
    found = made([bgpvpn(OTHER)], bound("router", "r", OTHER), ours=here, behind=behind)
    assert "network n behind it is in a BGPVPN by itself" in found.refused[0]


def test_the_second_time_nothing_is_left_to_do_and_what_has_changed_is_said() -> None:
    old, port = bgpvpn(vni=7), bound("port", "p", advertise_fixed_ips=True, routes=(Route("10.0.0.0/8", None, 1),))
    here = side([old], [port])
    again = made([old], port, ours=here, taken={7: ONE})
    assert (again.bgpvpns, again.associations, again.same, again.is_clean) == ((), (), 2, True)
    later = replace(old, name="red", vni=None, lists=dict(old.lists) | {"route_targets": ("64512:2",)})
    changed = made([later], replace(port, routes=(), advertise_fixed_ips=False), ours=here, taken={7: ONE})
    assert changed.differs == (
        f"BGPVPN {ONE} (red): name is red there, blue here, vni is None there, 7 here, "
        "route_targets are 64512:2 there, 64512:1 here",
        f"port association {port.id} (port p in BGPVPN {ONE}): advertise_fixed_ips is False there, True here, "
        "routes differ",
    )


def test_the_same_pair_associated_anew_here() -> None:
    here = side([bgpvpn()], [bound("network", "n", id="made-here")])
    [line] = made([bgpvpn()], bound("network", "n"), ours=here).refused
    assert line.endswith("both are associated here already, as made-here")
