"""Desired rows from plain values: no database, no Neutron."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from isthmus.model.intent import AssociationKind as Kind
from isthmus.model.intent import BadIntent, from_external_ids
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


def test_a_gateway_joins_the_sets_and_takes_our_default_routes_away() -> None:
    router = replace(PRIVATE, gateways=("g",), own_defaults=frozenset({4, 6}))
    attachment = Attachment(router, (association(),))
    assert routes(attachment) == set()
    for priority, match, _action in policies(attachment):
        assert ('"lrp-g"' in match) == (priority != 1090)


def test_a_gateway_of_one_ip_version_leaves_the_other_versions_default_route_to_us() -> None:
    router = replace(PRIVATE, gateways=("g",), own_defaults=frozenset({4}))
    assert routes(Attachment(router, (association(),))) == {"::/0"}


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
