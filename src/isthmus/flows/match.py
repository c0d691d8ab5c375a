"""What flows of every kind are made of: their type, and matches in the form in which the switch prints them.

Rules: `ip` or `ipv6` first, then fields in the switch's order, no match on a prefix of length 0 (see types.py).
"""

from __future__ import annotations

from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress, Prefix

Flow = tuple[FlowKey, str]

TURN_ROUND = "move:NXM_NX_TUN_IPV4_SRC[]->NXM_NX_TUN_IPV4_DST[]"
"""To whom it came from. Between IPv4 addresses only, as everywhere in this release; the source is the port's."""


def match(prefix: Prefix, rest: str, side: str, *, bare: bool = False) -> str:
    """`ip,<rest>,nw_dst=…` or `ipv6,<rest>,ipv6_dst=…`; `bare` when `rest` names the protocol already."""
    four = prefix.version == 4
    field = f"nw_{side}" if four else f"ipv6_{side}"
    head = rest if bare else f"{'ip' if four else 'ipv6'}{rest and ','}{rest}"
    if prefix.length == 0:
        return head
    return f"{head},{field}={prefix.address if prefix.is_host else prefix}"


def begins(source: Prefix) -> str:
    """The start of a match on tunnels from there. Between IPv4 addresses only, as everywhere in this release."""
    if not source.length:
        return ""
    return f"tun_src={source.address if source.is_host else source},"


def ends(endpoint: IpAddress) -> str:
    """The field that has a tunnel's other end."""
    return "tun_dst" if endpoint.version == 4 else "tun_ipv6_dst"
