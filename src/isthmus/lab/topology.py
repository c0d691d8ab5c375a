"""What the lab is to build, as data: a TOML file checked against topologies/schema.json, then read into frozen values.

Rules: a wrong file never gets past `read`; it raises `Refusal` with one sentence that names the place and the rule.
The schema checks the shape, `_sense` what a schema cannot say: addresses inside their subnets, nothing twice.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

import jsonschema

from isthmus.lab import pe as pes
from isthmus.lab.fault import Refusal
from isthmus.lab.pe import Pe, PeKind

TOPOLOGIES = Path(__file__).parent / "topologies"
DEFAULT = "two-clouds"
T = TypeVar("T")

RESERVED = frozenset({"wan", "rr", "rr2", "internet", "admin"})
"""Names of parts the plan adds by itself; `admin` is the project every cloud has."""


class Datapath(StrEnum):
    """Who forwards a hypervisor's packets."""

    USERSPACE = "userspace"
    """ovs-vswitchd itself, in the hypervisor's namespace (`netdev`)."""
    KERNEL = "kernel"
    """openvswitch.ko, in a guest (`system`), as in nearly all real clouds."""


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """One compute node: a chassis of its cloud's OVN and a PE."""

    name: str
    address: IPv4Address
    gateway: bool
    datapath: Datapath = Datapath.USERSPACE


class ReflectorKind(StrEnum):
    """Which speaker reflects a cloud's routes."""

    FRR = "frr"
    GOBGP = "gobgp"
    """With RT-Constrain: it says that this was all when it has been told what is asked for, or 8 s later."""
    GOBGP_UNDEFERRED = "gobgp-undeferred"
    """The same without that wait: it says so before it has been asked for anything."""
    BIRD = "bird"
    """It knows no EVPN."""


@dataclass(frozen=True, slots=True)
class Reflector:
    """One of a cloud's route reflectors; every hypervisor of the cloud has a session with each of them."""

    node: str
    address: IPv4Address
    kind: ReflectorKind


class Family(StrEnum):
    """What a session is for, in FRR's words."""

    EVPN = "l2vpn evpn"
    VPNV4 = "ipv4 vpn"
    VPNV6 = "ipv6 vpn"


FAMILIES = {"evpn": Family.EVPN, "vpnv4": Family.VPNV4, "vpnv6": Family.VPNV6}
"""By the names that an agent has for them, which are the topology's."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Somebody of another AS beyond the WAN router, whom a cloud's reflectors talk to."""

    asn: int
    address: IPv4Address
    families: tuple[Family, ...]


@dataclass(frozen=True, slots=True)
class Cloud:
    """One OpenStack cloud: its own Neutron, OVN and route reflectors."""

    name: str
    asn: int
    api_port: int
    api_workers: int
    underlay: IPv4Network
    reflectors: tuple[Reflector, ...]
    external: IPv4Network
    tenants: tuple[str, ...]
    hypervisors: tuple[Hypervisor, ...]
    vpn_mtu: int | None = None
    """None: what fits the WAN."""

    @property
    def site(self) -> str:
        """The cloud's Site-of-Origin: `<AS>:1`."""
        return f"{self.asn}:1"

    @property
    def wan_router(self) -> IPv4Address:
        """The first address of the underlay: its way out."""
        return self.underlay[1]

    @property
    def internet_host(self) -> IPv4Address:
        """The first address of the external subnet: gateway of the routers and everything beyond."""
        return self.external[1]


UNDERLAY_MTU = 1500
VXLAN_OVERHEAD = 50
"""Ethernet, VXLAN, UDP and IPv4 headers around an inner packet (RFC 7348)."""


@dataclass(frozen=True, slots=True)
class Topology:
    """All clouds; the WAN joins every underlay."""

    clouds: tuple[Cloud, ...]
    agents: bool
    wan_mtu: int = UNDERLAY_MTU
    pes: tuple[Pe, ...] = ()
    """PEs that are not ours; each has an underlay of its own."""
    wary: bool = False
    """Whether BGP neighbours and other clouds are trusted with no more than was agreed on (trust.py)."""
    spoken: tuple[Family, ...] = ()
    """By agents and reflectors, if the file says it."""

    @property
    def has_guests(self) -> bool:
        """Whether there is anything that needs a kernel of its own."""
        ours = (hypervisor for cloud in self.clouds for hypervisor in cloud.hypervisors)
        return bool(self.pes) or any(one.datapath is Datapath.KERNEL for one in ours)

    def reflectors_beside(self, cloud: Cloud) -> list[tuple[Cloud, Reflector]]:
        """Those of the other clouds, which each reflector of this one talks to."""
        return [(other, one) for other in self.clouds if other.name != cloud.name for one in other.reflectors]

    @property
    def members(self) -> tuple[Cloud | Pe, ...]:
        """Whoever has an underlay on the WAN."""
        return (*self.clouds, *self.pes)

    @property
    def families(self) -> tuple[Family, ...]:
        """What clouds speak: as the file has it, or what any PE speaks. In one order, however it is said."""
        if self.spoken:
            return tuple(family for family in Family if family in self.spoken)
        return tuple(Family) if any(pe.labels for pe in self.pes) else (Family.EVPN,)

    def neighbours(self, cloud: Cloud) -> list[Neighbour]:
        """Of each reflector of a cloud: the other clouds' reflectors, and PEs that are not ours."""
        beside = [Neighbour(other.asn, one.address, self.families) for other, one in self.reflectors_beside(cloud)]
        return beside + [Neighbour(pe.asn, pe.address, self.with_pe(pe)) for pe in self.pes]

    def with_pe(self, pe: Pe) -> tuple[Family, ...]:
        """What reflectors speak with it."""
        return tuple(one for one in self.families if (pe.kind is PeKind.FABRIC if one is Family.EVPN else pe.labels))

    def pe(self, name: str) -> Pe | None:
        """The PE of that name, if there is one."""
        return next((pe for pe in self.pes if pe.name == name), None)

    def vpn_mtu(self, cloud: Cloud) -> int | None:
        """The cloud's own; else what fits into VXLAN on the WAN, if that is less than a tenant network may send."""
        if cloud.vpn_mtu is not None:
            return cloud.vpn_mtu
        return self.wan_mtu - VXLAN_OVERHEAD if self.wan_mtu < UNDERLAY_MTU else None

    def cloud(self, name: str) -> Cloud:
        """The cloud of that name, or a Refusal that lists the names there are."""
        for cloud in self.clouds:
            if cloud.name == name:
                return cloud
        raise Refusal(f"there is no cloud '{name}' in this lab (there are: {', '.join(c.name for c in self.clouds)})")


def locate(name: str | None) -> Path:
    """The file of a topology: a path, or the name of one that comes with the lab."""
    if name is None:
        return TOPOLOGIES / f"{DEFAULT}.toml"
    path = Path(name)
    if path.is_file():
        return path
    shipped = TOPOLOGIES / f"{name}.toml"
    if shipped.is_file():
        return shipped
    known = ", ".join(sorted(p.stem for p in TOPOLOGIES.glob("*.toml")))
    raise Refusal(f"there is no topology '{name}': give a file, or one of: {known}")


def read(text: str, source: str) -> Topology:
    """The topology written in `text`; `source` is its name in the sentence of a Refusal."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refusal(f"{source} is not TOML: {error}") from None
    _check_shape(data, source)
    try:
        topology = _build(data)
    except ValueError as error:
        raise Refusal(f"{source}: {error}") from None
    for sentence in _sense(topology):
        raise Refusal(f"{source}: {sentence}")
    return topology


def _check_shape(data: dict[str, Any], source: str) -> None:
    schema = json.loads((TOPOLOGIES / "schema.json").read_text())
    faults = list(jsonschema.Draft202012Validator(schema).iter_errors(data))
    if not faults:
        return
    fault = min(faults, key=lambda f: (len(f.absolute_path), str(f.absolute_path)))
    raise Refusal(f"{source}: {_place(data, fault.absolute_path)}: {_rule(fault)}")


def _place(data: Any, path: Iterable[str | int]) -> str:
    """`cloud a, hypervisor h2, address`: list members by their name where they have one."""
    words: list[str] = []
    here = data
    for step in path:
        here = here[step]
        if isinstance(step, int):
            name = here.get("name", step + 1) if isinstance(here, dict) else step + 1
            words[-1:] = [f"{words[-1]} {name}"]
        else:
            words.append(str(step))
    return ", ".join(words) or "top level"


def _rule(fault: jsonschema.ValidationError) -> str:
    if fault.validator == "additionalProperties":
        known = sorted(fault.schema["properties"])
        unknown = sorted(set(fault.instance) - set(known))
        return f"unknown key {', '.join(repr(k) for k in unknown)} (known: {', '.join(known)})"
    if fault.validator == "required":
        missing = [key for key in fault.validator_value if key not in fault.instance]
        return f"{', '.join(repr(k) for k in missing)} is missing"
    return str(fault.message)


def _build(data: dict[str, Any]) -> Topology:
    return Topology(
        clouds=tuple(_cloud(c) for c in data["cloud"]),
        agents=data.get("agents", True),
        pes=tuple(pes.build(p) for p in data.get("pe", ())),
        wan_mtu=data.get("wan_mtu", UNDERLAY_MTU),
        wary=data.get("wary", False),
        spoken=tuple(FAMILIES[name] for name in data.get("families", ())),
    )


def _cloud(data: dict[str, Any]) -> Cloud:
    return Cloud(
        name=data["name"],
        asn=data["as"],
        api_port=data["api_port"],
        api_workers=data.get("api_workers", 1),
        underlay=IPv4Network(data["underlay"]),
        reflectors=tuple(_reflectors(data)),
        external=IPv4Network(data["external"]),
        tenants=tuple(data.get("tenants", ())),
        hypervisors=tuple(
            Hypervisor(
                name=h["name"],
                address=IPv4Address(h["address"]),
                gateway=h.get("gateway", False),
                datapath=Datapath(h.get("datapath", Datapath.USERSPACE)),
            )
            for h in data["hypervisor"]
        ),
        vpn_mtu=data.get("vpn_mtu"),
    )


def _reflectors(data: dict[str, Any]) -> Iterator[Reflector]:
    """The first is `<cloud>-rr`, a second `<cloud>-rr2`."""
    given = data["reflector"]
    kind = ReflectorKind(data.get("reflector_kind", ReflectorKind.FRR))
    for number, address in enumerate([given] if isinstance(given, str) else given, start=1):
        suffix = str(number) if number > 1 else ""
        yield Reflector(f"{data['name']}-rr{suffix}", IPv4Address(address), kind)


def _sense(topology: Topology) -> Iterator[str]:
    """What a schema cannot say, one sentence each."""
    clouds = topology.clouds
    everybody = topology.members
    yield from (f"the cloud name '{n}' stands twice" for n in _twice(c.name for c in clouds))
    yield from (f"api_port {p} stands twice" for p in _twice(c.api_port for c in clouds))
    yield from (f"the name '{n}' of a PE stands twice" for n in _twice(one.name for one in everybody))
    yield from (
        f"AS {n} stands twice: the clouds would refuse each other's routes" for n in _twice(o.asn for o in everybody)
    )
    for cloud in clouds:
        yield from _sense_of_cloud(cloud)
        if Family.EVPN in topology.families and any(r.kind is ReflectorKind.BIRD for r in cloud.reflectors):
            yield f'cloud {cloud.name}: BIRD reflects no EVPN: say families = ["vpnv4", "vpnv6"]'
    for pe in topology.pes:
        yield from pes.sense(pe)
        if not topology.with_pe(pe):
            yield f"PE {pe.name}: a {pe.kind} speaks none of the families"
    for number, one in enumerate(everybody):
        for other in everybody[:number]:
            if one.underlay.overlaps(other.underlay):
                yield f"the underlays of {_called(other)} and {_called(one)} overlap"


def _called(one: Cloud | Pe) -> str:
    return f"{'PE' if isinstance(one, Pe) else 'cloud'} {one.name}"


def _sense_of_cloud(cloud: Cloud) -> Iterator[str]:
    names = [h.name for h in cloud.hypervisors]
    yield from (f"cloud {cloud.name}: the hypervisor name '{n}' stands twice" for n in _twice(names))
    yield from (f"cloud {cloud.name}: the tenant '{n}' stands twice" for n in _twice(cloud.tenants))
    for name in sorted(RESERVED.intersection({cloud.name, *names, *cloud.tenants})):
        yield f"the name '{name}' in cloud {cloud.name} is the lab's own"
    if cloud.underlay.prefixlen > 29 or cloud.external.prefixlen > 28:
        yield f"cloud {cloud.name}: an underlay needs at least a /29 and an external subnet a /28"
    inhabitants = [
        *((f"the reflector {r.node}", r.address) for r in cloud.reflectors),
        *((f"hypervisor {h.name}", h.address) for h in cloud.hypervisors),
    ]
    for who, address in inhabitants:
        if address not in cloud.underlay:
            yield f"cloud {cloud.name}: {who} has {address}, which is not in the underlay {cloud.underlay}"
    taken = [cloud.underlay[0], cloud.wan_router, cloud.underlay[-1], *(address for _, address in inhabitants)]
    for address in _twice(taken):
        yield f"cloud {cloud.name}: {address} is used twice (the WAN router has {cloud.wan_router})"
    if not any(h.gateway for h in cloud.hypervisors):
        yield f"cloud {cloud.name}: one hypervisor must be a gateway, or no router reaches the internet"


def _twice(values: Iterable[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]
