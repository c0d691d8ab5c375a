"""The files the lab writes, read back by the formats' own parsers."""

from __future__ import annotations

import configparser
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import yaml

from isthmus.lab import bird, frr, gobgp, hypervisor, mariadb, neutron
from isthmus.lab.plan import Plan
from isthmus.lab.topology import ReflectorKind, locate
from tests.lab.build import PROGRAMS, default_text, plan, topology

PLAN = plan()
A, B = PLAN.topology.clouds

SHIPPED_PASTE = """[composite:neutron]
use = egg:Paste#urlmap
/: neutronversions_composite
/v2.0: neutronapi_v2_0

[composite:neutronapi_v2_0]
use = call:neutron.auth:pipeline_factory
noauth = cors http_proxy_to_wsgi request_id fake_project_id catch_errors osprofiler extensions neutronapiapp_v2_0
keystone = cors catch_errors osprofiler authtoken keystonecontext extensions neutronapiapp_v2_0
"""


def ini(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(delimiters=("=", ":"), interpolation=None)
    parser.read_string(text)
    return parser


def test_neutron_conf_names_the_site_and_its_own_schema() -> None:
    conf = ini(neutron.neutron_conf(B, 1350, PLAN.places))
    assert conf["isthmus"]["site"] == "64513:1"
    assert conf["DEFAULT"]["service_plugins"] == "ovn-router,bgpvpn"
    assert "/neutron_b?unix_socket=/var/lib/isthmus-lab/mysql/mysql.sock" in conf["database"]["connection"]


def test_a_cloud_may_have_a_vpn_mtu_of_its_own_else_what_fits_the_wan() -> None:
    clouds = PLAN.topology
    assert [clouds.vpn_mtu(cloud) for cloud in clouds.clouds] == [1300, 1350]
    wide = topology(default_text().replace("wan_mtu = 1400", "wan_mtu = 1500"))
    assert [wide.vpn_mtu(cloud) for cloud in wide.clouds] == [1300, None]


def test_neutron_reaches_its_own_ovn_by_unix_sockets() -> None:
    conf = ini(neutron.ml2_conf(A, PLAN.places))
    assert conf["ovn"]["ovn_nb_connection"] == "unix:/var/lib/isthmus-lab/a/ovnnb_db.sock"
    assert conf["ovn"]["ovn_sb_connection"] == "unix:/var/lib/isthmus-lab/a/ovnsb_db.sock"


def test_requests_are_taken_by_their_headers_instead_of_a_fake_admin() -> None:
    paste = neutron.paste_ini(SHIPPED_PASTE, A)
    parsed = ini(paste)
    pipeline = parsed["composite:neutronapi_v2_0"]["noauth"].split()
    assert "fake_project_id" not in pipeline
    assert pipeline.index("lab_access") + 1 == pipeline.index("keystonecontext") < pipeline.index("extensions")
    assert parsed["filter:lab_access"]["tenants"] == "tenant1 tenant2"
    assert parsed["composite:neutron"]["/identity"] == "lab_projects"


def test_clouds_yaml_has_an_entry_for_the_admin_and_each_tenant() -> None:
    clouds = yaml.safe_load(neutron.clouds_yaml(PLAN.topology.clouds))["clouds"]
    assert list(clouds) == ["a", "a-tenant1", "a-tenant2", "b", "b-tenant1", "b-tenant2"]
    assert clouds["a"]["auth"] == {"username": "admin", "password": "lab", "endpoint": "http://127.0.0.1:19696"}
    assert clouds["b-tenant2"]["auth"]["username"] == "tenant2"
    assert clouds["b-tenant2"]["auth_type"] == "http_basic"


def test_the_reflector_takes_its_underlay_as_clients_and_the_others_as_ebgp_peers() -> None:
    lines = [line.strip() for line in frr.configuration(A, A.reflectors[0], PLAN.topology).splitlines()]
    assert "router bgp 64512" in lines
    assert "bgp listen range 172.30.1.0/24 peer-group PE" in lines
    assert "neighbor 172.30.2.5 remote-as 64513" in lines
    family = lines[lines.index("address-family l2vpn evpn") :]
    assert "neighbor PE route-reflector-client" in family
    assert "neighbor 172.30.2.5 attribute-unchanged next-hop" in family


def test_the_clouds_tell_each_other_what_they_have_agreed_on_and_nothing_else() -> None:
    lines = [line.strip() for line in frr.configuration(A, A.reflectors[0], PLAN.topology).splitlines()]
    assert "no bgp ebgp-requires-policy" not in lines
    assert {"neighbor 172.30.2.5 route-map AGREED in", "neighbor 172.30.2.5 route-map AGREED out"} <= set(lines)
    assert {"neighbor PE password inside-a", "neighbor 172.30.2.5 password between-clouds"} <= set(lines)
    assert {"neighbor PE ttl-security hops 1", "neighbor 172.30.2.5 ttl-security hops 2"} <= set(lines)
    said = tomllib.loads(gobgp.configuration(A, A.reflectors[0], PLAN.topology))
    assert said["global"]["apply-policy"]["config"]["import-policy-list"] == ["agreed"]
    assert [n["config"]["auth-password"] for n in said["neighbors"]] == ["inside-a", "inside-a", "between-clouds"]
    assert [n["ttl-security"]["config"]["ttl-min"] for n in said["neighbors"]] == [255, 255, 254]


def test_gobgp_waits_for_what_its_clients_ask_for_unless_it_is_to_show_what_happens_without() -> None:
    waits = {}
    for kind in (ReflectorKind.GOBGP, ReflectorKind.GOBGP_UNDEFERRED):
        said = tomllib.loads(gobgp.configuration(A, replace(A.reflectors[0], kind=kind), PLAN.topology))
        (rtc,) = (f for f in said["neighbors"][0]["afi-safis"] if f["config"]["afi-safi-name"] == "rtc")
        waits[kind] = rtc.get("route-target-membership", {}).get("config", {}).get("deferral-time")
    assert waits == {ReflectorKind.GOBGP: 8, ReflectorKind.GOBGP_UNDEFERRED: None}


def test_bird_reflects_labels_alone_and_takes_next_hops_in_ipv6s_clothes() -> None:
    alone = topology(locate("one-cloud").read_text().replace('"frr"', '"bird"').replace('["evpn", ', "["))
    (cloud,) = alone.clouds
    said = bird.configuration(cloud, cloud.reflectors[0], alone)
    inside, outside = said.partition("protocol bgp other1")[0], said.partition("protocol bgp other1")[2]
    for part, policy in ((inside, "all"), (outside, "filter agreed")):
        channels = [line.strip() for line in part.splitlines() if " mpls {" in line]
        assert [line.split()[0] for line in channels] == ["vpn4", "vpn6"]
        assert all(f"import {policy}; export {policy};" in line for line in channels)
        assert all("extended next hop on;" in line for line in channels)
    assert {"neighbor 172.30.1.11 as 64512;", "neighbor 172.30.1.12 as 64512;"} <= set(
        re.findall("neighbor.*?;", inside)
    )
    assert "rr client;" in inside and 'password "inside-a";' in inside and "multihop 1;" in inside
    assert "rr client;" not in outside and 'password "between-clouds";' in outside and "next hop keep on;" in outside
    assert "(rt, 64512, 1..99), (rt, 65535, 4789)" in inside
    assert "extended" not in bird.configuration(cloud, cloud.reflectors[0], alone, next_hops_in_clothes=False)
    agent = tomllib.loads(hypervisor.agent_configuration(Plan(alone, PLAN.places, PROGRAMS).sites[0], PLAN.places))
    assert agent["bgp"] == {"families": ["vpnv4", "vpnv6"]}


def test_a_lab_of_trusting_neighbours_can_be_had_too() -> None:
    trusting = plan(text=default_text().replace("wary = true", "wary = false"))
    said = tomllib.loads(hypervisor.agent_configuration(trusting.sites[0], trusting.places))
    assert said["reflectors"] == [{"address": "172.30.1.5", "as": 64512, "port": 179, "hold_time_s": 9}]
    assert not {"clouds", "limits"} & said.keys()
    assert "password" not in frr.configuration(A, A.reflectors[0], trusting.topology)
    assert "password" not in gobgp.configuration(A, A.reflectors[0], trusting.topology)


def test_a_lone_cloud_has_a_reflector_without_peers() -> None:
    alone = topology("[[cloud]]".join(default_text().split("[[cloud]]")[:2]))
    assert "attribute-unchanged" not in frr.configuration(alone.clouds[0], alone.clouds[0].reflectors[0], alone)


def test_the_guides_reflector_waits_for_its_clients_as_the_labs_does() -> None:
    guide = (Path(__file__).parent.parent.parent / "docs/operator/install.md").read_text()
    sample = guide.partition("```frr\n")[2].partition("```")[0]
    ours = frr.configuration(A, A.reflectors[0], PLAN.topology)
    [waits] = [line.strip() for line in ours.splitlines() if "coalesce-time" in line]
    assert waits in [line.strip() for line in sample.splitlines()]


def test_the_agents_file_is_what_an_operator_would_write() -> None:
    site = PLAN.sites[0]
    assert tomllib.loads(hypervisor.agent_configuration(site, PLAN.places)) == {
        "agent": {"host": "a-h1", "vtep": "172.30.1.11", "router_id": "172.30.1.11", "as": 64512},
        "reflectors": [
            {
                "address": "172.30.1.5",
                "as": 64512,
                "port": 179,
                "hold_time_s": 9,
                "md5_password": "inside-a",
                "ttl_security_hops": 1,
                "tunnel_endpoints": ["172.30.1.0/24", "172.30.2.0/24"],
            }
        ],
        "clouds": [{"as": 64513, "accept_targets": ["64512:1-99"], "tunnel_endpoints": ["172.30.2.0/24"]}],
        "limits": {"routes_per_target": 250},
        "ovsdb": {
            "endpoint": "unix:/var/lib/isthmus-lab/a-h1/db.sock",
            "bridge": "br-vpn",
            "integration_bridge": "br-int",
            "datapath_type": "netdev",
            "run_dir": "/var/lib/isthmus-lab/a-h1",
        },
        "southbound": {"endpoints": ["unix:/var/lib/isthmus-lab/a/ovnsb_db.sock"]},
        "show": {"socket": "/var/lib/isthmus-lab/a-h1/agent.sock"},
        "metrics": {"listen": "127.0.0.1:9179"},
        "state": {"directory": "/var/lib/isthmus-lab/a-h1"},
    }


def test_only_gateways_are_offered_to_routers() -> None:
    words = {site.node: hypervisor.bridges(site, PLAN.places) for site in PLAN.sites}
    option = 'external_ids:ovn-cms-options="enable-chassis-as-gw"'
    assert [node for node, said in words.items() if option in said] == ["a-h2", "b-h2"]


def test_mariadb_is_reachable_by_its_socket_alone() -> None:
    conf = mariadb.configuration(PLAN.places).splitlines()
    assert "skip-networking" in conf
    assert not any(line.startswith("port") for line in conf)
    assert "socket=/var/lib/isthmus-lab/mysql/mysql.sock" in conf


def test_neutrons_own_pipeline_still_has_the_words_we_replace(neutron_paste: Path) -> None:
    paste = neutron.paste_ini(neutron_paste.read_text(), A)
    assert "lab_access keystonecontext extensions" in paste
    assert "/identity: lab_projects" in paste
