"""What our side wants of a session, and whether a peer's OPEN suits it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from isthmus.bgp.capability import Agreed, GracefulRestart, LongLived, long_lived, multiprotocol
from isthmus.bgp.errors import MessageError
from isthmus.bgp.family import ROUTE_TARGET_CONSTRAIN, Family
from isthmus.bgp.iana import CapabilityCode, NotificationCode, OpenError
from isthmus.bgp.message import Open, decode_open
from isthmus.bgp.nlri import CODECS
from isthmus.model.net import IpAddress

CONNECT_RETRY_MAX_S = 30.0
"""Waiting doubles up to here, and starts anew after a session that lived this long: a peer that takes and drops
sessions (a prefix limit, say) is not dialled every second."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What an operator says of a session. Raises ValueError with a sentence for them."""

    local_as: int
    peer_as: int
    router_id: IpAddress
    families: tuple[Family, ...]
    hold_time_s: int = 30
    connect_retry_s: float = 1.0
    restart_time_s: int = 0
    """How long a peer that can is to keep our routes after the session's end (RFC 4724); 0: not."""
    long_lived_s: int | None = None
    """How much longer as long-lived stale (RFC 9494); None: the capability is not said."""

    def __post_init__(self) -> None:
        for number in (self.local_as, self.peer_as):
            if not 0 < number < 2**32:
                raise ValueError(f"{number} is not an AS number (1 to 4294967295)")
        if len(self.router_id) != 4 or not any(self.router_id):
            raise ValueError(f"a router-id is an IPv4 address and not 0.0.0.0, so it cannot be {self.router_id}")
        if self.hold_time_s and not 3 <= self.hold_time_s < 2**16:
            raise ValueError(f"a hold time is 0 or 3 to 65535 seconds, not {self.hold_time_s}")
        if not 0 < self.connect_retry_s <= CONNECT_RETRY_MAX_S:
            raise ValueError(f"the first wait before a retry is at most {CONNECT_RETRY_MAX_S} s")
        GracefulRestart(self.restart_time_s)
        LongLived(self.long_lived_s or 0)
        unknown = [str(f) for f in self.families if f not in CODECS]
        if unknown or not self.families:
            raise ValueError(f"families {unknown} are not carried" if unknown else "a session needs a family")


@dataclass(frozen=True, slots=True)
class Suspended:
    """An Established session between two processes, one that has ended and one that has not begun. The connection goes
    its own way; here is what its octets alone do not say."""

    sent_open: bytes
    """Our OPEN and the peer's, without headers."""
    received_open: bytes
    unread: bytes
    """The beginning of a message whose end has not come."""


def agree_again(config: SessionConfig, suspended: Suspended) -> Agreed:
    """What the two OPENs agreed on, if we would say the same today. Raises ValueError with what differs."""
    try:
        ours, theirs = decode_open(suspended.sent_open), decode_open(suspended.received_open)
        if ROUTE_TARGET_CONSTRAIN not in ours.families:  # an older version began this session
            routes = tuple(f for f in config.families if f != ROUTE_TARGET_CONSTRAIN)
            config = replace(config, families=routes)
        said = (ours.as_number, ours.router_id, ours.hold_time_s, ours.families)
        if said != (config.local_as, config.router_id, config.hold_time_s, frozenset(config.families)):
            raise ValueError("this run would say something else of itself than the last one did")
        if not ours.offers(CapabilityCode.LONG_LIVED_GRACEFUL_RESTART):
            config = replace(config, long_lived_s=None)  # an older version began this session
        return agree(config, theirs)
    except (MessageError, IndexError) as error:
        raise ValueError(f"the session's OPENs do not fit: {error}") from None


def agree(config: SessionConfig, hello: Open) -> Agreed:
    """What both sides can do. Raises MessageError if that is not enough (RFC 4271 section 6.2)."""

    def refuse(subcode: OpenError, text: str, data: bytes = b"") -> MessageError:
        return MessageError(NotificationCode.OPEN, subcode, text, data)

    if hello.as_number != config.peer_as:
        raise refuse(OpenError.BAD_PEER_AS, f"it says AS {hello.as_number}, expected is {config.peer_as}")
    if not any(hello.router_id):
        raise refuse(OpenError.BAD_BGP_IDENTIFIER, "its router-id is 0.0.0.0")
    if config.local_as == config.peer_as and hello.router_id == config.router_id:  # RFC 6286 section 2.2
        raise refuse(OpenError.BAD_BGP_IDENTIFIER, f"its router-id {hello.router_id} is ours")
    if hello.hold_time_s in (1, 2):
        raise refuse(OpenError.UNACCEPTABLE_HOLD_TIME, f"a hold time of {hello.hold_time_s} s")
    families = tuple(f for f in config.families if f in hello.families)
    if not set(families) - {ROUTE_TARGET_CONSTRAIN}:
        # A session that can carry nothing would only look healthy. RFC 5492 section 3: the data says what is missing.
        wanted = b"".join(multiprotocol(f).encode() for f in config.families)
        text = f"it offers none of {', '.join(str(f) for f in config.families)}"
        raise refuse(OpenError.UNSUPPORTED_CAPABILITY, text, wanted)
    theirs = {} if config.long_lived_s is None else long_lived(hello.capabilities)
    refresh = hello.offers(CapabilityCode.ROUTE_REFRESH) or hello.offers(CapabilityCode.ROUTE_REFRESH_OLD)
    return Agreed(
        local_as=config.local_as,
        peer_as=config.peer_as,
        families=families,
        hold_time_s=min(config.hold_time_s, hello.hold_time_s),
        four_octet_as=hello.offers(CapabilityCode.FOUR_OCTET_AS),
        route_refresh=refresh,
        router_id=config.router_id,
        peer_router_id=hello.router_id,
        peer_sends_end_of_rib=hello.offers(CapabilityCode.GRACEFUL_RESTART),
        long_lived=tuple((f, theirs[f]) for f in families if f in theirs),
        peer_capabilities=hello.capabilities,
    )
