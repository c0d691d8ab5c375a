"""What a cloud asks of one node, and how it rides in OVN rows.

The Neutron side writes an *attachment circuit* (AC) row: the localport through which one attachment (a logical router,
or a network without one) meets br-vpn. northd copies the row's `external_ids` to every node. These files are the only
place that knows the keys (`keys.py`), in two forms:

    form 1   an AC row carries targets, VNI and preference of each association itself
    form 2   an AC row refers to BGPVPNs, and each BGPVPN has a row of its own: one row changes with its targets

A row says which form a reader must know (`isthmus:schema`, readable-from) and which its writer knew
(`isthmus:written-by`). A reader refuses a row only if the first is above `READS`; what it does not know beyond that it
passes over and counts. A writer leaves alone what a newer one wrote. So either side may be upgraded first.

Rules: writing is deterministic (equal intent, equal text), and form 1 is as it was in the first release, to the octet:
agents of that release refuse any key they do not know. Whatever a row says, reading it raises `BadIntent` with the key
and the rule, or nothing. Equal content gives equal intent, whatever the form. To make form 3: see docs/design/model.md.
"""

from isthmus.model.intent.keys import (
    ASSOCIATION_KEY,
    ATTACHMENT_KEY,
    BGPVPN_KEY,
    FORM_1_KEY,
    KEY,
    KIND_AC,
    KIND_GATEWAY,
    KIND_KEY,
    KIND_VPN,
    NETWORK_KEY,
    NETWORK_VALUE,
    READS,
    REVISION_KEY,
    ROW_BYTES_MAX,
    SCHEMA_KEY,
    VPN_PORT,
    WRITES,
    WRITTEN_BY_KEY,
    bgpvpn_port,
    network_key,
)
from isthmus.model.intent.memory import from_memory, to_memory
from isthmus.model.intent.reading import (
    from_external_ids,
    networks_named,
    read_attachment,
    read_bgpvpn,
    readable_from,
    written_by,
)
from isthmus.model.intent.resolving import MISSING, ReadAttachment, Reference, carried, resolve
from isthmus.model.intent.values import (
    CIRCUIT_IPV4,
    CIRCUIT_IPV4_LENGTH,
    CIRCUIT_IPV6,
    CIRCUIT_IPV6_LENGTH,
    CIRCUIT_LANE,
    CIRCUIT_MAC,
    CIRCUITS_IPV6,
    LANE_MAX,
    LANE_MIN,
    LANES_IPV4_LENGTH,
    LANES_IPV6_LENGTH,
    NOBODYS_LANE,
    NUMBER_MAX,
    NUMBER_MIN,
    PRIVATE_PREFIXES,
    ROUTER_IPV4,
    ROUTER_IPV6,
    ROUTER_MAC,
    AssociationIntent,
    AssociationKind,
    AttachmentIntent,
    BadIntent,
    BgpvpnIntent,
    Fallback,
    FamilyName,
    Lane,
    UnknownSchema,
    is_private,
)
from isthmus.model.intent.writing import bgpvpn_external_ids, to_external_ids

__all__ = [
    "ASSOCIATION_KEY",
    "ATTACHMENT_KEY",
    "BGPVPN_KEY",
    "CIRCUITS_IPV6",
    "CIRCUIT_IPV4",
    "CIRCUIT_IPV4_LENGTH",
    "CIRCUIT_IPV6",
    "CIRCUIT_IPV6_LENGTH",
    "CIRCUIT_LANE",
    "CIRCUIT_MAC",
    "FORM_1_KEY",
    "KEY",
    "KIND_AC",
    "KIND_GATEWAY",
    "KIND_KEY",
    "KIND_VPN",
    "LANES_IPV4_LENGTH",
    "LANES_IPV6_LENGTH",
    "LANE_MAX",
    "LANE_MIN",
    "MISSING",
    "NETWORK_KEY",
    "NETWORK_VALUE",
    "NOBODYS_LANE",
    "NUMBER_MAX",
    "NUMBER_MIN",
    "PRIVATE_PREFIXES",
    "READS",
    "REVISION_KEY",
    "ROUTER_IPV4",
    "ROUTER_IPV6",
    "ROUTER_MAC",
    "ROW_BYTES_MAX",
    "SCHEMA_KEY",
    "VPN_PORT",
    "WRITES",
    "WRITTEN_BY_KEY",
    "AssociationIntent",
    "AssociationKind",
    "AttachmentIntent",
    "BadIntent",
    "BgpvpnIntent",
    "Fallback",
    "FamilyName",
    "Lane",
    "ReadAttachment",
    "Reference",
    "UnknownSchema",
    "bgpvpn_external_ids",
    "bgpvpn_port",
    "carried",
    "from_external_ids",
    "from_memory",
    "is_private",
    "network_key",
    "networks_named",
    "read_attachment",
    "read_bgpvpn",
    "readable_from",
    "resolve",
    "to_external_ids",
    "to_memory",
    "written_by",
]
