"""A flow as text in the very form in which the switch prints it.

Equality is textual: what we render is byte for byte what `ovs-ofctl dump-flows` prints for it (a contract test holds
us to that), so adopting, comparing and auditing need no interpretation of matches or actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MAGIC = 0x69737468
"""Upper half of our cookies: "isth". Flows with another upper half are not ours and are never touched."""


class FlowKey(NamedTuple):
    """OpenFlow's identity of a flow: table, priority, match (empty text matches everything)."""

    table: int
    priority: int
    match: str


@dataclass(frozen=True, slots=True)
class Installed:
    """A flow as the switch reports it."""

    cookie: int
    actions: str
    packets: int = 0

    @property
    def ours(self) -> bool:
        return self.cookie >> 32 == MAGIC

    @property
    def generation(self) -> int:
        """Which run of the agent wrote it."""
        return self.cookie & 0xFFFFFFFF


def cookie(generation: int) -> int:
    """The cookie of everything one run of the agent writes."""
    return MAGIC << 32 | (generation & 0xFFFFFFFF)
