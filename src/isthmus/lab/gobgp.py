"""A route reflector of a cloud, if it is GoBGP: unlike FRR 8.4 it keeps EVPN routes while their speaker restarts.

Hypervisors are clients that dial; the reflectors of the clouds peer by eBGP across the WAN and leave the next hop as it
is. Graceful restart (RFC 4724, RFC 8538) is on towards both. Hypervisors are named one by one: to dynamic neighbours a
GoBGP that has restarted says End-of-RIB at once, before it knows anything (seen with 3.10).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from ipaddress import IPv4Address
from typing import Any

from isthmus.lab import trust
from isthmus.lab.frr import HOLD_S
from isthmus.lab.plan import GOBGP_API
from isthmus.lab.process import Processes, within
from isthmus.lab.topology import Cloud, Family, Reflector, ReflectorKind, Topology

RESTART_S, DEFERRAL_S = 60, 8
"""How long routes are kept for a speaker that restarts; how long one that has restarted waits for its peers."""

DEFERRAL_DEFAULT_S = 360
"""What GoBGP takes when it is told nothing."""

_HEAD = """\
[global.config]
  as = {asn}
  router-id = "{address}"
  local-address-list = ["{address}"]
[global.apply-policy.config]
"""

_AS_IT_IS = """\
[[policy-definitions]]
  name = "as-it-is"
  [[policy-definitions.statements]]
    name = "next-hop"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
    [policy-definitions.statements.actions.bgp-actions]
      set-next-hop = "unchanged"
"""

FILTER = """\
[[defined-sets.neighbor-sets]]
  neighbor-set-name = "others"
  neighbor-info-list = [{others}]
[[defined-sets.bgp-defined-sets.ext-community-sets]]
  ext-community-set-name = "agreed"
  ext-community-list = ["rt:^{agreed}$", "rt:^{beacon}$"]
[[policy-definitions]]
  name = "agreed"
  [[policy-definitions.statements]]
    name = "what-was-agreed-on"
    [policy-definitions.statements.conditions.match-neighbor-set]
      neighbor-set = "others"
    [policy-definitions.statements.conditions.bgp-conditions.match-ext-community-set]
      ext-community-set = "agreed"
      match-set-options = "any"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
    [policy-definitions.statements.actions.bgp-actions]
      set-next-hop = "unchanged"
  [[policy-definitions.statements]]
    name = "nothing-else"
    [policy-definitions.statements.conditions.match-neighbor-set]
      neighbor-set = "others"
    [policy-definitions.statements.actions]
      route-disposition = "reject-route"
"""
"""The policy `agreed`: what other clouds' reflectors may say and hear; docs/operator/trust.md says why in two steps."""

_GLOBAL = f"""\
{_HEAD}  export-policy-list = ["as-it-is"]
  default-export-policy = "accept-route"
{_AS_IT_IS}"""

_GLOBAL_WARY = f"""\
{_HEAD}  import-policy-list = ["agreed"]
  default-import-policy = "accept-route"
  export-policy-list = ["agreed", "as-it-is"]
  default-export-policy = "accept-route"
{FILTER}{_AS_IT_IS}"""

_NEIGHBOUR = """\
[[neighbors]]
[neighbors.config]
  neighbor-address = "{address}"
  peer-as = {asn}
{password}{role}[neighbors.timers.config]
  hold-time = {hold}
  keepalive-interval = {keepalive}
  connect-retry = 1
  idle-hold-time-after-reset = 1
[neighbors.graceful-restart.config]
  enabled = true
  notification-enabled = true
  restart-time = {restart}
  deferral-time = {deferral}
"""

_FAMILY = """\
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
  afi-safi-name = "{name}"
[neighbors.afi-safis.mp-graceful-restart.config]
  enabled = true
"""

_NAMES = {Family.EVPN: "l2vpn-evpn", Family.VPNV4: "l3vpn-ipv4-unicast", Family.VPNV6: "l3vpn-ipv6-unicast"}

_CLIENT = """\
[neighbors.transport.config]
  passive-mode = true
[neighbors.route-reflector.config]
  route-reflector-client = true
  route-reflector-cluster-id = "{address}"
"""

_ASKS = _FAMILY.format(name="rtc")
"""A client says which targets it wants (RFC 4684)."""

_IS_WAITED_FOR = f"""\
[neighbors.afi-safis.route-target-membership.config]
  deferral-time = {DEFERRAL_S}
"""
"""So long, before "that was all" is said."""

_REFLECTOR = """\
[neighbors.ebgp-multihop.config]
  enabled = true
  multihop-ttl = 2
"""

_TTL_SECURITY = """\
[neighbors.ttl-security.config]
  enabled = true
  ttl-min = {ttl}
"""


def configuration(
    cloud: Cloud,
    one: Reflector,
    topology: Topology,
    *,
    deferral_s: int = DEFERRAL_S,
    absent: Collection[IPv4Address] = (),
) -> str:
    """gobgpd.toml; `absent` are hypervisors that are configured and do not run."""
    times = {"hold": HOLD_S, "keepalive": HOLD_S // 3, "restart": RESTART_S, "deferral": deferral_s}
    others, wary = topology.neighbours(cloud), topology.wary
    text = (_GLOBAL_WARY if wary and others else _GLOBAL).format(
        asn=cloud.asn,
        address=one.address,
        others=", ".join(f'"{peer.address}/32"' for peer in others),
        agreed=trust.AGREED_WORDS,
        beacon=trust.BEACON,
    )
    role = _CLIENT.format(address=one.address) + _guard(trust.SAME_LINK, wary=wary)
    said = _password(trust.password(cloud), wary=wary)
    asks = _ASKS if one.kind is ReflectorKind.GOBGP_UNDEFERRED else _ASKS + _IS_WAITED_FOR
    for address in (*(hypervisor.address for hypervisor in cloud.hypervisors), *absent):
        text += _NEIGHBOUR.format(address=address, asn=cloud.asn, role=role, password=said, **times)
        text += "".join(_FAMILY.format(name=_NAMES[family]) for family in topology.families) + asks
    role, said = _guard(trust.OVER_THE_WAN, wary=wary) or _REFLECTOR, _password(trust.BETWEEN_CLOUDS, wary=wary)
    for peer in others:
        text += _NEIGHBOUR.format(address=peer.address, asn=peer.asn, role=role, password=said, **times)
        text += "".join(_FAMILY.format(name=_NAMES[family]) for family in peer.families)
    return text


def _guard(hops: int, *, wary: bool) -> str:
    return _TTL_SECURITY.format(ttl=256 - hops) if wary else ""


def _password(said: str, *, wary: bool) -> str:
    return f'  auth-password = "{said}"\n' if wary else ""


def prepare(cloud: Cloud, one: Reflector, topology: Topology, processes: Processes) -> None:
    """Its directory and what it reads at the start."""
    processes.places.of(one.node).mkdir(parents=True)
    write(one, configuration(cloud, one, topology), processes)


def write(one: Reflector, text: str, processes: Processes) -> None:
    """What it reads at its next start."""
    (processes.places.of(one.node) / "gobgpd.toml").write_text(text)


def sessions(one: Reflector, processes: Processes) -> dict[str, str]:
    """Peer address to session state, clients included. Raises PartFailed while it does not answer."""
    host, _, port = GOBGP_API.rpartition(":")
    command = within(one.node, ["gobgp", "-u", host, "-p", port, "-j", "neighbor"])
    answer: Any = json.loads(processes.run(f"reflector {one.node}", command) or "[]")
    return {str(peer["state"]["neighbor_address"]): _state(peer["state"]) for peer in answer}


def _state(said: dict[str, Any]) -> str:
    """GoBGP's number, in FRR's words."""
    return "Established" if said.get("session_state") == 6 else f"state {said.get('session_state')}"
