"""Options of the `[isthmus]` section, read once into a frozen value.

Rule: nothing else in the room looks at oslo.config. What is wrong in the section stops the start with one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from neutron.conf import quota as quota_conf
from oslo_config import cfg

from isthmus.model.intent import Fallback
from isthmus.model.net import VNI_MAX
from isthmus.model.vpn import SiteOfOrigin
from isthmus.neutron.words.ranges import Range, first_overlap
from isthmus.neutron.words.values import Cloud

GROUP = "isthmus"

VPN_MTU_MIN, VPN_MTU_MAX = 1280, 9000
"""IPv6 needs 1,280 (RFC 8200 section 5); no path carries more than jumbo frames."""

OPTIONS = [
    cfg.StrOpt(
        "site",
        help="Site of Origin of this cloud, written like a route target (64512:1). It goes with every route that the "
        "cloud's hypervisors announce, and must differ between clouds. Required.",
    ),
    cfg.StrOpt("backend", default="ovn", help="What forwards: an entry point of the group isthmus.backends."),
    cfg.StrOpt(
        "recording", default="isthmus-recording", help="The file that the backend `recording` (for tests) writes to."
    ),
    cfg.IntOpt(
        "vni_min",
        default=8388608,
        help="Lowest VNI given to a BGPVPN that was created without one. The default range is the upper half of the "
        "24-bit space, so that numbers chosen by people stay clear of it.",
    ),
    cfg.IntOpt("vni_max", default=VNI_MAX, help="Highest VNI given to a BGPVPN that was created without one."),
    cfg.ListOpt(
        "route_target_pool",
        default=[],
        help="Ranges of route targets that the cloud gives to whoever asks for 'auto', separated by commas: "
        "64512:100000-199999, or with a four-byte AS or an IPv4 address before the colon. Each cloud needs its own.",
    ),
    cfg.MultiStrOpt(
        "project_numbers",
        default=[],
        help="A project's id and the ranges of route targets and VNIs that its members may choose from where policy "
        "lets them (bgpvpn_self_service): '<project> 64512:200000-200099 5000-5099'. Route distinguishers come from "
        "the ranges of route targets. May be repeated, or be of several lines. No two ranges may overlap.",
    ),
    cfg.FloatOpt(
        "number_rest_s",
        default=3600.0,
        help="Seconds for which a VNI or a route target that is no longer used is not given to anybody: routes with "
        "it may linger in the tables of others.",
    ),
    cfg.IntOpt(
        "vpn_mtu",
        help="Largest IP packet that fits the path between hypervisors of different clouds: the WAN's MTU less 50 for "
        "VXLAN over IPv4. Set it where that is less than the tenant networks' MTU: routers with a VPN then answer "
        "larger packets with 'too big', also those that leave by their gateway. Unset: nothing is limited.",
    ),
    cfg.StrOpt(
        "default_route",
        default="vpn",
        choices=["vpn", "router"],
        help="Which way out wins where a VPN has a default route (any prefix shorter than /8) and the router has one "
        "of its own, by its gateway or an extra route: the VPN's (vpn), so that what went by SNAT goes into the VPN, "
        "or the router's (router). A machine with a floating IP keeps to the router's for IPv4 in either case.",
    ),
    cfg.StrOpt(
        "overlapping_subnets",
        default="warn",
        choices=["warn", "refuse"],
        help="What becomes of a request that makes subnets of one BGPVPN overlap: it succeeds, is logged and shows in "
        "the status (warn), or is answered 409 (refuse).",
    ),
    cfg.StrOpt(
        "fallback",
        default="public",
        choices=["all", "public", "none"],
        help="Where a packet goes whose destination no VPN of its router or network knows: as if there was no VPN "
        "(all), the same but for private destinations (RFC 1918, RFC 6598, unique local), which are dropped unless the "
        "router has a route of its own to them (public), or nowhere (none). An administrator sets another one for a "
        "BGPVPN. Where private networks are reached by the routers' default route, public cuts them off.",
    ),
    cfg.FloatOpt(
        "reconcile_interval_s",
        default=60.0,
        help="Seconds between two full passes that compare the database with OVN's northbound database.",
    ),
]

QUOTAS = quota_conf.QUOTAS_CFG_GROUP
_RESTING = "those that its members have laid down and that rest still included"
_QUOTAS = {
    "bgpvpn": (-1, "BGPVPNs allowed per project"),
    "bgpvpn_association": (-1, "associations of BGPVPNs allowed per project"),
    "bgpvpn_port_route": (-1, "routes of port associations allowed per project"),
    "bgpvpn_route_target": (-1, "route targets allowed per BGPVPN"),
    "bgpvpn_vni": (500, f"VNIs from vni_min to vni_max that a project's members may draw, {_RESTING}"),
    "bgpvpn_pool_target": (500, f"route targets of the pool that a project's members may draw, {_RESTING}"),
    "bgpvpn_number": (5000, f"numbers of routers and networks in BGPVPNs that a project may use, {_RESTING}"),
}
"""What all projects draw from has a limit by default."""
QUOTA_OPTIONS = [
    cfg.IntOpt(f"quota_{name}", default=default, help=f"Number of {what}. A negative value means unlimited.")
    for name, (default, what) in _QUOTAS.items()
]


class BadConfiguration(Exception):
    """The `[isthmus]` section cannot be used."""


class Overlapping(StrEnum):
    """What becomes of a request that makes subnets of one BGPVPN overlap."""

    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Settings:
    """The `[isthmus]` section, checked."""

    site: SiteOfOrigin
    vni_min: int
    vni_max: int
    reconcile_interval_s: float
    vpn_mtu: int | None = None
    overlapping_subnets: Overlapping = Overlapping.WARN
    backend: str = "ovn"
    recording: str = ""
    route_targets: Sequence[Range] = ()
    """The pool."""
    projects: Mapping[str, Sequence[Range]] = field(default_factory=dict)
    """What the members of each project may choose from."""
    number_rest_s: float = 3600.0
    default_route: str = "vpn"
    fallback: Fallback = Fallback.PUBLIC

    @property
    def cloud(self) -> Cloud:
        keeps = self.default_route == "router"
        strict = self.overlapping_subnets is Overlapping.REFUSE
        return Cloud(self.site, self.vpn_mtu, keeps, self.fallback, refuses_overlaps=strict)


def list_opts() -> list[tuple[str, list[Any]]]:
    """For oslo-config-generator."""
    return [(GROUP, OPTIONS), (QUOTAS.lower(), QUOTA_OPTIONS)]


def read(conf: Any) -> Settings:
    """The settings; raises BadConfiguration naming the option and its rule."""
    conf.register_opts(OPTIONS, group=GROUP)
    conf.register_opts(QUOTA_OPTIONS, group=QUOTAS)
    section = conf[GROUP]
    if not section.site:
        raise BadConfiguration("[isthmus] site is missing: name this cloud, for example site = 64512:1")
    try:
        site = SiteOfOrigin.parse(section.site)
    except ValueError as error:
        raise BadConfiguration(f"[isthmus] site: {error}") from None
    if not 1 <= section.vni_min <= section.vni_max <= VNI_MAX:
        raise BadConfiguration(
            f"[isthmus] vni_min = {section.vni_min} and vni_max = {section.vni_max}: "
            f"it must be 1 <= vni_min <= vni_max <= {VNI_MAX}"
        )
    if section.reconcile_interval_s <= 0:
        raise BadConfiguration("[isthmus] reconcile_interval_s must be above zero")
    if section.vpn_mtu is not None and not VPN_MTU_MIN <= section.vpn_mtu <= VPN_MTU_MAX:
        raise BadConfiguration(f"[isthmus] vpn_mtu = {section.vpn_mtu}: it must be {VPN_MTU_MIN} to {VPN_MTU_MAX}")
    if section.number_rest_s < 0:
        raise BadConfiguration("[isthmus] number_rest_s must not be below zero")
    pool = _pool(section.route_target_pool)
    projects = _projects(section.project_numbers)
    vnis = Range("", section.vni_min, section.vni_max)
    overlap = first_overlap([*pool, vnis, *(r for ranges in projects.values() for r in ranges)])
    if overlap:
        raise BadConfiguration(
            f"[isthmus] {overlap[0]} and {overlap[1]} overlap: route_target_pool, vni_min to vni_max and each range of "
            "project_numbers must have numbers of their own"
        )
    return Settings(
        site=site,
        vni_min=section.vni_min,
        vni_max=section.vni_max,
        reconcile_interval_s=section.reconcile_interval_s,
        vpn_mtu=section.vpn_mtu,
        overlapping_subnets=Overlapping(section.overlapping_subnets),
        backend=section.backend,
        recording=section.recording,
        route_targets=pool,
        projects=projects,
        number_rest_s=section.number_rest_s,
        default_route=section.default_route,
        fallback=Fallback(section.fallback),
    )


def _pool(texts: Sequence[str]) -> tuple[Range, ...]:
    found = tuple(_range("route_target_pool", text) for text in texts)
    for one in found:
        if one.is_of_vnis:
            raise BadConfiguration(f"[isthmus] route_target_pool: {one} has no administrator (64512:{one})")
    return found


def _projects(lines: Sequence[str]) -> dict[str, tuple[Range, ...]]:
    found: dict[str, tuple[Range, ...]] = {}
    for line in "\n".join(lines).splitlines():
        if not line.strip():
            continue
        project, *ranges = line.replace(",", " ").split() or [""]
        if not ranges:
            raise BadConfiguration(f"[isthmus] project_numbers = {line}: it must be a project's id and its ranges")
        found[project] = found.get(project, ()) + tuple(_range("project_numbers", text) for text in ranges)
    return found


def _range(option: str, text: str) -> Range:
    try:
        return Range.parse(text)
    except ValueError as error:
        raise BadConfiguration(f"[isthmus] {option}: {error}") from None
