"""The table of resource types that Heat reads."""

from __future__ import annotations

from typing import Any

from isthmus.heat.association import NetworkAssociation, PortAssociation, RouterAssociation
from isthmus.heat.bgpvpn import BGPVPN


def resource_mapping() -> dict[str, Any]:
    return {
        "OS::Neutron::BGPVPN": BGPVPN,
        "OS::Neutron::BGPVPN-NET-ASSOCIATION": NetworkAssociation,
        "OS::Neutron::BGPVPN-ROUTER-ASSOCIATION": RouterAssociation,
        "OS::Neutron::BGPVPN-PORT-ASSOCIATION": PortAssociation,
    }
