"""A topology is read whole or refused with one sentence that names the place and the rule."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from isthmus.lab import frr
from isthmus.lab.fault import Refusal
from isthmus.lab.topology import Family, locate, read
from tests.lab.build import default_text, topology


def test_the_default_is_two_clouds_with_two_hypervisors_each() -> None:
    clouds = topology().clouds
    assert [(c.name, c.asn, c.site) for c in clouds] == [("a", 64512, "64512:1"), ("b", 64513, "64513:1")]
    assert clouds[0].underlay == IPv4Network("172.30.1.0/24")
    assert clouds[0].wan_router == IPv4Address("172.30.1.1")
    assert [(h.name, str(h.address), h.gateway) for h in clouds[1].hypervisors] == [
        ("h1", "172.30.2.11", False),
        ("h2", "172.30.2.12", True),
    ]
    assert clouds[0].tenants == ("tenant1", "tenant2")


def change(old: str, new: str) -> str:
    text = default_text()
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cloud = ", "test.toml is not TOML: Invalid value (at end of document)"),
        ("", "test.toml: top level: 'cloud' is missing"),
        (
            change("agents = true", "colour = 1"),
            "test.toml: top level: unknown key 'colour' (known: agents, cloud, families, pe, wan_mtu, wary)",
        ),
        (
            change('name = "h2"\naddress = "172.30.1.12"', 'name = "h2"\nram = 4\naddress = "172.30.1.12"'),
            "test.toml: cloud a, hypervisor h2: unknown key 'ram' (known: address, datapath, gateway, name)",
        ),
        (change("as = 64512\n", ""), "test.toml: cloud a: 'as' is missing"),
        (change("as = 64512", 'as = "64512"'), "test.toml: cloud a, as: '64512' is not of type 'integer'"),
        (
            change("api_port = 19697", "api_port = 80"),
            "test.toml: cloud b, api_port: 80 is less than the minimum of 1024",
        ),
        (change("172.30.1.11", "172.30.1.256"), "test.toml: Octet 256 (> 255) not permitted in '172.30.1.256'"),
        (change("172.30.2.0/24", "172.30.2.1/24"), "test.toml: 172.30.2.1/24 has host bits set"),
        (change("64513", "64512"), "test.toml: AS 64512 stands twice: the clouds would refuse each other's routes"),
        (change("19697", "19696"), "test.toml: api_port 19696 stands twice"),
        (change('name = "b"', 'name = "a"'), "test.toml: the cloud name 'a' stands twice"),
        (change('name = "b"', 'name = "wan"'), "test.toml: the name 'wan' in cloud wan is the lab's own"),
        (change('["tenant1", "tenant2"]', '["t", "t"]'), "test.toml: cloud a: the tenant 't' stands twice"),
        (
            change("172.30.2.12", "172.30.1.12"),
            "test.toml: cloud b: hypervisor h2 has 172.30.1.12, which is not in the underlay 172.30.2.0/24",
        ),
        (
            change("172.30.1.12", "172.30.1.11"),
            "test.toml: cloud a: 172.30.1.11 is used twice (the WAN router has 172.30.1.1)",
        ),
        (
            change("172.30.1.5", "172.30.1.1"),
            "test.toml: cloud a: 172.30.1.1 is used twice (the WAN router has 172.30.1.1)",
        ),
        (
            change('"172.30.2.0/24"', '"172.30.0.0/16"'),
            "test.toml: the underlays of cloud a and cloud b overlap",
        ),
        (
            change("gateway = true", "gateway = false"),
            "test.toml: cloud a: one hypervisor must be a gateway, or no router reaches the internet",
        ),
    ],
)
def test_a_wrong_topology_is_refused_with_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Refusal) as refusal:
        read(text, "test.toml")
    assert str(refusal.value) == sentence


def test_clouds_speak_the_families_that_the_file_says() -> None:
    assert topology().families == (Family.EVPN,)
    everything = topology(f'families = ["vpnv6", "vpnv4", "evpn"]\n{default_text()}')
    assert everything.families == (Family.EVPN, Family.VPNV4, Family.VPNV6), "in one order, however they are said"
    [a, b] = everything.clouds
    assert [one.families for one in everything.neighbours(a)] == [everything.families], "the other cloud's reflector"
    assert "neighbor 172.30.2.11 peer-group PE" in frr.configuration(b, b.reflectors[0], everything)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"frr"', '"bird"', 'cloud a: BIRD reflects no EVPN: say families = ["vpnv4", "vpnv6"]'),
        ('["evpn", "vpnv4", "vpnv6"]', '["evpn"]', "PE c: a carrier speaks none of the families"),
    ],
)
def test_families_that_a_reflector_or_a_pe_does_not_speak_are_refused(old: str, new: str, sentence: str) -> None:
    text = locate("one-cloud").read_text()
    assert old in text
    with pytest.raises(Refusal) as refusal:
        read(text.replace(old, new), "test.toml")
    assert str(refusal.value) == f"test.toml: {sentence}"


def test_an_unknown_topology_names_those_there_are() -> None:
    with pytest.raises(
        Refusal, match="there is no topology 'three': give a file, or one of: kernel, one-cloud, two-clouds"
    ):
        locate("three")


def test_an_unknown_cloud_names_those_there_are() -> None:
    with pytest.raises(Refusal, match=r"no cloud 'c' in this lab \(there are: a, b\)"):
        topology().cloud("c")
