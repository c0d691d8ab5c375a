"""Options of the `[isthmus]` section, read once into a frozen value.

Rule: nothing else in the room looks at oslo.config. What is wrong in the section stops the start with one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from oslo_config import cfg

from isthmus.model.net import VNI_MAX
from isthmus.model.vpn import SiteOfOrigin
from isthmus.neutron.desired import Cloud

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
    cfg.IntOpt(
        "vpn_mtu",
        help="Largest IP packet that fits the path between hypervisors of different clouds: the WAN's MTU less 50 for "
        "VXLAN over IPv4. Set it where that is less than the tenant networks' MTU: routers with a VPN then answer "
        "larger packets with 'too big', also those that leave by their gateway. Unset: nothing is limited.",
    ),
    cfg.StrOpt(
        "overlapping_subnets",
        default="warn",
        choices=["warn", "refuse"],
        help="What becomes of a request that makes subnets of one BGPVPN overlap: it succeeds, is logged and shows in "
        "the status (warn), or is answered 409 (refuse).",
    ),
    cfg.FloatOpt(
        "reconcile_interval_s",
        default=60.0,
        help="Seconds between two full passes that compare the database with OVN's northbound database.",
    ),
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

    @property
    def cloud(self) -> Cloud:
        return Cloud(self.site, self.vpn_mtu)


def list_opts() -> list[tuple[str, list[Any]]]:
    """For oslo-config-generator."""
    return [(GROUP, OPTIONS)]


def read(conf: Any) -> Settings:
    """The settings; raises BadConfiguration naming the option and its rule."""
    conf.register_opts(OPTIONS, group=GROUP)
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
    return Settings(
        site=site,
        vni_min=section.vni_min,
        vni_max=section.vni_max,
        reconcile_interval_s=section.reconcile_interval_s,
        vpn_mtu=section.vpn_mtu,
        overlapping_subnets=Overlapping(section.overlapping_subnets),
        backend=section.backend,
        recording=section.recording,
    )
