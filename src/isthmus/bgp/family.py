"""An address family: what kind of route a session carries."""

from __future__ import annotations

from typing import NamedTuple

from isthmus.bgp.iana import Afi, Safi

_AFI_WORDS = {Afi.IPV4: "ipv4", Afi.IPV6: "ipv6", Afi.L2VPN: "l2vpn"}
_SAFI_WORDS = {
    Safi.UNICAST: "unicast",
    Safi.EVPN: "evpn",
    Safi.MPLS_VPN: "vpn",
    Safi.ROUTE_TARGET_CONSTRAIN: "rt-constrain",
}


class Family(NamedTuple):
    """AFI and SAFI of RFC 4760."""

    afi: Afi
    safi: Safi

    @classmethod
    def of(cls, afi: int, safi: int) -> Family | None:
        """The family of two numbers off the wire; None when this speaker has no name for one of them."""
        try:
            return cls(Afi(afi), Safi(safi))
        except ValueError:
            return None

    def encode(self) -> bytes:
        """AFI in two octets, SAFI in one: as MP_REACH_NLRI and MP_UNREACH_NLRI begin."""
        return self.afi.to_bytes(2, "big") + self.safi.to_bytes(1, "big")

    def __str__(self) -> str:
        return f"{_AFI_WORDS[self.afi]} {_SAFI_WORDS[self.safi]}"


EVPN = Family(Afi.L2VPN, Safi.EVPN)
VPNV4, VPNV6 = Family(Afi.IPV4, Safi.MPLS_VPN), Family(Afi.IPV6, Safi.MPLS_VPN)
ROUTE_TARGET_CONSTRAIN = Family(Afi.IPV4, Safi.ROUTE_TARGET_CONSTRAIN)
"""Not of routes but of memberships (RFC 4684), whatever the families of the routes asked for."""
IPV4_UNICAST = Family(Afi.IPV4, Safi.UNICAST)
"""What the UPDATE message's own fields carry (RFC 4271); never offered by this speaker."""
