"""PEs that are not ours, as the lab plans and configures them; nothing is started."""

from __future__ import annotations

import tomllib
from ipaddress import IPv4Address

import pytest

from isthmus.lab import frr, gobgp, hypervisor
from isthmus.lab.fault import Refusal
from isthmus.lab.guests import carrier, fabric, guest, mpls
from isthmus.lab.guests import pe as pes
from isthmus.lab.guests.guest import Session
from isthmus.lab.network import namespace_of
from isthmus.lab.pe import Pe
from isthmus.lab.plan import Plan
from isthmus.lab.topology import Topology, locate, read
from tests.lab import build

WORLD = locate("world").read_text()
PLAN: Plan = build.plan(text=WORLD)


def of(name: str) -> Pe:
    found = PLAN.topology.pe(name)
    assert found is not None
    return found


C, D = of("c"), of("d")


def test_the_world_is_the_two_clouds_with_a_carrier_and_a_fabric() -> None:
    assert [(c.name, c.asn) for c in PLAN.topology.clouds] == [(c.name, c.asn) for c in build.topology().clouds]
    assert [(pe.name, pe.kind.value, pe.asn) for pe in PLAN.topology.pes] == [
        ("c", "carrier", 64514),
        ("d", "fabric", 64515),
    ]
    assert {vrf.name for vrf in C.vrfs} == {vrf.name for vrf in D.vrfs} == {"red", "twin", "spoke"}


def test_a_pe_has_a_namespace_of_cables_and_each_customer_one_of_his_own() -> None:
    assert {"c", "c-red", "c-twin", "c-spoke", "d", "d-red"} <= set(PLAN.nodes)
    ends = {(e.node, e.device) for v in PLAN.network.veths for e in v if e.node == "c"}
    assert ends == {("c", device) for device in ("nic", "ctl", "lab", "red", "twin", "spoke")}
    assert PLAN.daemon("c").node == "c"


def test_the_kernel_of_a_guest_is_told_its_cables_in_the_order_of_its_nics() -> None:
    argv = PLAN.daemon("d").argv
    nics = [word for word in argv if word.startswith("vec")]
    assert [nic.split(",")[1] for nic in nics] == [f"ifname={cable}" for cable in guest.cables(D)]
    macs = [nic.split("mac=")[1].split(",")[0] for nic in nics]
    assert len({*macs, D.router_mac, C.router_mac}) == len(macs) + 2, "no two of them are the same"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "d"', 'name = "c"', "the name 'c' of a PE stands twice"),
        ("64515", "64513", "AS 64513 stands twice: the clouds would refuse each other's routes"),
        ("172.30.4.0/24", "172.30.3.0/24", "PE d: 172.30.4.11 is no address of its underlay 172.30.3.0/24 beside the "
         "WAN router's"),
        ('"172.30.4.11"', '"172.30.4.1"', "PE d: 172.30.4.1 is no address of its underlay 172.30.4.0/24 beside the WAN "
         "router's"),
        ("vni = 5006\n", "", "PE d, VRF twin: a fabric needs a vni"),
        ('kind = "fabric"', 'kind = "carrier"', "PE d, VRF red: a carrier has labels, and no vni"),
        ('ipv4 = "10.25.0.0/24"', 'mpls = ["64512:17"]\nipv4 = "10.25.0.0/24"',
         "PE c, VRF spoke: a carrier's import and export are of MPLS already"),
        ('name = "twin"', 'name = "nic"', "PE c: the VRF name 'nic' is the lab's own"),
        ('name = "twin"', 'name = "red"', "PE c: the VRF name 'red' stands twice"),
    ],
)  # fmt: skip
def test_a_pe_that_makes_no_sense_is_refused_with_one_sentence(old: str, new: str, sentence: str) -> None:
    assert old in WORLD
    with pytest.raises(Refusal) as refusal:
        read(WORLD.replace(old, new), "test.toml")
    assert str(refusal.value) == f"test.toml: {sentence}"


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_a_carrier_sends_labelled_packets_to_every_other_pe_by_one_device() -> None:
    others = pes.endpoints(C, PLAN.topology)
    assert others == [IPv4Address(a) for a in ("172.30.1.11", "172.30.1.12", "172.30.2.11", "172.30.2.12", D.address)]
    script = list(carrier.network(C, others, 1400))
    assert "ip link set mgre up mtu 1376" in script, "less IPv4 and GRE; the kernel adds the label"
    assert all(f"ip neigh replace {one} lladdr {one} dev mgre nud permanent" in script for one in others)
    said = lines(carrier.configuration(C, others, []))
    for one in others:
        stands_for = mpls.stand_in(one)
        here = said.index(f"match ipv6 next-hop address ::ffff:{one}")
        assert f"set ipv6 next-hop global {stands_for}" in said[here : here + 3]
        assert {f"ip route {one}/32 mgre", f"ipv6 route {stands_for}/128 mgre"} <= set(said)
    labels = [line for line in said if line.startswith("label vpn export")]
    assert len(set(labels)) == 2 * len(C.vrfs), "one for each VRF and IP version"
    assert all(16 <= int(line.split()[-1]) < mpls.LABELS for line in labels)


def test_a_fabric_sends_with_its_vrfs_own_vni_and_router_mac() -> None:
    script = list(fabric.network(D, [], 1400))
    assert f"ip link set br5005 address {D.router_mac}" in script
    assert "ip link set br5005 mtu 1350" in script
    assert "ip link set vec2 master br6005 up" in script, "the subnet of red is stretched"
    assert "ip link set vec3 master twin up" in script, "the one of twin is routed"
    said = lines(fabric.configuration(D, [], []))
    assert said[said.index("vrf red") + 1] == "vni 5005"
    assert {"route-target import 64512:5", "route-target export 64512:5", "advertise ipv6 unicast"} <= set(said)


def test_a_border_leaf_exchanges_labels_with_the_carrier_under_targets_that_no_cloud_imports() -> None:
    others = pes.endpoints(D, PLAN.topology)
    assert others == [C.address], "hypervisors have VXLAN with it"
    assert "ip link set mgre up mtu 1376" in fabric.network(D, others, 1400)
    said = lines(fabric.configuration(D, others, []))
    assert [line for line in said if line.startswith("rt vpn")] == [
        f"rt vpn {way} {target}" for target in ("64512:15", "64512:16") for _ in (4, 6) for way in ("import", "export")
    ]
    theirs = {target for one in D.vrfs for target in one.mpls}
    assert theirs <= {target for one in C.vrfs for target in one.imports} & {t for one in C.vrfs for t in one.exports}
    assert not theirs & {target for one in D.vrfs for target in (*one.imports, *one.exports)}


def test_a_leaf_without_targets_for_mpls_speaks_evpn_alone() -> None:
    plain = build.plan(text="\n".join(line for line in WORLD.splitlines() if not line.startswith("mpls")))
    d = plain.topology.pe("d")
    assert d is not None and not d.labels
    said = [line for line in fabric.network(d, [], 1400) if "modprobe" not in line]
    assert not [line for line in said if "mgre" in line or "mpls" in line]
    assert " vpn" not in fabric.configuration(d, [], [])
    assert d.address not in pes.endpoints(C, plain.topology)


@pytest.mark.parametrize("pe", [C, D], ids=["carrier", "fabric"])
def test_a_pe_passes_nobodys_routes_on(pe: Pe) -> None:
    """FRR would, with its own address as next hop and the label of whoever said it."""
    reflectors = [Session(IPv4Address("172.30.1.5"), ("neighbor 172.30.1.5 remote-as 64512",))]
    text = (carrier if pe is C else fabric).configuration(pe, [], reflectors)
    said = lines(text)
    assert "bgp as-path access-list OWN permit ^$" in said
    out = [line.split()[-2] for line in said if line.endswith(" out")]
    assert len(out) == said.count("neighbor 172.30.1.5 activate") > 0
    for name in out:
        assert said[said.index(f"route-map {name} permit 10") + 1] == "match as-path OWN"


def test_reflectors_talk_to_each_pe_in_its_own_families_and_filter_it_as_any_other_cloud() -> None:
    a = PLAN.topology.clouds[0]
    said = lines(frr.configuration(a, a.reflectors[0], PLAN.topology))
    both = {str(C.address), str(D.address)}
    for family, addresses in {"l2vpn evpn": {str(D.address)}, "ipv4 vpn": both, "ipv6 vpn": both}.items():
        part = said[said.index(f"address-family {family}") :]
        part = part[: part.index("exit-address-family")]
        for address in addresses:
            assert {f"neighbor {address} activate", f"neighbor {address} route-map AGREED in"} <= set(part)
            assert f"neighbor {address} attribute-unchanged next-hop" in part
        assert not any(f"neighbor {other} activate" in part for other in both - addresses)
    reflector = tomllib.loads(gobgp.configuration(a, a.reflectors[0], PLAN.topology))
    families = {
        n["config"]["neighbor-address"]: [f["config"]["afi-safi-name"] for f in n["afi-safis"]]
        for n in reflector["neighbors"]
    }
    assert families["172.30.3.11"] == ["l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"]
    everything = ["l2vpn-evpn", "l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"]
    assert families["172.30.4.11"] == families["172.30.2.5"] == everything


@pytest.mark.parametrize(("kind", "waits"), [("frr", False), ("gobgp", True)])
def test_a_pe_is_dialled_by_a_reflector_that_does_not_wait_for_it(kind: str, waits: bool) -> None:
    """FRR as a helper of a restart dials once; two FRR would wait for each other."""
    one = build.topology(locate("one-cloud").read_text().replace('"frr"', f'"{kind}"'))
    assert ("neighbor 172.30.1.5 passive" in lines(pes.configuration(one.pes[0], one))) is waits


def test_a_hypervisor_speaks_every_family_and_its_reflector_knows_it_by_name() -> None:
    said = tomllib.loads(hypervisor.agent_configuration(PLAN.sites[0], PLAN.places))
    assert said["bgp"] == {"families": ["evpn", "vpnv4", "vpnv6"]}
    a = PLAN.topology.clouds[0]
    reflector = lines(frr.configuration(a, a.reflectors[0], PLAN.topology))
    assert {"neighbor 172.30.1.11 peer-group PE", "neighbor 172.30.1.12 peer-group PE"} <= set(reflector)
    assert not any(line.startswith("bgp listen") for line in reflector)
    assert reflector.count("neighbor PE route-reflector-client") == 3, "in each family"


def test_an_agent_trusts_a_pe_with_its_own_underlay_and_another_cloud_with_the_pes_that_it_passes_on() -> None:
    said = tomllib.loads(hypervisor.agent_configuration(PLAN.sites[0], PLAN.places))
    assert said["clouds"][0]["tunnel_endpoints"] == ["172.30.2.0/24", str(C.underlay), str(D.underlay)]
    assert said["clouds"][1:] == [
        {"as": pe.asn, "accept_targets": ["64512:1-99"], "tunnel_endpoints": [str(pe.underlay)]} for pe in (C, D)
    ]
    assert said["reflectors"][0]["tunnel_endpoints"][2:] == [str(C.underlay), str(D.underlay)]


def test_a_lab_without_pes_is_as_it_was() -> None:
    plain: Topology = build.topology()
    assert plain.pes == ()
    a = plain.clouds[0]
    assert "bgp" not in tomllib.loads(hypervisor.agent_configuration(build.plan().sites[0], PLAN.places))
    assert "bgp listen range 172.30.1.0/24 peer-group PE" in frr.configuration(a, a.reflectors[0], plain)
    assert " vpn" not in frr.configuration(a, a.reflectors[0], plain)
    assert namespace_of("c") not in {namespace_of(node) for node in build.plan().nodes}
