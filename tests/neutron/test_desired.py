"""Desired rows from plain values: no database, no Neutron."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from isthmus.model.intent import AssociationKind as Kind
from isthmus.model.intent import BadIntent, Fallback, Lane, from_external_ids, read_attachment
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import RouteTarget, SiteOfOrigin
from isthmus.neutron.attachments.desired import (
    Association,
    Attachment,
    Cloud,
    Desired,
    Interface,
    Key,
    Network,
    Router,
    Skipped,
    Subnet,
    Table,
    Unserved,
    desired,
    digest,
)
from isthmus.neutron.attachments.lanes import lanes
from isthmus.neutron.attachments.own_routes import ExtraRoute, inside

HERE = Cloud(SiteOfOrigin.parse("64512:1"))
R, A, B = ("00000000-0000-0000-0000-0000000000" + n for n in ("01", "0a", "0b"))
PORT = f"isthmus-lrp-{R}"
PRIVATE = Router(
    id=R,
    interfaces=(
        Interface("a4", A, (Prefix.parse("10.1.0.0/24"),)),
        Interface("a6", A, (Prefix.parse("2001:db8:1::/64"),)),
        Interface("b4", B, (Prefix.parse("10.2.0.0/24"),)),
    ),
    gateways=(),
    own_defaults=frozenset(),
)
LONE = Network(
    id=A,
    mtu=1442,
    subnets=(
        Subnet(Prefix.parse("10.6.0.0/24"), IpAddress.parse("10.6.0.1"), False),
        Subnet(Prefix.parse("2001:db8:6::/64"), IpAddress.parse("2001:db8:6::"), False, "slaac"),
    ),
)


def association(kind: Kind = Kind.ROUTER, network: str = "", number: int = 16, targets: int = 1) -> Association:
    route_targets = tuple(RouteTarget.parse(f"64512:{n}") for n in range(targets))
    uuid = f"00000000-0000-0000-0001-{number:012d}"
    return Association(uuid, kind, network, B, number, 5001, route_targets, route_targets[:1])


def rows_of(attachment: Attachment, revision: int = 7) -> dict[Key, dict[str, object]]:
    return {key: dict(row) for key, row in desired(attachment, HERE, revision).rows.items()}


def policies(attachment: Attachment) -> list[tuple[int, str, str]]:
    rows = desired(attachment, HERE, 7).rows
    found = [dict(row) for key, row in rows.items() if key.table is Table.POLICY]
    return sorted((int(str(p["priority"])), str(p["match"]), str(p["action"])) for p in found)


def routes(attachment: Attachment) -> set[str]:
    return {key.name for key in desired(attachment, HERE, 7).rows if key.table is Table.ROUTE}


def circuit(attachment: Attachment) -> dict[str, str]:
    [row] = [dict(row) for key, row in desired(attachment, HERE, 7).rows.items() if key.name.startswith("isthmus-ac-")]
    return dict(row["external_ids"])  # type: ignore[arg-type]


def test_a_router_without_gateway_gets_the_proven_policy_set() -> None:
    out = f'outport == {{"{PORT}"}}'
    assert policies(Attachment(PRIVATE, (association(),))) == [
        (1000, f"ip4 && {out}", "reroute"),
        (1000, f"ip6 && {out}", "reroute"),
        (1080, f'inport == {{"{PORT}"}}', "allow"),
        (1090, f'inport == "{PORT}" && outport == "{PORT}"', "drop"),
        (1100, f'inport == "{PORT}" && {out} && ip4.src == 169.254.128.1', "reroute"),
        (1100, f'inport == "{PORT}" && {out} && ip6.src == fd00:56:50:4e::1', "reroute"),
    ]


LANE_A, LANE_B = 0x0A + 16, 0x0B + 16
"""What the networks' ids fall on."""


def test_each_network_behind_a_router_leaves_by_a_lane_of_its_own() -> None:
    """So what a machine of b says is b's, whatever source address it bears."""
    attachment = Attachment(PRIVATE, (association(),))
    rows = {key: dict(row) for key, row in desired(attachment, HERE, 7, 2).rows.items()}
    out = f'outport == {{"{PORT}"}}'
    steering = {(row["match"], *row["nexthops"]) for row in rows.values() if row.get("priority") == 1000}
    ways = {'{"lrp-a4", "lrp-a6"}': LANE_A, '{"lrp-b4"}': LANE_B}
    assert steering == {
        (f"inport == {ports} && ip{version} && {out}", str(address))
        for ports, lane in ways.items()
        for version, address in ((4, Lane(lane).ipv4), (6, Lane(lane).ipv6))
    }
    [ac] = [row for key, row in rows.items() if key.name == f"isthmus-ac-{R}"]
    assert ac["addresses"] == {
        "02:00:5e:00:00:02 169.254.128.2 fd00:56:50:4e::2",
        "02:00:5e:00:00:03 169.254.128.3 fd00:56:50:4e::3",
        "02:00:5e:00:00:1a 169.254.128.26 fd00:56:50:4e::1a",
        "02:00:5e:00:00:1b 169.254.128.27 fd00:56:50:4e::1b",
    }
    assert rows[Key(Table.ROUTER_PORT, f"neutron-{R}", PORT)]["networks"] == {
        "169.254.128.1/20",
        "fd00:56:50:4e::1/112",
    }
    assert dict(ac["external_ids"])["isthmus:lanes"] == f"{LANE_A} {LANE_B}"  # type: ignore[call-overload]
    errors = {hop for row in rows.values() if row.get("priority") == 1100 for hop in row["nexthops"]}  # type: ignore[attr-defined]
    assert errors == {"169.254.128.2", "fd00:56:50:4e::2"}


def test_what_no_policy_leads_leaves_by_nobodys_lane() -> None:
    """A network that is in no BGPVPN, behind a router without a gateway, still goes where the default route leads."""
    rows = desired(Attachment(PRIVATE, (association(Kind.NETWORK, A),)), HERE, 7, 2).rows
    hops = {key.name: dict(row)["nexthop"] for key, row in rows.items() if key.table is Table.ROUTE}
    assert hops == {"0.0.0.0/0": "169.254.128.3", "::/0": "fd00:56:50:4e::3"}
    assert len([key for key in rows if key.name.startswith("1000 ")]) == 2


def test_a_lane_follows_from_the_network_alone() -> None:
    others = [f"00000000-0000-0000-0000-{n:012x}" for n in range(100, 140)]
    assert {lanes([A, *others[:n]], 2)[A] for n in range(40)} == {LANE_A}
    assert lanes([A, B], 1) == {}
    twins = [A, f"{A[:-12]}{0x0A + 4064:012x}"]
    assert sorted(lanes(twins, 2).values()) == [LANE_A, LANE_A + 1], "two of one number"


VIA_A = IpAddress.parse("10.1.0.77")
EVERYWHERE, FAR = Prefix.parse("0.0.0.0/0"), Prefix.parse("10.50.0.0/16")


def rows_of_form_2(place: Router, cloud: Cloud = HERE) -> dict[Key, dict[str, object]]:
    made = desired(Attachment(place, (association(Kind.NETWORK, A),)), cloud, 7, 2)
    return {key: dict(row) for key, row in made.rows.items()}


def steered(rows: dict[Key, dict[str, object]], priority: int) -> list[tuple[object, object]]:
    return [(row["match"], row["nexthops"]) for row in rows.values() if row.get("priority") == priority]


def test_the_vpn_is_asked_before_a_default_route_into_the_tenants_own_network() -> None:
    """Ours are longer than it; what comes back, and whoever is in no VPN, goes where it led."""
    router = replace(PRIVATE, own_defaults=frozenset({4}), routes=(ExtraRoute(EVERYWHERE, VIA_A),))
    rows = rows_of_form_2(router)
    assert {key.name for key in rows if key.table is Table.ROUTE} == {"0.0.0.0/1", "128.0.0.0/1", "::/0"}
    led = f'outport == "{PORT}" && ip4'
    assert steered(rows, 1095) == [(f'inport == {{"{PORT}"}} && {led}', {"10.1.0.77"})]
    assert steered(rows, 900) == [(led, {"10.1.0.77"})]
    assert [key.name for key in rows_of(Attachment(router, (association(),))) if key.table is Table.ROUTE] == ["::/0"]


def test_with_a_gateway_too_what_the_vpn_does_not_know_is_shared_as_before() -> None:
    outside = IpAddress.parse("192.0.2.1")
    router = replace(
        PRIVATE,
        gateways=("g",),
        own_defaults=frozenset({4}),
        routes=(ExtraRoute(EVERYWHERE, VIA_A),),
        uplinks=frozenset({outside}),
    )
    [(_match, hops)] = steered(rows_of_form_2(router), 900)
    assert hops == {"10.1.0.77", "192.0.2.1"}


def test_what_is_private_follows_a_default_route_into_the_tenants_own_network_and_leaves_by_no_gateway() -> None:
    """Behind that machine may be any network: what the VPN does not know there goes where the router's route leads."""
    tenants = (ExtraRoute(EVERYWHERE, VIA_A), ExtraRoute(Prefix.parse("::/0"), IpAddress.parse("2001:db8:1::77")))
    router = replace(PRIVATE, routes=tenants, own_defaults=frozenset({4, 6}))
    attachment = Attachment(router, (association(),))
    assert fallback(attachment) == ("public", ("0.0.0.0/0", "::/0"))
    assert fallback(attachment, HERE._replace(fallback=Fallback.NONE)) == ("none", ())
    assert steered(rows_of_form_2(router), 1096) == [], "it goes nowhere else anyway"
    both = replace(router, gateways=("g",), uplinks=frozenset({IpAddress.parse("192.0.2.1")}))
    back = f'inport == {{"{PORT}", "lrp-g"}} && outport == "{PORT}" && ip4'
    private = "{10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16}"
    assert steered(rows_of_form_2(both), 1096) == [(f"{back} && ip4.dst == {private}", {"10.1.0.77"})]
    assert steered(rows_of_form_2(both), 1095)[0] == (back, {"10.1.0.77", "192.0.2.1"})
    assert steered(rows_of_form_2(both, HERE._replace(fallback=Fallback.ALL)), 1096) == []


def test_nodes_are_told_the_routers_own_addresses() -> None:
    own = tuple(map(IpAddress.parse, ("10.1.0.1", "192.0.2.9")))
    gateways = tuple(sorted(s.gateway for s in LONE.subnets if s.gateway is not None))
    for place, said in ((replace(PRIVATE, addresses=frozenset(own)), own), (LONE, gateways)):
        made = desired(Attachment(place, (association(),)), HERE, 7, 2).rows
        [row] = [dict(row) for key, row in made.items() if "isthmus-ac-" in key.name]
        assert read_attachment(dict(row["external_ids"])).addresses == said  # type: ignore[arg-type]


def test_an_extra_route_that_hides_the_vpn_is_told_to_the_nodes() -> None:
    half = ExtraRoute(Prefix.parse("0.0.0.0/1"), VIA_A)
    router = replace(PRIVATE, routes=(ExtraRoute(FAR, VIA_A), half, ExtraRoute(EVERYWHERE, VIA_A)))
    rows = rows_of_form_2(router)
    ids = dict(rows[Key(Table.SWITCH_PORT, f"isthmus-ts-{R}", f"isthmus-ac-{R}")]["external_ids"])  # type: ignore[call-overload]
    assert ids["isthmus:routes"] == "0.0.0.0/1 10.50.0.0/16"
    routes = {key.name for key in rows if key.table is Table.ROUTE}
    assert routes == {"0.0.0.0/0", "128.0.0.0/1", "::/0"}, "the tenant's own half stays alone"
    assert inside([ExtraRoute(FAR, IpAddress.parse("192.0.2.9"))], [Prefix.parse("10.1.0.0/24")]) == ()


def test_who_keeps_to_its_own_default_route_is_told_where_the_operator_says_so() -> None:
    router = replace(PRIVATE, gateways=("g",), own_defaults=frozenset({4, 6}))
    for cloud, said in ((HERE, None), (HERE._replace(keeps_default=True), "4 6")):
        rows = rows_of_form_2(router, cloud)
        ids = dict(rows[Key(Table.SWITCH_PORT, f"isthmus-ts-{R}", f"isthmus-ac-{R}")]["external_ids"])  # type: ignore[call-overload]
        assert ids.get("isthmus:own-defaults") == said


def test_a_gateway_joins_the_sets_and_takes_our_default_routes_away() -> None:
    router = replace(PRIVATE, gateways=("g",), own_defaults=frozenset({4, 6}))
    attachment = Attachment(router, (association(),))
    assert routes(attachment) == set()
    for priority, match, _action in policies(attachment):
        assert ('"lrp-g"' in match) == (priority != 1090)


def test_a_gateway_of_one_ip_version_leaves_the_other_versions_default_route_to_us() -> None:
    router = replace(PRIVATE, gateways=("g",), own_defaults=frozenset({4}))
    assert routes(Attachment(router, (association(),))) == {"::/0"}


def fallback(attachment: Attachment, cloud: Cloud = HERE, form: int = 2) -> tuple[str, tuple[str, ...]]:
    [row] = [dict(row) for key, row in desired(attachment, cloud, 7, form).rows.items() if "isthmus-ac-" in key.name]
    read = read_attachment(dict(row["external_ids"]))  # type: ignore[arg-type]
    return read.fallback.value, tuple(str(p) for p in read.outside)


def test_of_several_bgpvpns_the_strictest_fallback_counts() -> None:
    def of(*own: Fallback | None, cloud: Cloud = HERE) -> str:
        bound = tuple(replace(association(number=16 + n), fallback=f) for n, f in enumerate(own))
        return fallback(Attachment(PRIVATE, bound), cloud)[0]

    assert of(None) == "public"
    assert of(None, cloud=HERE._replace(fallback=Fallback.ALL)) == "all"
    assert of(Fallback.ALL) == "all"
    assert of(Fallback.ALL, None) == "public"
    assert of(Fallback.NONE, Fallback.ALL) == "none"


def test_private_networks_that_the_router_has_a_route_to_are_let_through() -> None:
    beyond = tuple(Prefix.parse(p) for p in ("10.20.0.0/16", "172.24.4.0/24", "192.0.2.0/24"))
    attachment = Attachment(replace(PRIVATE, outside=beyond), (association(),))
    assert fallback(attachment) == ("public", ("10.20.0.0/16", "172.24.4.0/24"))
    assert fallback(attachment, form=1) == ("all", ()), "the first release has no words for it, and must cut nothing"
    everything = fallback(attachment, HERE._replace(fallback=Fallback.ALL))
    assert everything == ("all", ("10.20.0.0/16", "172.24.4.0/24")), "whoever has a floating IP is answered there"
    assert fallback(attachment, HERE._replace(fallback=Fallback.NONE)) == ("none", ())
    only_public = Attachment(replace(PRIVATE, outside=beyond[2:]), (association(),))
    assert fallback(only_public, form=1) == ("public", ())


def test_a_router_of_a_flavour_is_somebody_elses() -> None:
    made = desired(Attachment(replace(PRIVATE, flavoured=True), (association(),)), HERE, 7)
    assert (made.rows, made.skipped) == ({}, (Skipped("", Unserved.FLAVOUR),))


def test_a_network_association_steers_all_ports_of_that_network_and_no_other() -> None:
    attachment = Attachment(PRIVATE, (association(Kind.NETWORK, A),))
    steering = [match for priority, match, _action in policies(attachment) if priority == 1000]
    assert len(steering) == 2
    for match in steering:
        assert match.startswith('inport == {"lrp-a4", "lrp-a6"} && ip')


def test_the_circuit_tells_the_node_what_the_router_serves_and_what_each_association_covers() -> None:
    attachment = Attachment(PRIVATE, (association(Kind.NETWORK, A, 16), association(Kind.NETWORK, B, 17)))
    read = from_external_ids(circuit(attachment))
    assert read.attachment == f"router:{R}"
    assert read.revision == 7
    assert read.networks == (f"neutron-{A}", f"neutron-{B}")
    assert [str(p) for p in read.subnets] == ["10.1.0.0/24", "10.2.0.0/24", "2001:db8:1::/64"]
    assert [(a.number, a.networks) for a in read.associations] == [(16, (f"neutron-{A}",)), (17, (f"neutron-{B}",))]


def test_a_router_association_covers_all_networks_of_the_router() -> None:
    [read] = from_external_ids(circuit(Attachment(PRIVATE, (association(),)))).associations
    assert read.networks == (f"neutron-{A}", f"neutron-{B}")


def test_only_the_circuit_is_marked_as_one() -> None:
    for place in (PRIVATE, LONE):
        rows = rows_of(Attachment(place, (association(),)))
        kinds = [dict(row["external_ids"])["isthmus:kind"] for row in rows.values()]  # type: ignore[call-overload]
        assert kinds.count("ac") == 1


def test_a_row_says_which_bgpvpns_are_another_projects_and_form_1_has_no_word_for_it() -> None:
    attachment = Attachment(PRIVATE, (replace(association(), guest=True),))
    for form, said in ((1, False), (2, True)):
        (row,) = (row for key, row in desired(attachment, HERE, 7, form).rows.items() if key.name == f"isthmus-ac-{R}")
        (text,) = (v for k, v in dict(row)["external_ids"] if k.startswith("isthmus:a:"))  # type: ignore[union-attr]
        assert ('"s":1' in str(text)) is said


def test_our_port_on_a_neutron_router_names_a_network_of_that_router_and_nothing_else_of_neutrons() -> None:
    rows = rows_of(Attachment(PRIVATE, (association(),)))
    ids = dict(rows[Key(Table.ROUTER_PORT, f"neutron-{R}", PORT)]["external_ids"])  # type: ignore[call-overload]
    assert {k: v for k, v in ids.items() if k.startswith("neutron:")} == {"neutron:network_name": f"neutron-{A}"}


def test_a_network_without_router_gets_our_gateway_with_its_subnets_addresses() -> None:
    rows = rows_of(Attachment(LONE, (association(Kind.NETWORK, A),)))
    gateway = rows[Key(Table.ROUTER_PORT, f"isthmus-lr-{A}", f"isthmus-gw-{A}")]
    assert gateway["networks"] == {"10.6.0.1/24", "2001:db8:6::/64"}
    advertised = {"address_mode": "slaac", "send_periodic": "true", "mtu": "1442"}
    assert dict(gateway["ipv6_ra_configs"]) == advertised  # type: ignore[call-overload]
    plugged = rows[Key(Table.SWITCH_PORT, f"neutron-{A}", f"isthmus-gws-{A}")]
    assert dict(plugged["options"]) == {"router-port": f"isthmus-gw-{A}"}  # type: ignore[call-overload]
    assert routes(Attachment(LONE, (association(Kind.NETWORK, A),))) == {"0.0.0.0/0", "::/0"}
    assert [p[0] for p in policies(Attachment(LONE, (association(Kind.NETWORK, A),)))] == [1090, 1100, 1100]


def test_a_subnet_without_a_free_gateway_address_is_left_out_with_the_reason() -> None:
    four, six = LONE.subnets
    place = replace(LONE, subnets=(replace(four, gateway=None), six))
    result = desired(Attachment(place, (association(Kind.NETWORK, A),)), HERE, 7)
    assert result.skipped == (Skipped("10.6.0.0/24", Unserved.NO_GATEWAY_IP),)
    assert [str(p) for p in from_external_ids(circuit(Attachment(place, (association(Kind.NETWORK, A),)))).subnets] == [
        "2001:db8:6::/64"
    ]
    place = replace(LONE, subnets=(replace(four, gateway_taken=True),))
    result = desired(Attachment(place, (association(Kind.NETWORK, A),)), HERE, 7)
    assert result == Desired({}, (Skipped("10.6.0.0/24", Unserved.GATEWAY_TAKEN), Skipped("", Unserved.NO_SUBNET)))


def test_without_association_or_interface_there_are_no_rows_and_a_reason() -> None:
    assert desired(None, HERE, 7) == Desired({}, (Skipped("", Unserved.NO_ASSOCIATION),))
    bare = replace(PRIVATE, interfaces=())
    assert desired(Attachment(bare, (association(),)), HERE, 7) == Desired({}, (Skipped("", Unserved.NO_INTERFACE),))


def test_a_subnet_that_comes_changes_the_circuit_only() -> None:
    more = replace(PRIVATE, interfaces=(*PRIVATE.interfaces, Interface("c4", B, (Prefix.parse("10.3.0.0/24"),))))
    before, after = rows_of(Attachment(PRIVATE, (association(),))), rows_of(Attachment(more, (association(),)))
    assert [key.name for key in after if after[key] != before.get(key)] == [f"isthmus-ac-{R}"]
    assert before.keys() == after.keys()


def test_the_order_of_facts_does_not_matter() -> None:
    associations = (association(Kind.NETWORK, A, 16), association(Kind.NETWORK, B, 17))
    turned = replace(PRIVATE, interfaces=PRIVATE.interfaces[::-1])
    one, other = Attachment(PRIVATE, associations), Attachment(turned, associations[::-1])
    assert desired(one, HERE, 7) == desired(other, HERE, 7)
    assert digest(desired(one, HERE, 0)) == digest(desired(other, HERE, 0))


def test_the_digest_tells_contents_apart() -> None:
    contents = [
        desired(Attachment(PRIVATE, (association(),)), HERE, 0),
        desired(Attachment(PRIVATE, (association(targets=2),)), HERE, 0),
        desired(Attachment(replace(PRIVATE, gateways=("g",)), (association(),)), HERE, 0),
        desired(Attachment(LONE, (association(),)), HERE, 0),
        desired(None, HERE, 0),
    ]
    assert len({digest(content) for content in contents}) == len(contents)


def test_the_digest_is_the_same_in_every_process() -> None:
    """Sets are ordered differently in each, and two processes that disagree would raise revisions for ever."""
    program = (
        "from tests.neutron.test_desired import *\nprint(digest(desired(Attachment(LONE, (association(),)), HERE, 0)))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3", "4")
    }
    assert found == {digest(desired(Attachment(LONE, (association(),)), HERE, 0)) + "\n"}


def test_a_row_too_large_for_ovsdb_clients_is_refused_whole() -> None:
    many = tuple(association(number=n, targets=60) for n in range(16, 48))
    with pytest.raises(BadIntent, match="bytes"):
        desired(Attachment(PRIVATE, many), HERE, 7)


def test_a_smaller_path_makes_the_router_answer_too_big_and_nothing_is_limited_without() -> None:
    place = Attachment(PRIVATE, (association(),))
    for cloud, options in ((HERE, {}), (HERE._replace(vpn_mtu=1350), {"gateway_mtu": "1350"})):
        [port] = [dict(row) for key, row in desired(place, cloud, 7).rows.items() if key.table is Table.ROUTER_PORT]
        assert dict(port["options"]) == options  # type: ignore[call-overload]
