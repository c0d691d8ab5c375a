"""What the lab's neighbours trust each other with, as an operator would write it: docs/operator/trust.md, applied.

Between clouds the route targets 64512:1 to 64512:99 are agreed on, and each cloud's tunnels end in its own underlay.
Every BGP session has a password, one for each cloud and one for those between clouds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv4Network

from isthmus.lab.pe import Pe
from isthmus.lab.topology import Cloud, Topology
from isthmus.model.vpn import BEACON_TARGET

AGREED = "64512:1-99"
AGREED_WORDS = "64512:([1-9]|[1-9][0-9])"
"""The same as a regular expression, which is what reflectors filter by."""
BEACON = str(BEACON_TARGET)

BETWEEN_CLOUDS = "between-clouds"
SAME_LINK, OVER_THE_WAN = 1, 2
"""Hops (RFC 5082): the WAN router stands between the clouds' reflectors."""

ROUTES_PER_TARGET = 250
"""Little, so that a flood is soon one."""


def password(cloud: Cloud) -> str:
    """Of the sessions within a cloud."""
    return f"inside-{cloud.name}"


def of_reflector(cloud: Cloud, topology: Topology) -> str:
    """What an agent's file says of its own cloud's reflectors, which pass on what all clouds say."""
    if not topology.wary:
        return ""
    underlays = ", ".join(f'"{one.underlay}"' for one in topology.members)
    return f"""md5_password = "{password(cloud)}"
ttl_security_hops = {SAME_LINK}
tunnel_endpoints = [{underlays}]
"""


def _through(cloud: Cloud, topology: Topology) -> Iterator[tuple[Cloud | Pe, list[IPv4Network]]]:
    """Whose AS may be in a path, and where what comes through it may end: another cloud's reflectors have sessions with
    the PEs too, and pass on what those say."""
    abroad = [pe.underlay for pe in topology.pes]
    yield from ((other, [other.underlay, *abroad]) for other in topology.clouds if other != cloud)
    yield from ((pe, [pe.underlay]) for pe in topology.pes)


def of_clouds(cloud: Cloud, topology: Topology) -> str:
    """What it says of the other clouds, and of PEs that are not ours."""
    if not topology.wary:
        return ""
    tables = (
        f"""[[clouds]]
as = {other.asn}
accept_targets = ["{AGREED}"]
tunnel_endpoints = {json.dumps([str(underlay) for underlay in underlays])}
"""
        for other, underlays in _through(cloud, topology)
    )
    return "\n".join([*tables, f"[limits]\nroutes_per_target = {ROUTES_PER_TARGET}\n"])
