"""The plan joins everything and stays inside the lab's own directory, namespaces and addresses."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_interface
from pathlib import Path

import pytest

from isthmus.lab.fault import Refusal
from isthmus.lab.places import DEFAULT_ROOT, SOCKET_PATH_MAX, Places
from tests.lab.build import default_text, plan

PLAN = plan()


def test_every_part_of_the_picture_has_its_namespace() -> None:
    assert set(PLAN.nodes) == {
        *("wan", "a-rr", "a-internet", "a-h1", "a-h2"),
        *("b-rr", "b-internet", "b-h1", "b-h2"),
    }


def test_device_names_are_unique_in_their_namespace_and_fit_the_kernel() -> None:
    network = PLAN.network
    devices = [(e.node, e.device) for v in network.veths for e in v] + [(b.node, b.device) for b in network.bridges]
    assert [name for name, count in Counter(devices).items() if count > 1] == []
    assert max(len(device) for _, device in devices) <= 15  # IFNAMSIZ less the closing zero


def test_every_cable_ends_in_namespaces_and_on_bridges_that_exist() -> None:
    network = PLAN.network
    bridges = {(b.node, b.device) for b in network.bridges}
    for end in (e for v in network.veths for e in v):
        assert end.node in network.nodes
        assert end.bridge is None or (end.node, end.bridge) in bridges


def test_each_underlay_hangs_on_the_wan_router() -> None:
    addresses = {(a.node, a.device): a.interface for a in PLAN.network.addresses}
    assert addresses["wan", "br-a"] == ip_interface("172.30.1.1/24")
    assert addresses["a-rr", "eth0"] == ip_interface("172.30.1.5/24")
    assert addresses["b-internet", "br-ext"] == ip_interface("198.51.100.1/24")
    on_bridge_a = {v.left.node for v in PLAN.network.veths if v.right.bridge == "br-a"}
    assert on_bridge_a == {"a-rr", "a-h1", "a-h2"}


def test_the_kernel_of_a_hypervisor_does_not_answer_tunnel_packets() -> None:
    settings = {(s.node, s.key): s.value for s in PLAN.network.sysctls}
    assert settings["a-h1", "net/ipv4/conf/nic/rp_filter"] == "1"
    assert settings["a-h1", "net/ipv4/conf/all/rp_filter"] == "0", "the larger value counts, and 2 is loose"


def test_macs_of_hypervisors_are_unique_and_local() -> None:
    macs = [site.mac for site in PLAN.sites]
    assert len(set(macs)) == len(macs)
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs), "locally administered, not a group"


def test_each_daemon_has_its_own_name_and_the_agents_are_among_them() -> None:
    names = [d.name for d in PLAN.daemons]
    assert len(set(names)) == len(names)
    assert {"mariadb", "a-api", "b-periodic", "a-nb", "a-sb", "a-northd", "b-rr", "a-h1-vswitchd", "b-h2-agent"} <= set(
        names
    )


def test_no_daemon_uses_the_systems_own_sockets_or_default_ports() -> None:
    for daemon in PLAN.daemons:
        words = " ".join([*daemon.argv, *daemon.env.values()])
        assert not any(port in words for port in ("3306", ":6640", ":6641", ":6642", "ptcp:", "/var/run", "/run/")), (
            daemon
        )
    for daemon in PLAN.daemons:
        if daemon.argv[0].startswith(("ovs", "ovn")):
            assert Path(daemon.env["OVS_RUNDIR"]).is_relative_to(DEFAULT_ROOT)
            assert daemon.env["OVN_RUNDIR"] == daemon.env["OVS_RUNDIR"]


def test_the_api_listens_on_loopback_of_the_machine_itself() -> None:
    api = PLAN.daemon("a-api")
    assert api.node is None
    assert "127.0.0.1:19696" in api.argv


def test_each_cloud_elects_its_first_api_worker_in_its_own_directory() -> None:
    homes = {PLAN.daemon(name).env["TMPDIR"] for name in ("a-api", "b-api", "a-periodic", "b-periodic")}
    assert len(homes) == 4


def test_a_directory_too_deep_for_unix_sockets_is_refused() -> None:
    with pytest.raises(Refusal, match="10 characters too long for unix sockets: set ISTHMUS_LAB_DIR"):
        room = SOCKET_PATH_MAX - len("/b-internet/ovn-controller.4194304.ctl")
        Places(Path("/" + "x" * (room + 9))).check_sockets(PLAN.nodes)
    Places(DEFAULT_ROOT).check_sockets(PLAN.nodes)


def test_a_third_cloud_is_only_data() -> None:
    third = default_text().split("[[cloud]]\n")[2]
    for old, new in (('"b"', '"c"'), ("64513", "64514"), ("19697", "19698"), ("172.30.2.", "172.30.3.")):
        third = third.replace(old, new)
    three = plan(text=default_text() + "\n[[cloud]]\n" + third)
    assert {"c-h1", "c-h2", "c-rr", "c-internet"} <= set(three.nodes)
