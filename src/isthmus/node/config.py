"""What an operator decides about one node, as the core needs it: read once, frozen, passed in."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.model.net import IpAddress, Mac


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """One reflector. Its AS equal to ours makes the session internal."""

    address: IpAddress
    asn: int
    hold_time_s: int
    jitter: float
    """In [0, 1): spreads reconnects of many hypervisors; chance is handed in so that a run can be repeated."""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """One hypervisor."""

    vtep: IpAddress
    router_id: IpAddress
    asn: int
    peers: tuple[PeerConfig, ...]
    generation: int
    """Which run of the agent this is; part of the cookie of what it writes."""

    @property
    def router_mac(self) -> Mac:
        """Locally administered, unicast, and a function of the router-id: the same after every restart."""
        return Mac(b"\x02\x78" + self.router_id)
