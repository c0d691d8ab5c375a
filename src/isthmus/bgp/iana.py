"""Code points of BGP, as IANA registers them; each enum names its registry's defining RFC.

Rule: only what this speaker reads, writes or names to a user. An unknown number on the wire stays an `int`.
"""

from __future__ import annotations

from enum import IntEnum

BGP_VERSION = 4
AS_TRANS = 23456
"""Stands for a four-octet AS number where only two octets fit (RFC 6793)."""


class Afi(IntEnum):
    """Address family identifiers (RFC 4760)."""

    IPV4 = 1
    IPV6 = 2
    L2VPN = 25


class Safi(IntEnum):
    """Subsequent address family identifiers (RFC 4760)."""

    UNICAST = 1
    EVPN = 70
    MPLS_VPN = 128
    ROUTE_TARGET_CONSTRAIN = 132


class MessageType(IntEnum):
    """RFC 4271 section 4.1, RFC 2918."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


class CapabilityCode(IntEnum):
    """RFC 5492; here also those a peer is likely to offer, so that a user reads names."""

    MULTIPROTOCOL = 1
    ROUTE_REFRESH = 2
    EXTENDED_NEXT_HOP = 5
    EXTENDED_MESSAGE = 6
    ROLE = 9
    GRACEFUL_RESTART = 64
    FOUR_OCTET_AS = 65
    ADD_PATH = 69
    ENHANCED_ROUTE_REFRESH = 70
    LONG_LIVED_GRACEFUL_RESTART = 71
    FQDN = 73
    SOFTWARE_VERSION = 75
    ROUTE_REFRESH_OLD = 128


class OptionalParameter(IntEnum):
    """Of the OPEN message (RFC 5492, RFC 9072)."""

    CAPABILITIES = 2
    EXTENDED_LENGTH = 255


class AttributeFlag(IntEnum):
    """RFC 4271 section 4.3."""

    OPTIONAL = 0x80
    TRANSITIVE = 0x40
    PARTIAL = 0x20
    EXTENDED_LENGTH = 0x10


class AttributeType(IntEnum):
    """BGP path attributes that this speaker reads or checks."""

    ORIGIN = 1
    AS_PATH = 2
    NEXT_HOP = 3
    MULTI_EXIT_DISC = 4
    LOCAL_PREF = 5
    ATOMIC_AGGREGATE = 6
    AGGREGATOR = 7
    COMMUNITIES = 8
    ORIGINATOR_ID = 9
    CLUSTER_LIST = 10
    MP_REACH_NLRI = 14
    MP_UNREACH_NLRI = 15
    EXTENDED_COMMUNITIES = 16
    AS4_PATH = 17
    AS4_AGGREGATOR = 18
    LARGE_COMMUNITIES = 32


class Origin(IntEnum):
    """RFC 4271 section 5.1.1; lower is preferred."""

    IGP = 0
    EGP = 1
    INCOMPLETE = 2


class AsSegmentType(IntEnum):
    """RFC 4271 section 4.3 and RFC 5065."""

    AS_SET = 1
    AS_SEQUENCE = 2
    AS_CONFED_SEQUENCE = 3
    AS_CONFED_SET = 4


class EvpnRouteType(IntEnum):
    """RFC 7432 section 7, RFC 9136."""

    ETHERNET_AUTO_DISCOVERY = 1
    MAC_IP_ADVERTISEMENT = 2
    INCLUSIVE_MULTICAST = 3
    ETHERNET_SEGMENT = 4
    IP_PREFIX = 5


class NotificationCode(IntEnum):
    """RFC 4271 section 4.5, RFC 7313, RFC 9687."""

    MESSAGE_HEADER = 1
    OPEN = 2
    UPDATE = 3
    HOLD_TIMER_EXPIRED = 4
    FSM = 5
    CEASE = 6
    ROUTE_REFRESH = 7
    SEND_HOLD_TIMER_EXPIRED = 8


class HeaderError(IntEnum):
    """Subcodes of NotificationCode.MESSAGE_HEADER."""

    CONNECTION_NOT_SYNCHRONIZED = 1
    BAD_MESSAGE_LENGTH = 2
    BAD_MESSAGE_TYPE = 3


class OpenError(IntEnum):
    """Subcodes of NotificationCode.OPEN (RFC 4271, RFC 5492)."""

    UNSPECIFIC = 0
    UNSUPPORTED_VERSION_NUMBER = 1
    BAD_PEER_AS = 2
    BAD_BGP_IDENTIFIER = 3
    UNSUPPORTED_OPTIONAL_PARAMETER = 4
    UNACCEPTABLE_HOLD_TIME = 6
    UNSUPPORTED_CAPABILITY = 7
    ROLE_MISMATCH = 11


class UpdateError(IntEnum):
    """Subcodes of NotificationCode.UPDATE."""

    MALFORMED_ATTRIBUTE_LIST = 1
    UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 2
    MISSING_WELL_KNOWN_ATTRIBUTE = 3
    ATTRIBUTE_FLAGS = 4
    ATTRIBUTE_LENGTH = 5
    INVALID_ORIGIN = 6
    INVALID_NEXT_HOP = 8
    OPTIONAL_ATTRIBUTE = 9
    INVALID_NETWORK_FIELD = 10
    MALFORMED_AS_PATH = 11


class FsmError(IntEnum):
    """Subcodes of NotificationCode.FSM (RFC 6608)."""

    UNSPECIFIED = 0
    UNEXPECTED_IN_OPEN_SENT = 1
    UNEXPECTED_IN_OPEN_CONFIRM = 2
    UNEXPECTED_IN_ESTABLISHED = 3


class CeaseError(IntEnum):
    """Subcodes of NotificationCode.CEASE (RFC 4486, RFC 8538, RFC 9384)."""

    MAXIMUM_PREFIXES_REACHED = 1
    ADMINISTRATIVE_SHUTDOWN = 2
    PEER_DECONFIGURED = 3
    ADMINISTRATIVE_RESET = 4
    CONNECTION_REJECTED = 5
    OTHER_CONFIGURATION_CHANGE = 6
    CONNECTION_COLLISION_RESOLUTION = 7
    OUT_OF_RESOURCES = 8
    HARD_RESET = 9
    BFD_DOWN = 10


SUBCODES: dict[NotificationCode, type[IntEnum]] = {
    NotificationCode.MESSAGE_HEADER: HeaderError,
    NotificationCode.OPEN: OpenError,
    NotificationCode.UPDATE: UpdateError,
    NotificationCode.FSM: FsmError,
    NotificationCode.CEASE: CeaseError,
}
"""Codes without an entry have no subcodes that anybody reads."""


def words(member: IntEnum) -> str:
    """`BAD_PEER_AS` as a sentence has it: `bad peer as`."""
    return member.name.lower().replace("_", " ")
