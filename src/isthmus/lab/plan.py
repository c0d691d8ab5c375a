"""From the topology to the network and the daemons of the lab, as values. Nothing here touches the machine.

internet (per cloud)          root namespace: Neutron API, MariaDB (sockets and loopback only)
    | ex                      central (per cloud): OVN databases and northd, unix sockets only
  br-ex   br-int   br-vpn     <- one hypervisor: a namespace with its own OVS
             br-phy
               | nic
[ br-a ]--- wan ---[ br-b ]   the WAN namespace: a bridge per underlay, a router between them
    | eth0
  route reflector (per cloud)      PE that is not ours: a guest with a kernel of its own, its NICs cables of this plan
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface
from pathlib import Path

from isthmus.lab.guests import channel, guest, stand_in
from isthmus.lab.guests.guest import Nic
from isthmus.lab.network import Address, Bridge, DefaultRoute, End, Network, Sysctl, Veth
from isthmus.lab.pe import GATEWAY, HOST, Pe
from isthmus.lab.places import Places
from isthmus.lab.topology import Cloud, Datapath, Hypervisor, Reflector, ReflectorKind, Topology

WAN = "wan"
BGPD = "/usr/lib/frr/bgpd"
GOBGP_API = "127.0.0.1:50051"
MYSQL = "mariadb"
AGENT_FILE, AGENT_METRICS = "agent.toml", "127.0.0.1:9179"
SOUTHBOUND_PORT = 6642
"""For a guest, on its own cable to the lab."""
FIRST_SLOT, SLOTS = 3, 16
"""NICs of a hypervisor's guest that wait for a VM's cable."""
UNTRACKED = "untracked.py"


@dataclass(frozen=True, slots=True)
class Programs:
    """Programs whose place depends on the machine."""

    python_bin: Path
    """Directory of the Python environment that holds Neutron and the openstack client."""
    uwsgi: tuple[str, ...]
    agent: Path


@dataclass(frozen=True, slots=True)
class Daemon:
    """A process that stays: its name is the PART of `isthmus-lab logs`."""

    name: str
    argv: tuple[str, ...]
    node: str | None = None
    """The namespace it runs in; None is the machine's own."""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """A hypervisor in its cloud, with the names derived from both."""

    cloud: Cloud
    hypervisor: Hypervisor
    topology: Topology
    """Who else there is."""

    @property
    def node(self) -> str:
        """Also the chassis name and Neutron's host name."""
        return f"{self.cloud.name}-{self.hypervisor.name}"

    @property
    def mac(self) -> str:
        """Of the underlay NIC and br-phy: locally administered, from the address, so unique in the lab."""
        return "02:1a:" + self.hypervisor.address.packed.hex(":")

    @property
    def in_guest(self) -> bool:
        """Whether its switch forwards in a kernel, and so all of it but its cables is in a guest."""
        return self.hypervisor.datapath is Datapath.KERNEL

    @property
    def datapath_type(self) -> str:
        """In the switch's words."""
        return "system" if self.in_guest else "netdev"

    def command(self, argv: Sequence[str]) -> tuple[str, ...]:
        """What runs that on the hypervisor, in its namespace."""
        return (*stand_in.HOLD, *argv) if self.in_guest else tuple(argv)

    def southbound(self, places: Places) -> str:
        """Where it finds its cloud's southbound database."""
        if self.in_guest:
            return f"tcp:{channel.LAB}:{SOUTHBOUND_PORT}"
        return f"unix:{places.southbound(self.cloud.name)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole lab."""

    topology: Topology
    places: Places
    programs: Programs

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(Site(cloud, h, self.topology) for cloud in self.topology.clouds for h in cloud.hypervisors)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every fixed namespace of the lab; VMs come and go beside them."""
        return self.network.nodes

    @property
    def network(self) -> Network:
        parts = [_wan(self.topology), *(_cloud_network(c) for c in self.topology.clouds)]
        parts.extend(_hypervisor_network(s) for s in self.sites)
        parts.extend(_pe_network(pe, self.topology) for pe in self.topology.pes)
        return merge(parts)

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """All of them, in the order a reader would start them."""
        return tuple(self._daemons())

    def daemon(self, name: str) -> Daemon:
        return next(d for d in self.daemons if d.name == name)

    def _daemons(self) -> Iterator[Daemon]:
        yield mariadb(self.places)
        for cloud in self.topology.clouds:
            yield from central(cloud, self.places)
            yield from (reflector(one, self.places) for one in cloud.reflectors)
            yield api(cloud, self.places, self.programs)
            yield periodic_workers(cloud, self.places, self.programs)
        for site in self.sites:
            if site.in_guest:
                yield from hypervisor_guest(site, self.places, self.programs)
            yield from switch(site, self.places)
            yield agent(site, self.places, self.programs)
        for pe in self.topology.pes:
            yield pe_guest(pe, self.places, self.programs)


def merge(parts: list[Network]) -> Network:
    """One network of all parts, in their order."""
    return Network(
        nodes=tuple(n for p in parts for n in p.nodes),
        bridges=tuple(b for p in parts for b in p.bridges),
        veths=tuple(v for p in parts for v in p.veths),
        addresses=tuple(a for p in parts for a in p.addresses),
        routes=tuple(r for p in parts for r in p.routes),
        sysctls=tuple(s for p in parts for s in p.sysctls),
    )


def internet_node(cloud: Cloud) -> str:
    return f"{cloud.name}-internet"


def _wan(topology: Topology) -> Network:
    bridges = [(one, f"br-{one.name}") for one in topology.members]
    return Network(
        nodes=(WAN,),
        bridges=tuple(Bridge(WAN, device, topology.wan_mtu) for _, device in bridges),
        addresses=tuple(
            Address(WAN, device, IPv4Interface((one.wan_router, one.underlay.prefixlen))) for one, device in bridges
        ),
        sysctls=(Sysctl(WAN, "net/ipv4/ip_forward", "1"), Sysctl(WAN, "net/ipv4/conf/all/rp_filter", "0")),
    )


def _cloud_network(cloud: Cloud) -> Network:
    """The reflectors on the underlay, and the internet beyond br-ex."""
    internet = internet_node(cloud)
    return Network(
        nodes=(*(rr.node for rr in cloud.reflectors), internet),
        bridges=(Bridge(internet, "br-ext"),),
        veths=tuple(
            Veth(End(rr.node, "eth0"), End(WAN, rr.node, bridge=f"br-{cloud.name}")) for rr in cloud.reflectors
        ),
        addresses=(
            *(
                Address(rr.node, "eth0", IPv4Interface((rr.address, cloud.underlay.prefixlen)))
                for rr in cloud.reflectors
            ),
            Address(internet, "br-ext", IPv4Interface((cloud.internet_host, cloud.external.prefixlen))),
        ),
        routes=tuple(DefaultRoute(rr.node, cloud.wan_router) for rr in cloud.reflectors),
        sysctls=(Sysctl(internet, "net/ipv4/ip_forward", "0"),),
    )


def _hypervisor_network(site: Site) -> Network:
    """The two cables of a hypervisor. Its address is given to br-phy, which exists once OVS runs.

    rp_filter: the kernel sees every frame on `nic` too and would answer tunnel packets with "port unreachable";
    strict reverse path filtering drops them, as the route is through br-phy. The kernel takes the larger value of
    `all` and the device, and 2 (loose, systemd's default) would not drop, so `all` is set as well.
    """
    node, cloud = site.node, site.cloud
    mac = None if site.in_guest else site.mac
    cables = Network(
        nodes=(node,),
        veths=(
            Veth(End(node, "nic", mac=mac), End(WAN, node, bridge=f"br-{cloud.name}")),
            Veth(End(node, "ex"), End(internet_node(cloud), node, bridge="br-ext")),
        ),
        sysctls=(
            Sysctl(node, "net/ipv4/ip_forward", "0"),
            Sysctl(node, "net/ipv4/conf/all/rp_filter", "0"),
            Sysctl(node, "net/ipv4/conf/nic/rp_filter", "1"),
            Sysctl(node, "net/ipv6/conf/nic/disable_ipv6", "1"),
            Sysctl(node, "net/ipv6/conf/ex/disable_ipv6", "1"),
        ),
    )
    return merge([cables, _control(node)]) if site.in_guest else cables


def _control(node: str) -> Network:
    """The cable by which a guest is told what to do."""
    return Network(
        veths=(Veth(End(node, guest.CONTROL), End(node, "lab")),),
        addresses=(Address(node, "lab", IPv4Interface((channel.LAB, channel.PREFIX_LENGTH))),),
        sysctls=(Sysctl(node, f"net/ipv6/conf/{guest.CONTROL}/disable_ipv6", "1"),),
    )


def _pe_network(pe: Pe, topology: Topology) -> Network:
    """A namespace of cables that the guest's NICs hang on, the one by which it is told what to do among them; and its
    customers' hosts. The machine's own kernel has no part in what goes over them.

    A customer is told how much his PE carries: Linux (6.1) does not say "too big" to an IPv6 sender in a VRF that the
    way out is no part of.
    """
    hosts = [(pe.host(vrf), vrf) for vrf in pe.vrfs]
    mtu = topology.wan_mtu - pe.overhead
    silent = (guest.UNDERLAY, *(vrf.name for vrf in pe.vrfs))
    cables = Network(
        nodes=(pe.name, *(node for node, _ in hosts)),
        veths=(
            Veth(End(pe.name, guest.UNDERLAY), End(WAN, pe.name, bridge=f"br-{pe.name}")),
            *(Veth(End(pe.name, vrf.name), End(node, "eth0")) for node, vrf in hosts),
        ),
        addresses=(*(Address(node, "eth0", address) for node, vrf in hosts for address in vrf.both(HOST)),),
        routes=tuple(DefaultRoute(node, one.ip, mtu) for node, vrf in hosts for one in vrf.both(GATEWAY)),
        sysctls=(
            Sysctl(pe.name, "net/ipv4/ip_forward", "0"),
            *(Sysctl(pe.name, f"net/ipv6/conf/{device}/disable_ipv6", "1") for device in silent),
        ),
    )
    return merge([cables, _control(pe.name)])


def ovs_env(directory: Path) -> dict[str, str]:
    """Makes OVS and OVN programs keep to `directory`, and their command line tools find the daemons there."""
    where = str(directory)
    return {f"{program}_{kind}": where for program in ("OVS", "OVN") for kind in ("RUNDIR", "LOGDIR", "DBDIR")}


# Console only: the lab collects standard error. Syslog and files of the system are not ours.
OVS_LOGGING = ("-vconsole:info", "-vsyslog:off", "-vfile:off")


def mariadb(places: Places) -> Daemon:
    return Daemon(name=MYSQL, argv=("mariadbd", f"--defaults-file={places.mysql / 'my.cnf'}"))


def central(cloud: Cloud, places: Places) -> tuple[Daemon, ...]:
    """OVN's two databases and northd."""
    home, env = places.of(cloud.name), ovs_env(places.of(cloud.name))
    servers = tuple(
        Daemon(
            name=f"{cloud.name}-{kind}",
            argv=(
                "ovsdb-server",
                f"--remote=punix:{socket}",
                f"--unixctl={home / f'ovn{kind}_db.ctl'}",
                f"--pidfile={home / f'ovn{kind}_db.pid'}",
                *OVS_LOGGING,
                str(home / f"ovn{kind}_db.db"),
            ),
            env=env,
        )
        for kind, socket in (("nb", places.northbound(cloud.name)), ("sb", places.southbound(cloud.name)))
    )
    northd = Daemon(
        name=f"{cloud.name}-northd",
        argv=(
            "ovn-northd",
            f"--ovnnb-db=unix:{places.northbound(cloud.name)}",
            f"--ovnsb-db=unix:{places.southbound(cloud.name)}",
            "--pidfile",
            *OVS_LOGGING,
        ),
        env=env,
    )
    return (*servers, northd)


def reflector(one: Reflector, places: Places) -> Daemon:
    """Whichever speaker the topology names."""
    match one.kind:
        case ReflectorKind.FRR:
            return _bgpd(one, places)
        case ReflectorKind.GOBGP | ReflectorKind.GOBGP_UNDEFERRED:
            return _gobgpd(one, places)
        case ReflectorKind.BIRD:
            return _bird(one, places)


def _gobgpd(one: Reflector, places: Places) -> Daemon:
    """-r: every start says that it is a restart, so what its peers keep for it stays until it knows as much again."""
    home = places.of(one.node)
    argv = ("gobgpd", "-f", f"{home}/gobgpd.toml", "--api-hosts", GOBGP_API, "--pprof-disable", "-p", "-r")
    return Daemon(name=one.node, node=one.node, argv=argv)


def _bird(one: Reflector, places: Places) -> Daemon:
    """-R: as GoBGP's -r."""
    home = places.of(one.node)
    argv = ("bird", "-f", "-R", "-c", f"{home}/bird.conf", "-s", f"{home}/bird.ctl", "-P", f"{home}/bird.pid")
    return Daemon(name=one.node, node=one.node, argv=argv)


def _bgpd(one: Reflector, places: Places) -> Daemon:
    """FRR's bgpd alone: -Z leaves zebra out, it only reflects.

    bgpd keeps crash logs in /var/tmp/frr/bgpd.<pid>, compiled in, and leaves them behind when killed: it gets a
    /var/tmp of its own, in the lab's directory.
    """
    home = places.of(one.node)
    apart = ("unshare", "--mount", "--", "sh", "-c", 'mount --bind "$0" /var/tmp && exec "$@"', f"{home}/var-tmp")
    argv = (BGPD, "-Z", "-S", "-f", f"{home}/bgpd.conf", "-i", f"{home}/bgpd.pid", "--vty_socket", str(home))
    here = ("-l", str(one.address), "-p", "179", "-P", "0")
    return Daemon(name=one.node, node=one.node, argv=(*apart, *argv, *here))


def neutron_files(cloud: Cloud, places: Places) -> tuple[Path, Path]:
    etc = places.of(cloud.name) / "etc"
    return etc / "neutron.conf", etc / "ml2_conf.ini"


def api(cloud: Cloud, places: Places, programs: Programs) -> Daemon:
    """Neutron's API. uWSGI's --http-socket closes after each answer without saying so: say so.

    TMPDIR: Neutron elects its first worker by files named after the parent's pid; each cloud needs its own place.
    """
    return Daemon(
        name=f"{cloud.name}-api",
        argv=(
            *programs.uwsgi,
            *("--http-socket", f"127.0.0.1:{cloud.api_port}", "--module", "neutron.wsgi.api:application"),
            *("--master", "--processes", str(cloud.api_workers), "--threads", "4", "--enable-threads", "--lazy-apps"),
            *("--die-on-term", "--thunder-lock", "--buffer-size", "65535", "--add-header", "Connection: close"),
        ),
        env={
            "OS_NEUTRON_CONFIG_FILES": ";".join(str(f) for f in neutron_files(cloud, places)),
            "TMPDIR": str(places.of(cloud.name) / "tmp"),
            "PATH": f"{programs.python_bin}:/usr/sbin:/usr/bin:/sbin:/bin",
        },
    )


def periodic_workers(cloud: Cloud, places: Places, programs: Programs) -> Daemon:
    """Where the workers of service plugins run: the reconciler among them."""
    argv = [str(programs.python_bin / "neutron-periodic-workers")]
    for file in neutron_files(cloud, places):
        argv += ["--config-file", str(file)]
    return Daemon(
        name=f"{cloud.name}-periodic", argv=tuple(argv), env={"TMPDIR": str(places.of(cloud.name) / "tmp-periodic")}
    )


def switch(site: Site, places: Places) -> tuple[Daemon, ...]:
    """A hypervisor's own Open vSwitch and ovn-controller."""
    node = site.node
    home, env = places.of(node), ovs_env(places.of(node))
    database = f"unix:{places.ovsdb(node)}"
    programs = {
        "ovsdb": ("ovsdb-server", f"--remote=punix:{places.ovsdb(node)}", str(home / "conf.db")),
        "vswitchd": ("ovs-vswitchd", database),
        "controller": ("ovn-controller", database),
    }
    server, vswitchd, controller = (
        Daemon(f"{node}-{name}", site.command((program, "--pidfile", *OVS_LOGGING, *rest)), node, env)
        for name, (program, *rest) in programs.items()
    )
    if site.in_guest:
        controller = replace(controller, env=env | {"OVS_RUNDIR": str(_aside(home))})
    return server, vswitchd, controller


def agent(site: Site, places: Places, programs: Programs) -> Daemon:
    """The product's own agent: from an environment that need not hold anything of OpenStack, under a holder that
    stands in for systemd."""
    config = (guest.HOME if site.in_guest else places.of(site.node)) / AGENT_FILE
    holder = (str(programs.agent.parent / "python"), "-m", "isthmus.shell.holder", "--")
    argv = (*holder, str(programs.agent), "--config", str(config))
    return Daemon(f"{site.node}-agent", site.command(argv), site.node)


def hypervisor_guest(site: Site, places: Places, programs: Programs) -> tuple[Daemon, Daemon, Daemon]:
    """Its kernel; what leads to the sockets in there, and out of there to its cloud's southbound database; and what
    stands between ovn-controller and the switch."""
    node, home = site.node, places.of(site.node)
    address = site.hypervisor.address.packed.hex(":")
    fixed = {guest.UNDERLAY: site.mac, guest.CONTROL: f"02:1b:{address}", "ex": f"02:1c:{address}"}
    numbers = range(FIRST_SLOT, FIRST_SLOT + SLOTS)
    nics = [Nic(cable, mac) for cable, mac in fixed.items()]
    nics += [Nic(slot(number), f"02:{0x30 + number:02x}:{address}", large=True) for number in numbers]
    python = programs.python_bin / "python"
    argv = guest.command(node, home, python, nics)
    between = (
        str(python),
        "-I",
        "-S",
        str(guest.HOME / UNTRACKED),
        *(f"{at}/br-int.mgmt" for at in (_aside(home), home)),
    )
    there = (places.ovsdb(node), home / "br-vpn.mgmt", home / "br-int.mgmt", places.agent_socket(node))
    out = f"{SOUTHBOUND_PORT}={places.southbound(site.cloud.name)}"
    return (
        Daemon(f"{node}-guest", argv, node, guest.environment(home)),
        Daemon(f"{node}-sockets", (*stand_in.SOCKETS, *map(str, there), out), node),
        Daemon(f"{node}-untracked", site.command(between), node),
    )


def _aside(home: Path) -> Path:
    """Where ovn-controller looks for the switch if it is not to find it itself."""
    return home / "aside"


def slot(number: int) -> str:
    """The name by which a NIC of a hypervisor's guest knows the cable that it waits for."""
    return f"slot{number}"


def pe_guest(pe: Pe, places: Places, programs: Programs) -> Daemon:
    """A kernel of its own; FRR runs in it."""
    home = places.of(pe.name)
    argv = guest.command(pe.name, home, programs.python_bin / "python", guest.nics(pe))
    return Daemon(pe.name, argv, pe.name, guest.environment(home))
