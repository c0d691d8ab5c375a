"""Ports of a network that no hypervisor serves in a VPN, and why: OVN answers for them elsewhere, or nowhere at all.

Hypervisors cannot tell: what is bound to none of them they never hear of. Rule: one statement, whatever the number of
networks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from neutron.common.ovn import constants as ovn
from neutron.db import models_v2
from neutron.plugins.ml2 import models as ml2
from neutron_lib import constants

from isthmus.model.reason import NotAnnounced

BALANCED = "OVN's load balancer has it, on no hypervisor"
NAMED_MAX = 3
"""Addresses named of one kind and network."""


def ports_left_out(session: Any, networks: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Sentences by network."""
    addresses: dict[tuple[str, str], list[str]] = defaultdict(list)
    for network, address, name in session.execute(_query(networks)) if networks else ():
        balanced = (name or "").startswith(ovn.LB_VIP_PORT_PREFIX)
        addresses[network, BALANCED if balanced else NotAnnounced.EXTERNAL.value].append(address)
    found: dict[str, list[str]] = defaultdict(list)
    for (network, why), several in sorted(addresses.items()):
        found[network].append(_sentence(sorted(several), why))
    return {network: tuple(sentences) for network, sentences in found.items()}


def _sentence(addresses: list[str], why: str) -> str:
    more = f" and {len(addresses) - NAMED_MAX} more" if len(addresses) > NAMED_MAX else ""
    return f"not announced: {', '.join(addresses[:NAMED_MAX])}{more}: {why}"


def _query(networks: Collection[str]) -> Any:
    """A load balancer says so by its port's name, and Neutron's own driver goes by it. Of NICs, what they switch
    themselves (switchdev) is on OVN's switch after all; so Neutron decides it, too."""
    port, allocation, binding = models_v2.Port, models_v2.IPAllocation, ml2.PortBinding
    query: Any = sa.select(port.network_id, allocation.ip_address, port.name)
    query = query.join(allocation, allocation.port_id == port.id)
    query = query.outerjoin(binding, sa.and_(binding.port_id == port.id, binding.status == constants.ACTIVE))
    balanced = port.name.startswith(ovn.LB_VIP_PORT_PREFIX, autoescape=True)
    elsewhere = sa.and_(
        binding.vnic_type.in_(ovn.EXTERNAL_PORT_TYPES), sa.not_(binding.profile.contains(ovn.PORT_CAP_SWITCHDEV))
    )
    return query.where(port.network_id.in_(networks), sa.or_(balanced, elsewhere)).distinct()
