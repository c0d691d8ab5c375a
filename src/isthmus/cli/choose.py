"""Which rows an operator asked for. Pure.

Rules: a filter that says nothing about a section leaves that section out of `all`, and cannot be asked of it alone.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from dataclasses import dataclass

from isthmus.model.reason import LimitState
from isthmus.node.status import NodeStatus

SECTIONS = ("attachments", "views", "routes", "peers", "ports", "machines", "limits", "switch")

APPLIES = {
    "bgpvpn": ("attachments", "views", "routes", "ports"),
    "view": ("views", "routes", "machines", "limits"),
    "prefix": ("routes", "ports", "machines"),
    "why-not": ("attachments", "views", "routes", "peers", "ports", "machines", "limits"),
}
"""Which sections each filter can tell apart."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class BadChoice(ValueError):
    """What was asked for does not fit together, in a sentence."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The filters of one command."""

    bgpvpn: str = ""
    view: str = ""
    prefix: str = ""
    why_not: bool = False

    def given(self) -> list[str]:
        """The filters that say something."""
        values = {"bgpvpn": self.bgpvpn, "view": self.view, "prefix": self.prefix, "why-not": self.why_not}
        return [name for name, value in values.items() if value]


def sections(what: str, choice: Choice) -> list[str]:
    """The sections to show. Raises BadChoice."""
    asked = list(SECTIONS) if what == "all" else [what]
    for name in choice.given():
        asked = [section for section in asked if section in APPLIES[name]]
        if not asked:
            raise BadChoice(f"--{name} chooses among {' and '.join(APPLIES[name])}, not {what}")
    return asked


def rows(status: NodeStatus, choice: Choice) -> NodeStatus:
    """The status with only the rows asked for. Raises BadChoice."""
    network = _network(choice.prefix) if choice.prefix else None
    imports = _imports(status, choice.bgpvpn)
    return dataclasses.replace(
        status,
        attachments=[
            a
            for a in status.attachments
            if (not choice.bgpvpn or choice.bgpvpn in a.bgpvpns) and (not choice.why_not or a.reason)
        ],
        views=[
            v
            for v in status.views
            if (not choice.bgpvpn or choice.bgpvpn in v.bgpvpns)
            and (not choice.view or v.view == choice.view)
            and (not choice.why_not or v.routes != v.installed)
        ],
        routes=[
            r
            for r in status.routes
            if (not choice.bgpvpn or (r.view in imports and not imports[r.view].isdisjoint(r.route_targets)))
            and (not choice.view or r.view == choice.view)
            and (network is None or _touches(network, r.prefix))
            and (not choice.why_not or r.why)
        ],
        peers=[p for p in status.peers if not choice.why_not or p.reason or p.refused or p.not_taken],
        ports=[
            p
            for p in status.ports
            if (not choice.bgpvpn or p.bgpvpn == choice.bgpvpn)
            and (network is None or _touches(network, p.address))
            and (not choice.why_not or p.why_not or p.contested)
        ],
        machines=[
            m
            for m in status.machines
            if (not choice.view or any(d.view == choice.view for d in m.doors))
            and (network is None or any(_touches(network, address) for address in m.addresses))
            and (not choice.why_not or not m.up or m.why_not or any(d.closed for d in m.doors))
        ],
        limits=[
            one
            for one in status.limits
            if (not choice.view or one.of == choice.view) and (not choice.why_not or one.state != LimitState.ROOM.name)
        ],
        skipped={} if choice.view or network else status.skipped,
    )


def _imports(status: NodeStatus, bgpvpn: str) -> dict[str, set[str]]:
    """What each view imports for the sake of this BGPVPN: a view may unite several."""
    targets = {t for a in status.attachments for i in a.associations if i.bgpvpn == bgpvpn for t in i.imports}
    return {v.view: targets & set(v.import_targets) for v in status.views if bgpvpn in v.bgpvpns}


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadChoice(f"--prefix takes an address or a prefix, not '{text}'") from None


def _touches(asked: Network, text: str) -> bool:
    """Whether one lies in the other: an address finds the routes that cover it, a prefix also those inside."""
    other = ipaddress.ip_network(text, strict=False)
    return asked.version == other.version and asked.overlaps(other)
