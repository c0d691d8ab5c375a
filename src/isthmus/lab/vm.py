"""VMs: a namespace each, plugged into br-int of its hypervisor as Nova would plug it, configured by DHCP and RA.

Order matters for speed, not for correctness: the NIC goes up only when OVN has installed the port's flows, so that
the first DHCP discover and router solicitation are answered instead of repeated after seconds.
A record per VM (JSON in the lab's directory) is written before anything is made, so `delete` and `status` find it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import openstack
import openstack.config

from isthmus.lab import dhcp, netns
from isthmus.lab.access import ADMIN
from isthmus.lab.fault import Refusal
from isthmus.lab.guests import switch as guests
from isthmus.lab.lab import Lab
from isthmus.lab.network import End, Network, Sysctl, Veth, namespace_of
from isthmus.lab.neutron import cloud_name
from isthmus.lab.plan import ovs_env
from isthmus.lab.process import Started
from isthmus.lab.topology import Cloud

NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
OWNER = "compute:lab"
READY_WITHIN_S = 40.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A VM to make."""

    cloud: str
    name: str
    host: str
    """Its hypervisor, as the topology calls it: `h1`."""
    network: str
    project: str | None = None
    """Whose port it is; the network's project if not said."""
    fixed_ips: tuple[str, ...] = ()
    security_groups: tuple[str, ...] | None = None
    """Ids; the project's default group if not said."""
    port_security: bool = True
    advertised: bool = True
    """Whether somebody sends router advertisements on the network. If not, no IPv6 address is waited for."""


@dataclass(frozen=True, slots=True)
class Vm:
    """A VM that was made."""

    cloud: str
    name: str
    host: str
    port_id: str
    mac: str
    addresses: tuple[str, ...]

    @property
    def node(self) -> str:
        """Its name for `isthmus-lab exec`."""
        return f"{self.cloud}-{self.name}"

    @property
    def site_node(self) -> str:
        return f"{self.cloud}-{self.host}"

    @property
    def tap(self) -> str:
        """The hypervisor's end of the NIC, named as Nova names it."""
        return f"tap{self.port_id[:11]}"

    def address(self, version: int) -> str | None:
        """Its first address of that IP version."""
        return next((a for a in self.addresses if (":" in a) == (version == 6)), None)


def connect(lab: Lab, cloud: Cloud, user: str = ADMIN) -> Any:
    """The SDK, as admin or as a tenant of that cloud."""
    files = openstack.config.OpenStackConfig(config_files=[str(lab.places.clouds_yaml)])
    return openstack.connection.Connection(config=files.get_one(cloud=cloud_name(cloud, user)))


def add(lab: Lab, wishes: Sequence[Wish], *, connection: Any = None) -> list[Vm]:
    """Make these VMs of one cloud, all at once; returns when each port is ACTIVE and each address is in use."""
    assert len({wish.cloud for wish in wishes}) == 1, "one cloud at a time: one connection serves all"
    cloud = lab.topology.cloud(wishes[0].cloud)
    _check(lab, wishes)
    api = connection or connect(lab, cloud)
    vms = []
    for wish in wishes:
        port = api.network.create_port(**_port(api, lab, wish))
        addresses = tuple(ip["ip_address"] for ip in port.fixed_ips)
        vm = Vm(wish.cloud, wish.name, wish.host, port.id, port.mac_address, addresses)
        _record(lab, vm).write_text(json.dumps(asdict(vm)))
        vms.append(vm)
    _plug(lab, vms)
    clients = {vm.node: _switch_on(lab, vm) for vm in vms}
    for wish, vm in zip(wishes, vms, strict=True):
        _await(lab, api, vm, clients[vm.node], wish.advertised)
    return vms


def delete(lab: Lab, vms: Iterable[Vm], *, connection: Any = None) -> None:
    """Remove VMs of one cloud with their ports; one that is half there is removed as well."""
    vms = list(vms)
    if not vms:
        return
    api = connection or connect(lab, lab.topology.cloud(vms[0].cloud))
    for vm in vms:
        lab.processes.kill(dhcp.client(vm.node, lab.places).name)
    for site_node, group in _by_site(vms):
        words = [word for vm in group for word in ("--", "--if-exists", "del-port", "br-int", vm.tap)]
        lab.processes.run("VMs", ["ovs-vsctl", *words[1:]], env=ovs_env(lab.places.of(site_node)))
        if (site := lab.site(site_node)).in_guest:
            for vm in group:
                guests.unplug(site, vm.tap, lab.processes)
    present = netns.present()
    netns.delete([vm.node for vm in vms if vm.node in present], lab.processes)
    for vm in vms:
        api.network.delete_port(vm.port_id, ignore_missing=True)
        _record(lab, vm).unlink(missing_ok=True)
        lab.places.log(dhcp.client(vm.node, lab.places).name).unlink(missing_ok=True)


def move(lab: Lab, vm: Vm, host: str, *, connection: Any = None) -> Vm:
    """To another hypervisor of its cloud, running: the port is bound there, its cable follows."""
    api = connection or connect(lab, lab.topology.cloud(vm.cloud))
    moved = replace(vm, host=host)
    origin, site = lab.site(vm.site_node), lab.site(moved.site_node)
    target = site.node
    api.network.update_port(vm.port_id, binding_host_id=target)
    gone = ["ovs-vsctl", "--if-exists", "del-port", "br-int", vm.tap]
    lab.processes.run(f"VM {vm.node}", gone, env=ovs_env(lab.places.of(vm.site_node)))
    if origin.in_guest:
        guests.unplug(origin, vm.tap, lab.processes)
    across = ["ip", "-n", namespace_of(vm.site_node), "link", "set", vm.tap, "netns", namespace_of(target)]
    lab.processes.run(f"VM {vm.node}", across)
    lab.processes.run(f"VM {vm.node}", ["ip", "-n", namespace_of(target), "link", "set", vm.tap, "up"])
    if site.in_guest:
        guests.plug(site, vm.tap, lab.processes)
    lab.processes.run(f"VM {vm.node}", ["ovs-vsctl", *_plugging(moved)[1:]], env=ovs_env(lab.places.of(target)))
    _record(lab, moved).write_text(json.dumps(asdict(moved)))
    return moved


def all_of(lab: Lab) -> list[Vm]:
    """Every VM of the lab, by its records."""
    raw = [json.loads(path.read_text()) for path in sorted(lab.places.vms.glob("*.json"))]
    return [Vm(**{**fields, "addresses": tuple(fields["addresses"])}) for fields in raw]


def find(lab: Lab, cloud: str, name: str) -> Vm:
    """The VM of that name, or a Refusal."""
    for vm in all_of(lab):
        if (vm.cloud, vm.name) == (cloud, name):
            return vm
    raise Refusal(f"cloud {cloud} has no VM '{name}' (isthmus-lab status lists them)")


def _check(lab: Lab, wishes: Sequence[Wish]) -> None:
    taken = {*lab.plan.nodes, *(vm.node for vm in all_of(lab))}
    for wish in wishes:
        lab.site(f"{wish.cloud}-{wish.host}")
        if not NAME.fullmatch(wish.name):
            raise Refusal(f"'{wish.name}' is not a name for a VM: small letters, digits and hyphens, a letter first")
        node = f"{wish.cloud}-{wish.name}"
        if node in taken:
            raise Refusal(f"the lab has a node '{node}' already: choose another name for the VM")
        taken.add(node)


def _record(lab: Lab, vm: Vm) -> Any:
    return lab.places.vms / f"{vm.node}.json"


def _port(api: Any, lab: Lab, wish: Wish) -> dict[str, Any]:
    network = api.network.find_network(wish.network)
    if network is None:
        raise Refusal(f"cloud {wish.cloud} has no network '{wish.network}'")
    port: dict[str, Any] = {
        "name": wish.name,
        "network_id": network.id,
        "project_id": wish.project or network.project_id,
        "device_owner": OWNER,
        "device_id": wish.name,
        "binding_host_id": lab.site(f"{wish.cloud}-{wish.host}").node,
    }
    if wish.fixed_ips:
        port["fixed_ips"] = [{"ip_address": address} for address in wish.fixed_ips]
    if not wish.port_security:
        port |= {"is_port_security_enabled": False, "security_group_ids": []}
    elif wish.security_groups is not None:
        port["security_group_ids"] = list(wish.security_groups)
    return port


def _plug(lab: Lab, vms: Sequence[Vm]) -> None:
    """Namespaces and cables; one OVS transaction a hypervisor; then wait until OVN has installed every port."""
    netns.apply(_network(lab, vms), lab.processes)
    groups = list(_by_site(vms))
    for site_node, group in groups:
        if (site := lab.site(site_node)).in_guest:
            for vm in group:
                guests.plug(site, vm.tap, lab.processes)
    for site_node, group in groups:
        words = []
        for vm in group:
            words += _plugging(vm)
        lab.processes.run("VMs", ["ovs-vsctl", *words[1:]], env=ovs_env(lab.places.of(site_node)))
    for site_node, group in groups:
        for vm in group:
            wait = ["ovs-vsctl", "--timeout=30", "wait-until", "Interface", vm.tap, "external_ids:ovn-installed=true"]
            lab.processes.run(f"VM {vm.node}", wait, env=ovs_env(lab.places.of(site_node)))


def _plugging(vm: Vm) -> list[str]:
    """What Nova's driver would say to Open vSwitch, words of `ovs-vsctl`."""
    ids = {"iface-id": vm.port_id, "attached-mac": vm.mac, "iface-status": "active", "vm-id": vm.name}
    words = ["--", "add-port", "br-int", vm.tap, "--", "set", "Interface", vm.tap]
    return words + [f'external_ids:{key}="{value}"' for key, value in ids.items()]


def _cable(lab: Lab, vm: Vm) -> Veth:
    """To a switch that forwards in a kernel it may give packets larger than a frame, as to a tap device."""
    large = lab.site(vm.site_node).in_guest
    nic = End(vm.node, dhcp.NIC, mac=vm.mac, up=False, offloads=large)
    return Veth(nic, End(vm.site_node, vm.tap, offloads=large))


def _network(lab: Lab, vms: Sequence[Vm]) -> Network:
    """The NIC stays down for now. forwarding=0 and accept_ra=1: a host, whatever the machine itself is set to."""
    settings = (
        ("net/ipv6/conf/all/forwarding", "0"),
        (f"net/ipv6/conf/{dhcp.NIC}/accept_ra", "1"),
        (f"net/ipv6/conf/{dhcp.NIC}/use_tempaddr", "0"),
        (f"net/ipv6/conf/{dhcp.NIC}/addr_gen_mode", "0"),
        (f"net/ipv6/conf/{dhcp.NIC}/router_solicitation_delay", "0"),
    )
    return Network(
        nodes=tuple(vm.node for vm in vms),
        veths=tuple(_cable(lab, vm) for vm in vms),
        sysctls=tuple(Sysctl(vm.node, key, value) for vm in vms for key, value in settings),
    )


def _switch_on(lab: Lab, vm: Vm) -> list[Started]:
    """The NIC up, and the DHCP client if the port has an IPv4 address."""
    lab.processes.run(f"VM {vm.node}", ["ip", "-n", namespace_of(vm.node), "link", "set", dhcp.NIC, "up"])
    return [lab.processes.start(dhcp.client(vm.node, lab.places))] if vm.address(4) else []


def _await(lab: Lab, api: Any, vm: Vm, clients: list[Started], advertised: bool) -> None:
    part, wanted = f"VM {vm.node}", [a for a in vm.addresses if advertised or ":" not in a]
    lab.processes.until(
        part,
        f"addresses {', '.join(wanted)} on its NIC",
        partial(_unconfigured, lab, vm, wanted),
        within_s=READY_WITHIN_S,
        watch=clients,
    )
    lab.processes.until(part, "its port to be ACTIVE", partial(_inactive, api, vm), within_s=READY_WITHIN_S)


def _unconfigured(lab: Lab, vm: Vm, wanted: list[str]) -> str | None:
    """None if these addresses are on the NIC and usable."""
    text = lab.processes.run(
        f"VM {vm.node}", ["ip", "-n", namespace_of(vm.node), "-j", "addr", "show", "dev", dhcp.NIC]
    )
    usable = {a["local"] for link in json.loads(text) for a in link.get("addr_info", []) if not a.get("tentative")}
    missing = [address for address in wanted if address not in usable]
    return f"missing {', '.join(missing)}; it has {', '.join(sorted(usable)) or 'none'}" if missing else None


def _inactive(api: Any, vm: Vm) -> str | None:
    port = api.network.get_port(vm.port_id)
    return None if port.status == "ACTIVE" else f"the port is {port.status}, bound as {port.binding_vif_type}"


def _by_site(vms: Iterable[Vm]) -> Iterator[tuple[str, list[Vm]]]:
    groups: dict[str, list[Vm]] = {}
    for vm in vms:
        groups.setdefault(vm.site_node, []).append(vm)
    yield from groups.items()
