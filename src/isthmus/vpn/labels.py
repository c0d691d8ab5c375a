"""Labels: those of ours, and which of others' can be pushed (ADR 12).

Two for each (attachment, BGPVPN), one a version of IP, because popping must name what is inside. Each follows from the
hypervisor's number of the pair, so a restart changes none and nothing is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.model.reason import NotImported

RESERVED = 16
"""Labels below have a meaning of their own (RFC 3032 section 2.1)."""
_IMPLICIT_NULL = 3
_SECOND_HALF = 2**16
"""How many numbers there are: a label of IPv6 lies so far above that of IPv4."""
STACK_MAX = 3
"""More than that Open vSwitch drops (it says so when it starts: "MPLS label stack length probed as 3")."""

PROBES = 0xFFFFE
"""From here up labels are of probes (`flows.layout`): whoever announced one would have tenants' packets answer them."""

NOBODYS = 0
"""The number below all that are issued: of beacons."""


def label(number: int, version: int) -> int:
    """What comes for an address of (attachment, BGPVPN) has this."""
    return RESERVED + number + (0 if version == 4 else _SECOND_HALF)


def refusal(labels: Sequence[int]) -> NotImported | None:
    """Why nothing could be sent with these."""
    if len(labels) > STACK_MAX:
        return NotImported.LABEL_STACK
    if labels[-1] == _IMPLICIT_NULL:
        return NotImported.IMPLICIT_NULL
    return NotImported.RESERVED_LABEL if min(labels) < RESERVED or max(labels) >= PROBES else None
