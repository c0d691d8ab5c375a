"""Rows of Port_Binding into facts, and who stays after he has left: plain values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.model.intent import (
    AttachmentIntent,
    BadIntent,
    BgpvpnIntent,
    UnknownSchema,
    bgpvpn_external_ids,
    read_attachment,
    to_external_ids,
)
from isthmus.model.net import IpAddress, Mac
from isthmus.model.port import Gateway, LocalPort
from isthmus.model.reason import NotAnnounced
from isthmus.model.vpn import SiteOfOrigin
from isthmus.shell.bindings import (
    HOLD_S,
    Nonsense,
    Row,
    Staying,
    Where,
    read_circuit,
    read_gateway,
    read_port,
    read_vpn,
    stay,
    where,
)
from isthmus.shell.clauses import router_ports_of
from tests.shell.monitored import meets

IDS = {
    "neutron:network_name": "neutron-net",
    "neutron:cidrs": "10.1.0.5/24 2001:db8::5/64",
    "neutron:revision_number": "7",
    "neutron:device_id": "instance",
    "neutron:device_owner": "compute:nova",
}
ROW = Row("port-1", "", ("fa:16:3e:00:00:05 10.1.0.5 2001:db8::5",), "chassis-1", True, IDS)
PORT = LocalPort(
    "port-1",
    Mac.parse("fa:16:3e:00:00:05"),
    (IpAddress.parse("10.1.0.5"), IpAddress.parse("2001:db8::5")),
    "neutron-net",
    7,
    True,
    "instance",
)
INTENT = AttachmentIntent("network:00000000-0000-0000-0000-000000000001", 1, SiteOfOrigin.parse("1:1"), (), (), ())
CIRCUIT = Row("ac", "localport", (), "", False, to_external_ids(INTENT))


def test_a_port_is_read_from_its_row() -> None:
    assert read_port(ROW) == PORT


def test_a_floating_ip_is_seen() -> None:
    assert read_port(ROW._replace(external_ids=IDS | {"neutron:port_fip": "203.0.113.9"})) == replace(
        PORT, floating=True
    )


def test_a_virtual_address_is_a_port_where_its_machine_is() -> None:
    """OVN binds it when the machine has announced it, and says nothing of its being up."""
    assert read_port(ROW._replace(type="virtual", up=False)) == replace(PORT, is_virtual=True)


def test_what_a_gateway_chassis_serves_has_its_reason() -> None:
    assert read_port(ROW._replace(type="external")) == replace(PORT, why_not=NotAnnounced.EXTERNAL)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"neutron:cidrs": ""}, ()),
        ({"neutron:cidrs": "fe80::1/64 10.1.0.5/24"}, ("10.1.0.5",)),
        ({"neutron:cidrs": "169.254.1.1/16 10.1.0.5/24"}, ("10.1.0.5",)),
        ({"neutron:cidrs": "10.1.0.9/24 10.1.0.5/24 10.1.0.5/24"}, ("10.1.0.5", "10.1.0.9")),
    ],
)
def test_addresses_are_sorted_and_link_local_ones_left_out(change: dict[str, str], expected: tuple[str, ...]) -> None:
    port = read_port(ROW._replace(external_ids=IDS | change))
    assert isinstance(port, LocalPort) and tuple(map(str, port.addresses)) == expected


@pytest.mark.parametrize(
    "column",
    [("fa:16:3e:00:00:05",), ("fa:16:3e:00:00:05 10.1.0.5", "unknown"), ("unknown", "fa:16:3e:00:00:05 10.1.0.5")],
)
def test_the_mac_is_found_beside_unknown(column: tuple[str, ...]) -> None:
    port = read_port(ROW._replace(mac=column))
    assert isinstance(port, LocalPort) and str(port.mac) == "fa:16:3e:00:00:05"


@pytest.mark.parametrize(
    "row",
    [
        ROW._replace(external_ids=IDS | {"neutron:device_owner": "network:dhcp"}),
        ROW._replace(external_ids=IDS | {"neutron:device_owner": "network:distributed"}),
        ROW._replace(external_ids={}),
        ROW._replace(type="patch"),
        ROW._replace(type="localport"),
    ],
)
def test_what_is_no_virtual_machine_is_nobodys_port(row: Row) -> None:
    assert read_port(row) is None


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (ROW._replace(mac=()), "mac: no MAC address in []"),
        (ROW._replace(mac=("unknown",)), "mac: no MAC address in ['unknown']"),
        (ROW._replace(mac=("fa:16:3e",)), "'fa:16:3e' is not a MAC address"),
        (ROW._replace(mac=("01:00:5e:00:00:01 10.1.0.5",)), "mac: 01:00:5e:00:00:01 is a group's address"),
        (ROW._replace(external_ids=IDS | {"neutron:cidrs": "10.1.0.500/24"}), "neutron:cidrs: '10.1.0.500/24'"),
        (ROW._replace(external_ids=IDS | {"neutron:revision_number": "-1"}), "neutron:revision_number: '-1'"),
        (ROW._replace(external_ids=IDS | {"neutron:revision_number": ""}), "neutron:revision_number: ''"),
    ],
)
def test_nonsense_says_what_it_is(row: Row, why: str) -> None:
    read = read_port(row)
    assert isinstance(read, Nonsense) and read.why.startswith(why)


def test_a_circuit_is_read_or_says_why_not() -> None:
    assert read_circuit(CIRCUIT) == read_attachment(CIRCUIT.external_ids)
    newer = read_circuit(CIRCUIT._replace(external_ids=dict(CIRCUIT.external_ids) | {"isthmus:schema": "9"}))
    assert isinstance(newer, UnknownSchema)
    on_a_vif = read_circuit(CIRCUIT._replace(type=""))
    assert isinstance(on_a_vif, BadIntent) and "only a localport is on every chassis" in str(on_a_vif)


@pytest.mark.parametrize(
    ("chassis", "expected"), [("own", Where.HERE), ("other", Where.ELSEWHERE), ("", Where.NOWHERE)]
)
def test_where_a_port_is(chassis: str, expected: Where) -> None:
    assert where(ROW._replace(chassis=chassis), "own") is expected


@pytest.mark.parametrize(
    ("chassis", "additional", "expected"),
    [
        ("other", ("own",), Where.ARRIVING),
        ("", ("other", "own"), Where.ARRIVING),
        ("own", ("other",), Where.HERE),  # it is leaving, and has not left
        ("other", ("third",), Where.ELSEWHERE),
    ],
)
def test_a_machine_that_is_on_its_way_is_nearly_here(
    chassis: str, additional: tuple[str, ...], expected: Where
) -> None:
    assert where(ROW._replace(chassis=chassis, additional=additional), "own") is expected


def test_a_bgpvpn_is_read_or_says_why_not() -> None:
    vpn = BgpvpnIntent("00000000-0000-0000-0000-000000000009", 1, 5009, (), ())
    row = Row(f"isthmus-vpn-{vpn.bgpvpn}", "localport", (), "", False, bgpvpn_external_ids(vpn))
    assert row.is_vpn and read_vpn(row) == vpn
    other = read_vpn(row._replace(logical_port="isthmus-vpn-of-another"))
    assert isinstance(other, BadIntent) and "is on the port of another" in str(other)
    bad = read_vpn(row._replace(external_ids=dict(row.external_ids) | {"isthmus:vni": "0"}))
    assert isinstance(bad, BadIntent)


def test_a_port_that_is_here_is_told() -> None:
    assert stay({}, {"p": PORT}, {"p": Where.HERE}, None, 0.0, ()) == {"p": Staying(PORT)}


def test_a_port_that_is_missed_is_held_until_its_row_has_been_asked_for() -> None:
    assert stay({"p": Staying(PORT)}, {}, {}, frozenset(), 10.0, ()) == {"p": Staying(PORT, 10.0 + HOLD_S)}


def test_nothing_is_concluded_before_the_server_knows_that_we_ask() -> None:
    before = {"p": Staying(PORT, 10.0 + HOLD_S)}
    assert stay(before, {}, {}, frozenset(), 10.0 + 2 * HOLD_S, ()) == before


@pytest.mark.parametrize(
    ("seen", "plugged", "now", "held"),
    [
        ({}, {"p"}, 10.1, False),  # the row is deleted
        ({"p": Where.ELSEWHERE}, {"p"}, 10.1, False),  # it has moved
        ({"p": Where.HERE}, {"p"}, 10.1, False),  # it is here, and its row has become nonsense
        ({"p": Where.NOWHERE}, {"p"}, 10.1, True),  # ovn-controller has let go of it
        ({"p": Where.NOWHERE}, {"p"}, 10.0 + HOLD_S, False),  # for too long
        ({"p": Where.NOWHERE}, {"other"}, 10.1, False),  # its interface is unplugged
        ({"p": Where.NOWHERE}, None, 10.1, True),  # or not: the switch's database does not answer
    ],
)
def test_what_becomes_of_a_port_that_is_missed(
    seen: dict[str, Where], plugged: set[str] | None, now: float, held: bool
) -> None:
    before = {"p": Staying(PORT, 10.0 + HOLD_S)}
    known = None if plugged is None else frozenset(plugged)
    assert stay(before, {}, seen, known, now, {"p"}) == (before if held else {})


def test_a_virtual_address_has_no_interface_that_could_be_unplugged() -> None:
    """ovn-controller stops and lets go of it; who has it is heard of within a moment."""
    before = {"p": Staying(replace(PORT, is_virtual=True), 10.0 + HOLD_S)}
    assert stay(before, {}, {"p": Where.NOWHERE}, frozenset(), 10.1, {"p"}) == before
    assert stay(before, {}, {"p": Where.ELSEWHERE}, frozenset(), 10.1, {"p"}) == {}


def test_a_port_that_ovn_says_is_here_is_told_whatever_the_switch_says() -> None:
    """The two databases speak at different moments; each alone proves nothing."""
    assert stay({"p": Staying(PORT)}, {"p": PORT}, {"p": Where.HERE}, frozenset(), 10.0, ()) == {"p": Staying(PORT)}


def test_a_port_that_comes_back_is_here_as_if_it_had_never_left() -> None:
    assert stay({"p": Staying(PORT, 13.0)}, {"p": PORT}, {"p": Where.HERE}, None, 11.0, {"p"}) == {"p": Staying(PORT)}


def test_a_port_whose_row_becomes_nonsense_goes_at_once() -> None:
    assert stay({"p": Staying(PORT)}, {}, {"p": Where.HERE}, None, 0.0, ()) == {}


ROUTER_PORT = Row(
    "lrp-1",
    "patch",
    ("fa:16:3e:06:c1:7a 10.3.0.1/24 2001:db8:a3::/64",),
    "",
    False,
    {"neutron:router_name": "neutron-r", "neutron:network_name": "neutron-net", "neutron:is_ext_gw": "False"},
)
OURS = {"isthmus:kind": "gw", "isthmus:attachment": "network:net"}


def test_a_routers_port_is_a_gateway_neutrons_and_ours() -> None:
    addresses = (IpAddress.parse("10.3.0.1"), IpAddress.parse("2001:db8:a3::"))
    expected = Gateway("neutron-net", Mac.parse("fa:16:3e:06:c1:7a"), addresses)
    assert read_gateway(ROUTER_PORT) == expected
    ours = read_gateway(ROUTER_PORT._replace(external_ids=OURS))
    assert ours == Gateway("neutron-net", expected.mac, addresses, ours=True)


@pytest.mark.parametrize(
    "change",
    [
        {"type": ""},
        {"mac": ()},
        {"mac": ("router",)},
        {"mac": ("fa:16:3e:06:c1:7a nowhere",)},
        {"external_ids": dict(ROUTER_PORT.external_ids) | {"neutron:is_ext_gw": "True"}},
        {"external_ids": OURS | {"isthmus:kind": "lrp", "neutron:network_name": "neutron-net"}},
        {"external_ids": {}},
    ],
)
def test_other_ports_of_routers_are_none(change: dict[str, object]) -> None:
    assert read_gateway(ROUTER_PORT._replace(**change)) is None  # type: ignore[arg-type]


def test_router_ports_are_found_by_what_is_on_their_rows() -> None:
    for attachment, ids in (("router:r", dict(ROUTER_PORT.external_ids)), ("network:net", OURS)):
        assert meets(ROUTER_PORT._replace(external_ids=ids), router_ports_of(attachment))
