"""Path attributes onto the wire, in the order of their numbers; MP_REACH_NLRI is the message's affair.

Rules: what a session must not be told is left out here and nowhere else: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST
stay inside the AS, and another AS sees ours in front of the path.
"""

from __future__ import annotations

from isthmus.bgp import as_path
from isthmus.bgp.attribute import AsSegment, PathAttributes
from isthmus.bgp.capability import Agreed
from isthmus.bgp.iana import AsSegmentType, AttributeFlag, AttributeType

LOCAL_PREF_DEFAULT = 100
"""What every implementation assumes where an operator says nothing."""

_WELL_KNOWN = AttributeFlag.TRANSITIVE
_OPTIONAL = AttributeFlag.OPTIONAL
_OPTIONAL_TRANSITIVE = AttributeFlag.OPTIONAL | AttributeFlag.TRANSITIVE


def attribute(flags: int, code: int, value: bytes) -> bytes:
    """One attribute; two octets of length only where one is not enough."""
    if len(value) < 256:
        return bytes((flags, code, len(value))) + value
    return bytes((flags | AttributeFlag.EXTENDED_LENGTH, code)) + len(value).to_bytes(2, "big") + value


def keep(attributes: PathAttributes) -> bytes:
    """The attributes for whoever reads them without a session (heard.py): all that is there but next hop and extended
    communities, nothing that is not, four octets a number."""
    known = [
        (_WELL_KNOWN, AttributeType.ORIGIN, bytes((attributes.origin,))),
        (_WELL_KNOWN, AttributeType.AS_PATH, as_path.encode(attributes.as_path, 4)),
        *_optional(attributes, is_ibgp=True),
    ]
    if attributes.local_pref is not None:
        known.append((_WELL_KNOWN, AttributeType.LOCAL_PREF, attributes.local_pref.to_bytes(4, "big")))
    known += [(a.flags, a.code, a.value) for a in attributes.unknown]
    kept = sorted((one for one in known if one[1] != AttributeType.EXTENDED_COMMUNITIES), key=lambda one: one[1])
    return b"".join(attribute(*one) for one in kept)


def encode_attributes(attributes: PathAttributes, agreed: Agreed) -> bytes:
    """All attributes but the multiprotocol ones, as this peer is to be told them."""
    path = attributes.as_path if agreed.is_ibgp else as_path.prepend(attributes.as_path, agreed.local_as)
    known = _well_known(attributes, path, agreed) + _optional(attributes, is_ibgp=agreed.is_ibgp)
    if not agreed.four_octet_as and as_path.needs_as4_path(path):
        known.append((_OPTIONAL_TRANSITIVE, AttributeType.AS4_PATH, as_path.encode(_without_confederation(path), 4)))
    known += [(a.flags | AttributeFlag.PARTIAL, a.code, a.value) for a in attributes.unknown]
    return b"".join(attribute(*one) for one in sorted(known, key=lambda one: one[1]))


def _well_known(
    attributes: PathAttributes, path: tuple[AsSegment, ...], agreed: Agreed
) -> list[tuple[int, int, bytes]]:
    found: list[tuple[int, int, bytes]] = [
        (_WELL_KNOWN, AttributeType.ORIGIN, bytes((attributes.origin,))),
        (_WELL_KNOWN, AttributeType.AS_PATH, as_path.encode(path, 4 if agreed.four_octet_as else 2)),
    ]
    if agreed.is_ibgp:
        preference = LOCAL_PREF_DEFAULT if attributes.local_pref is None else attributes.local_pref
        found.append((_WELL_KNOWN, AttributeType.LOCAL_PREF, preference.to_bytes(4, "big")))
    return found


def _optional(attributes: PathAttributes, *, is_ibgp: bool) -> list[tuple[int, int, bytes]]:
    found: list[tuple[int, int, bytes]] = []
    if attributes.med is not None:
        found.append((_OPTIONAL, AttributeType.MULTI_EXIT_DISC, attributes.med.to_bytes(4, "big")))
    if is_ibgp and attributes.originator_id is not None:
        found.append((_OPTIONAL, AttributeType.ORIGINATOR_ID, attributes.originator_id))
    if is_ibgp and attributes.cluster_list:
        found.append((_OPTIONAL, AttributeType.CLUSTER_LIST, b"".join(attributes.cluster_list)))
    lists = (
        (AttributeType.COMMUNITIES, b"".join(c.to_bytes(4, "big") for c in attributes.communities)),
        (AttributeType.EXTENDED_COMMUNITIES, b"".join(attributes.extended_communities)),
        (AttributeType.LARGE_COMMUNITIES, b"".join(attributes.large_communities)),
    )
    return found + [(_OPTIONAL_TRANSITIVE, code, value) for code, value in lists if value]


def _without_confederation(path: tuple[AsSegment, ...]) -> tuple[AsSegment, ...]:
    return tuple(s for s in path if s.kind in (AsSegmentType.AS_SET, AsSegmentType.AS_SEQUENCE))
