"""Addresses, route targets and the one diff."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.delta import diff
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.vpn import RouteDistinguisher, RouteTarget, SiteOfOrigin

addresses = st.ip_addresses().map(lambda a: IpAddress(a.packed))


@given(addresses)
def test_an_address_reads_back(address: IpAddress) -> None:
    assert IpAddress.parse(str(address)) == address


@pytest.mark.parametrize("text", ["::ffff:1.2.3.4", "::1.2.3.4", "::1", "::", "1::1.2.3.4", "64:ff9b::102:304"])
def test_an_address_is_written_as_the_system_writes_it(text: str) -> None:
    assert str(IpAddress.parse(text)) == socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))


@given(addresses, st.integers(0, 32))
def test_a_prefix_reads_back_and_covers_itself_and_its_address(address: IpAddress, length: int) -> None:
    prefix = Prefix.of(address, length)
    assert Prefix.parse(str(prefix)) == prefix
    assert prefix.covers(prefix)
    assert prefix.covers(Prefix.host(address))


def test_a_prefix_does_not_cover_the_other_version_nor_its_own_parent() -> None:
    assert not Prefix.parse("0.0.0.0/0").covers(Prefix.parse("::/0"))
    assert not Prefix.parse("10.0.0.0/9").covers(Prefix.parse("10.0.0.0/8"))


@pytest.mark.parametrize("text", ["", "10.0.0.1/24", "10.0.0.0/33", "10.0.0/24", "::1/64"])
def test_a_mistyped_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IP prefix"):
        Prefix.parse(text)


@pytest.mark.parametrize("text", ["", "02:00", "02:00:00:00:00:0g", "02-00-00-00-00-00", "2:0:0:0:0:0"])
def test_a_mistyped_mac_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a MAC address"):
        Mac.parse(text)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("64512:1", "0002fc0000000001"),
        ("0:0", "0002000000000000"),
        ("65535:4294967295", "0002ffffffffffff"),
        ("65536:65535", "020200010000ffff"),
        ("4200000000:7", "0202fa56ea000007"),
        ("192.0.2.1:100", "0102c00002010064"),
    ],
)
def test_a_route_target_is_its_octets(text: str, octets: str) -> None:
    target = RouteTarget.parse(text)
    assert target.hex() == octets
    assert str(target) == text
    assert SiteOfOrigin.parse(text).hex() == octets[:2] + "03" + octets[4:]
    assert RouteDistinguisher.parse(text).hex() == "00" + octets[:2] + octets[4:]


@pytest.mark.parametrize(
    "text",
    ["", "1", ":", "1:", ":1", "01:1", "1:01", "1: 1", "65536:65536", "4294967296:1", "1:4294967296", "1.2.3:4",
     "1.2.3.400:5", "1.2.3.4:65536", "target:1:1", "*:1", "-1:1", "1:1:1", "١:1", "1١:1", "1:" + "9" * 5000],
)  # fmt: skip
def test_what_is_not_a_route_target_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(ValueError, match="is not a route target: it must be <2-byte AS>:<32-bit number>"):
        RouteTarget.parse(text)


@given(st.dictionaries(st.integers(0, 9), st.integers(0, 3)), st.dictionaries(st.integers(0, 9), st.integers(0, 3)))
def test_a_plan_leads_from_actual_to_desired_and_then_there_is_none(
    desired: dict[int, int], actual: dict[int, int]
) -> None:
    plan = diff(desired, actual)
    reached = {k: v for k, v in (actual | dict(plan.put)).items() if k not in plan.delete}
    assert reached == desired
    assert not diff(desired, reached)
    assert all(actual[k] == v for k, v in plan.delete.items())
