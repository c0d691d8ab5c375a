"""What the ladder stands on: two tenants' networks, routers and VMs in both clouds, said as data and made by the SDK.

    cloud a, tenant1   red    10.1.0.0/24  router with SNAT      red1 on h1, red2 on h2
                       blue   10.2.0.0/24  router, no gateway    blue1, blue2
                       green  10.3.0.0/24  no router             green1, green2
                       grey   10.4.0.0/24  router; in no VPN     grey1
    cloud b, tenant1   red    10.11.0.0/24 router with SNAT      red1, red2
    tenant2            twin   the prefixes of tenant1's red      twin1 on h1 of a, on h2 of b

Every network has an IPv6 prefix too. Address pools are as large as the VMs are many, so that tenant2's addresses are
tenant1's as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, Protocol

from isthmus.lab import vm
from isthmus.lab.lab import Lab
from isthmus.lab.ladder import service
from isthmus.lab.plan import Daemon
from isthmus.lab.topology import Cloud

FIRST = 10
"""Host number of the first VM of a network."""


class Machine(Protocol):
    """Whoever can be asked and be reached: a VM, or a customer's host behind a PE that is not ours."""

    @property
    def node(self) -> str: ...

    def address(self, version: int) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Net:
    """A network of a tenant, its router if it has one, and the hypervisors of its VMs."""

    cloud: str
    tenant: str
    name: str
    ipv4: str
    ipv6: str
    hosts: tuple[str, ...]
    router: bool = True
    gateway: bool = False

    @property
    def vms(self) -> tuple[str, ...]:
        return tuple(f"{self.name}{number}" for number in range(1, len(self.hosts) + 1))


NETS = (
    Net("a", "tenant1", "red", "10.1.0.0/24", "2001:db8:a1::/64", ("h1", "h2"), gateway=True),
    Net("a", "tenant1", "blue", "10.2.0.0/24", "2001:db8:a2::/64", ("h1", "h2")),
    Net("a", "tenant1", "green", "10.3.0.0/24", "2001:db8:a3::/64", ("h1", "h2"), router=False),
    Net("a", "tenant1", "grey", "10.4.0.0/24", "2001:db8:a4::/64", ("h1",)),
    Net("b", "tenant1", "red", "10.11.0.0/24", "2001:db8:b1::/64", ("h1", "h2"), gateway=True),
    Net("a", "tenant2", "twin", "10.1.0.0/24", "2001:db8:a1::/64", ("h1",)),
    Net("b", "tenant2", "twin", "10.11.0.0/24", "2001:db8:b1::/64", ("h2",)),
)


@dataclass(slots=True)
class Ground:
    """What was made, by name."""

    lab: Lab
    vms: dict[str, vm.Vm] = field(default_factory=dict)
    """By node: `a-red1`."""
    networks: dict[tuple[str, str], Any] = field(default_factory=dict)
    """By cloud and name."""
    routers: dict[tuple[str, str], Any] = field(default_factory=dict)
    """By cloud and the name of its network."""
    _admin: dict[str, Any] = field(default_factory=dict)

    def admin(self, cloud: str) -> Any:
        """The SDK as admin of that cloud; one connection each."""
        if cloud not in self._admin:
            self._admin[cloud] = vm.connect(self.lab, self.lab.topology.cloud(cloud))
        return self._admin[cloud]

    def of(self, *names: str) -> list[vm.Vm]:
        """The VMs of those networks, `a-red` form, in order."""
        return [found for node, found in self.vms.items() if node.rstrip("0123456789") in names]


def build(ground: Ground, nets: Sequence[Net] = NETS) -> None:
    """All of these networks, both clouds at once. Raises what the SDK raises, PartFailed if a VM does not come up."""
    clouds = ground.lab.topology.clouds
    with ThreadPoolExecutor(len(clouds)) as pool:
        for _ in pool.map(lambda cloud: _build_cloud(ground, cloud, nets), clouds):
            pass


def _build_cloud(ground: Ground, cloud: Cloud, nets: Sequence[Net]) -> None:
    api = ground.admin(cloud.name)
    public = api.network.find_network("public")
    nets = [net for net in nets if net.cloud == cloud.name]
    for tenant in sorted({net.tenant for net in nets}):
        _open_default_group(api, tenant)
    for net in nets:
        _build_net(ground, api, net, public.id)
    # A guest's kernel has no zones of conntrack, and so no hypervisor of its cloud gets what OVN tracks with them.
    guarded = not any(site.in_guest for site in ground.lab.plan.sites if site.cloud is cloud)
    wishes = [
        vm.Wish(
            cloud.name,
            name,
            host,
            ground.networks[net.cloud, net.name].id,
            port_security=guarded,
            advertised=net.router,
        )
        for net in nets
        for name, host in zip(net.vms, net.hosts, strict=True)
    ]
    made = vm.add(ground.lab, wishes, connection=api)
    for one in sorted(made, key=lambda v: v.node):
        ground.vms[one.node] = one
        serve(ground.lab, one.node)
    serve(ground.lab, f"{cloud.name}-internet")


def serve(lab: Lab, node: str) -> None:
    """Start the little service in a node."""
    python = str(lab.programs.python_bin / "python")
    lab.processes.start(Daemon(f"{node}-service", (python, "-m", service.__name__, node), node))


def _open_default_group(api: Any, tenant: str) -> None:
    """What a user who wants to be reached by ping, TCP and UDP does with the default security group."""
    group = next(iter(api.network.security_groups(name="default", project_id=tenant)))
    opened = [("IPv4", "icmp"), ("IPv6", "ipv6-icmp")]
    opened += [(ether, protocol) for ether in ("IPv4", "IPv6") for protocol in ("tcp", "udp")]
    for ether, protocol in opened:
        api.network.create_security_group_rule(
            security_group_id=group.id, direction="ingress", ether_type=ether, protocol=protocol, project_id=tenant
        )


def _build_net(ground: Ground, api: Any, net: Net, public: str) -> None:
    network = api.network.create_network(name=net.name, project_id=net.tenant)
    ground.networks[net.cloud, net.name] = network
    subnets = [api.network.create_subnet(**body) for body in _subnets(net, network.id)]
    if not net.router:
        return
    router = api.network.create_router(
        name=net.name,
        project_id=net.tenant,
        external_gateway_info={"network_id": public} if net.gateway else None,
    )
    ground.routers[net.cloud, net.name] = router
    for subnet in subnets:
        api.network.add_interface_to_router(router, subnet_id=subnet.id)


def _subnets(net: Net, network: str) -> Iterable[dict[str, Any]]:
    hosts = IPv4Network(net.ipv4)
    pool = {"start": str(hosts[FIRST]), "end": str(hosts[FIRST + len(net.hosts) - 1])}
    common = {"network_id": network, "project_id": net.tenant, "name": net.name}
    yield common | {"ip_version": 4, "cidr": net.ipv4, "allocation_pools": [pool], "gateway_ip": str(hosts[1])}
    yield common | {"ip_version": 6, "cidr": net.ipv6, "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
