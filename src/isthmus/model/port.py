"""A virtual machine's port, and the router's port that it has as gateway, as a node sees them."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.model.net import IpAddress, Mac
from isthmus.model.reason import NotAnnounced


@dataclass(frozen=True, slots=True)
class LocalPort:
    """A virtual machine's port that is bound to this hypervisor."""

    name: str
    """Neutron's port id (OVN's logical port)."""
    mac: Mac
    addresses: tuple[IpAddress, ...]
    """Its fixed IPs, link-local ones left out."""
    network: str
    """Neutron's network name, `neutron-<uuid>`: the join with an attachment's networks."""
    revision: int
    """Neutron's revision of the port, for people: it rises with whatever a tenant does to it."""
    up: bool
    device: str = ""
    """Neutron's device id, for people."""
    floating: bool = False
    """Whether it has a floating IP. Which of its IPv4 addresses has it OVN does not say, so all of them have."""
    is_virtual: bool = False
    """An address that one of several machines answers for (keepalived, a load balancer): who does now is here."""
    why_not: NotAnnounced | None = None
    """Why it is not told of, whatever its BGPVPNs are."""

    @property
    def speaks(self) -> bool:
        """Whether what it sends comes to the router on this hypervisor."""
        return self.why_not is not NotAnnounced.EXTERNAL


Claim = tuple[Mac, IpAddress]
"""Who has an address."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A router's port on a tenant network."""

    network: str
    """Neutron's network name, as a `LocalPort` has it."""
    mac: Mac
    addresses: tuple[IpAddress, ...]
    """Its own; the link-local one follows from the MAC."""
    ours: bool = False
    """Isthmus holds it, because the network has no router."""
