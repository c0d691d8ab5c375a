"""A route reflector of a cloud, if it is BIRD 2: VPNv4 and VPNv6, no EVPN.

Hypervisors are clients that dial; the reflectors of other clouds and PEs that are not ours peer by eBGP across the WAN.
`extended next hop` lets VPNv6 routes through whose next hop is an IPv4 address in IPv6's clothes, which all are that
hypervisors say; `next hop keep` leaves next hops alone towards other ASes. Graceful restart is on, and every start says
that it is one (plan.py).
"""

from __future__ import annotations

import re

from isthmus.lab import trust
from isthmus.lab.frr import HOLD_S, KEEPALIVE_S
from isthmus.lab.gobgp import DEFERRAL_S, RESTART_S
from isthmus.lab.process import Processes
from isthmus.lab.topology import Cloud, Family, Reflector, Topology

_TABLES = {Family.VPNV4: ("vpn4", "carrier4"), Family.VPNV6: ("vpn6", "carrier6")}

_HEAD = """\
log stderr all;
router id {address};
graceful restart wait {deferral};
protocol device {{ }}
"""

_AGREED = """\
filter agreed {{
  if bgp_ext_community ~ [ {targets} ] then accept;
  reject;
}}
"""
"""What others may say and hear: as the other kinds of reflectors filter."""

_COMMON = """\
  local {address} as {asn};
  strict bind on;
  hold time {hold};
  keepalive time {keepalive};
  graceful restart on;
  graceful restart time {restart};
"""

_CLIENT = """\
  passive on;
  rr client;
  rr cluster id {address};
"""

_DIALS = """\
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 3;
"""


def configuration(cloud: Cloud, one: Reflector, topology: Topology, *, next_hops_in_clothes: bool = True) -> str:
    """bird.conf; `next_hops_in_clothes` is the switch without which VPNv6 over an IPv4 core does not come through."""
    wary, others = topology.wary, topology.neighbours(cloud)
    common = _COMMON.format(address=one.address, asn=cloud.asn, hold=HOLD_S, keepalive=KEEPALIVE_S, restart=RESTART_S)
    text = _HEAD.format(address=one.address, deferral=DEFERRAL_S)
    text += "".join(f"{kind} table {table};\n" for kind, table in _TABLES.values())
    text += _AGREED.format(targets=", ".join(_target(words) for words in (trust.AGREED, trust.BEACON)))
    extended = "extended next hop on; " if next_hops_in_clothes else ""

    def channels(families: tuple[Family, ...], policy: str, more: str = "") -> str:
        said = f"import {policy}; export {policy}; {more}{extended}"
        return "".join("  {} mpls {{ table {}; {}}};\n".format(*_TABLES[family], said) for family in families)

    inside = common + _CLIENT.format(address=one.address) + _guard(trust.SAME_LINK, trust.password(cloud), wary=wary)
    text += f"template bgp hypervisor {{\n{inside}{channels(topology.families, 'all')}}}\n"
    for number, hypervisor in enumerate(cloud.hypervisors, start=1):
        text += f"protocol bgp client{number} from hypervisor {{ neighbor {hypervisor.address} as {cloud.asn}; }}\n"
    across = common + _DIALS + _guard(trust.OVER_THE_WAN, trust.BETWEEN_CLOUDS, wary=wary)
    policy = "filter agreed" if wary else "all"
    for number, peer in enumerate(others, start=1):
        text += f"protocol bgp other{number} {{\n{across}  neighbor {peer.address} as {peer.asn};\n"
        text += channels(peer.families, policy, "next hop keep on; ") + "}\n"
    return text


def _target(words: str) -> str:
    """`64512:1-99`, as BIRD has it."""
    asn, _, numbers = words.partition(":")
    return f"(rt, {asn}, {numbers.replace('-', '..')})"


def _guard(hops: int, password: str, *, wary: bool) -> str:
    said = f"  multihop {hops};\n"
    return said + (f'  ttl security on;\n  password "{password}";\n' if wary else "")


def prepare(cloud: Cloud, one: Reflector, topology: Topology, processes: Processes) -> None:
    """Its directory and what it reads at the start."""
    processes.places.of(one.node).mkdir(parents=True)
    write(one, configuration(cloud, one, topology), processes)


def write(one: Reflector, text: str, processes: Processes) -> None:
    """What it reads at its next start."""
    (processes.places.of(one.node) / "bird.conf").write_text(text)


def sessions(one: Reflector, processes: Processes) -> dict[str, str]:
    """Peer address to session state, clients included. Raises PartFailed while it does not answer."""
    control = processes.places.of(one.node) / "bird.ctl"
    said = processes.run(f"reflector {one.node}", ["birdc", "-s", str(control), "show", "protocols", "all"])
    states = re.findall(r"BGP state: +(\S+)\n +Neighbor address: +(\S+)", said)
    return {address: state for state, address in states}
