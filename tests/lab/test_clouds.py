"""The base every VPN stands on, with real parts: two clouds come up, work, come up again after a crash, and go away.

No agent runs here: what is seen is Neutron, OVN and the underlay alone. The ladder's own test looks at the rest.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from isthmus.lab import frr, netns, process, vm
from isthmus.lab import lab as whole
from isthmus.lab.lab import Lab
from tests.eventually import eventually

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
]

COMMAND = str(Path(sys.executable).parent / "isthmus-lab")
UP = [COMMAND, "up", "--no-agents"]


def run(*words: str) -> str:
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of our own; somebody else's is not touched."""
    if process.directories_in_use() or netns.present():
        pytest.skip("a lab runs already")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(whole.DIRECTORY_VARIABLE, str(tmp_path_factory.getbasetemp().parent / "isthmus-lab"))
        run(*UP[1:])
        yield whole.find()
        run("down")


@pytest.fixture(scope="module")
def vms(lab: Lab) -> list[vm.Vm]:
    """Two networks of a tenant of cloud a behind one router with a way out, a VM of each on each hypervisor."""
    cloud = lab.topology.cloud("a")
    tenant = vm.connect(lab, cloud, "tenant1").network
    router = tenant.create_router(name="r", external_gateway_info={"network_id": tenant.find_network("public").id})
    for number in (1, 2):
        network = tenant.create_network(name=f"net{number}")
        for subnet in _subnets(number):
            made = tenant.create_subnet(network_id=network.id, **subnet)
            tenant.add_interface_to_router(router, subnet=made.id)
    group = next(iter(tenant.security_groups(name="default")))
    for kind, protocol in (("IPv4", "icmp"), ("IPv6", "ipv6-icmp")):
        tenant.create_security_group_rule(
            security_group_id=group.id, direction="ingress", ether_type=kind, protocol=protocol
        )
    wishes = [vm.Wish("a", f"v{n}-{host}", host, f"net{n}") for n in (1, 2) for host in ("h1", "h2")]
    return vm.add(lab, wishes)


def _subnets(number: int) -> list[dict[str, Any]]:
    slaac = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    return [
        {"ip_version": 4, "cidr": f"10.{number}.0.0/24"},
        {"ip_version": 6, "cidr": f"2001:db8:a:{number}::/64", **slaac},
    ]


def ping(lab: Lab, node: str, address: str | None) -> None:
    """Three in a row arrive, the first few allowed to be lost while OVN and OVS learn their neighbours."""
    assert address is not None

    def answered() -> None:
        command = process.within(node, ["ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", address])
        done = subprocess.run(command, capture_output=True, text=True)
        assert " 0% packet loss" in done.stdout, f"{node} to {address}: {done.stdout}{done.stderr}"

    eventually(answered, within=15)


def test_a_second_up_leaves_a_whole_lab_as_it_is(lab: Lab) -> None:
    before = lab.processes.running()
    assert "the lab is up already" in run(*UP[1:])
    assert lab.processes.running() == before


def test_the_stock_client_works_as_admin_and_as_a_tenant(lab: Lab) -> None:
    client = [str(lab.programs.python_bin / "openstack"), "--os-cloud"]
    environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(lab.places.clouds_yaml)}
    hidden = [*client, "b", "network", "create", "hidden", "-f", "value", "-c", "project_id"]
    seen = [*client, "b-tenant1", "network", "list", "-f", "value", "-c", "Name"]
    ours = [*client, "b", "network", "create", "--project", "tenant1", "ours", "-f", "value", "-c", "project_id"]
    answers = [subprocess.run(c, env=environment, capture_output=True, text=True) for c in (hidden, ours, seen)]
    assert [a.stdout.split() for a in answers] == [["admin"], ["tenant1"], ["ours", "public"]], answers


def test_every_vm_configures_itself_as_its_port_says(lab: Lab, vms: list[vm.Vm]) -> None:
    for each in vms:
        assert [":" in address for address in each.addresses].count(True) == 1
        link = lab.processes.run("test", ["ip", "link", "show", "eth0"], node=each.node)
        assert "mtu 1442" in link, "Geneve over an underlay of 1500"


def test_vms_of_both_networks_reach_one_another_over_both_hypervisors(lab: Lab, vms: list[vm.Vm]) -> None:
    for here, there in permutations(vms, 2):
        ping(lab, here.node, there.address(4))
        ping(lab, here.node, there.address(6))


def test_a_vm_reaches_the_internet_and_its_floating_ip_answers_from_there(lab: Lab, vms: list[vm.Vm]) -> None:
    cloud = lab.topology.cloud("a")
    for each in vms:
        ping(lab, each.node, str(cloud.internet_host))
    api = vm.connect(lab, cloud, "tenant1").network
    floating = api.create_ip(floating_network_id=api.find_network("public").id, port_id=vms[0].port_id)
    ping(lab, "a-internet", floating.floating_ip_address)


def test_hypervisors_of_different_clouds_reach_one_another_over_the_wan(lab: Lab) -> None:
    for here, there in permutations(lab.plan.sites, 2):
        ping(lab, here.node, str(there.hypervisor.address))


def test_the_reflectors_are_established_with_each_other(lab: Lab) -> None:
    a, b = lab.topology.clouds
    assert frr.sessions(a, lab.processes) == {str(b.reflector): "Established"}
    assert frr.sessions(b, lab.processes) == {str(a.reflector): "Established"}


def test_a_removed_vm_leaves_nothing(lab: Lab, vms: list[vm.Vm]) -> None:
    gone = vms[-1]
    run("vm", "del", gone.cloud, gone.name)
    assert gone.node not in netns.present()
    assert gone.tap not in run("exec", gone.site_node, "--", "ovs-vsctl", "list-ports", "br-int").split()
    api = vm.connect(lab, lab.topology.cloud("a")).network
    assert api.find_port(gone.port_id) is None


def test_up_succeeds_after_it_was_killed_and_down_leaves_nothing(lab: Lab) -> None:
    run("down")
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True).stdout
    killed = subprocess.Popen(UP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def under_way() -> None:
        assert "mariadb" in lab.processes.running(), "the database is not started yet"

    eventually(under_way)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    run(*UP[1:])
    assert "the lab is up already" in run(*UP[1:]), "every daemon runs and every namespace is there"
    run("down")
    assert lab.processes.running() == {}
    assert netns.present() == set()
    assert not lab.places.root.exists()
    assert subprocess.run(["ip", "-br", "link"], capture_output=True, text=True).stdout == links
