"""What two speakers can do (RFC 5492), and what that makes of a session: `Agreed`.

Rules: an offer is a list of code and octets, kept as received, so that a user can see all of it. Only what both sides
said counts; nothing is assumed but RFC 4271 itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from isthmus.bgp.errors import MessageError
from isthmus.bgp.family import ROUTE_TARGET_CONSTRAIN, Family
from isthmus.bgp.iana import CapabilityCode, NotificationCode, OpenError, words
from isthmus.model.net import IpAddress

MESSAGE_BYTES_MAX = 4096
"""RFC 4271 section 4.1; RFC 8654's 65535 is not offered."""

_LENGTHS = {CapabilityCode.MULTIPROTOCOL: 4, CapabilityCode.ROUTE_REFRESH: 0, CapabilityCode.FOUR_OCTET_AS: 4}


class Capability(NamedTuple):
    """One capability as it stands in an OPEN."""

    code: int
    value: bytes

    def encode(self) -> bytes:
        return bytes((self.code, len(self.value))) + self.value

    def __str__(self) -> str:
        family = self.family
        if family is not None:
            return f"multiprotocol {family}"
        if found := self.long_lived:
            said = (f"{f} {one.time_s} s{' preserved' if one.preserved else ''}" for f, one in found.items())
            return f"long lived graceful restart {' and '.join(said)}"
        if self.code == CapabilityCode.FOUR_OCTET_AS and len(self.value) == 4:
            return f"four octet as {int.from_bytes(self.value, 'big')}"
        known = self.code in set(CapabilityCode)
        name = words(CapabilityCode(self.code)) if known else f"capability {self.code}"
        return f"{name} {self.value.hex()}" if self.value else name

    @property
    def family(self) -> Family | None:
        """The family of a multiprotocol capability, if this speaker has a name for it."""
        if self.code != CapabilityCode.MULTIPROTOCOL or len(self.value) != 4:
            return None
        return Family.of(int.from_bytes(self.value[:2], "big"), self.value[3])

    @property
    def long_lived(self) -> dict[Family, LongLived]:
        """The families of a long-lived graceful restart capability that this speaker has a name for. One whose octets
        are not whole tuples says nothing: an extension is no reason to refuse a session."""
        if self.code != CapabilityCode.LONG_LIVED_GRACEFUL_RESTART or len(self.value) % _LONG_LIVED_BYTES:
            return {}
        tuples = (self.value[at : at + _LONG_LIVED_BYTES] for at in range(0, len(self.value), _LONG_LIVED_BYTES))
        found = ((Family.of(int.from_bytes(t[:2], "big"), t[2]), t) for t in tuples)
        return {f: LongLived(int.from_bytes(t[4:], "big"), bool(t[3] & _PRESERVED)) for f, t in found if f is not None}


def multiprotocol(family: Family) -> Capability:
    """RFC 4760 section 8: AFI, a reserved octet, SAFI."""
    return Capability(CapabilityCode.MULTIPROTOCOL, bytes((0, family.afi, 0, family.safi)))


@dataclass(frozen=True, slots=True)
class GracefulRestart:
    """What an OPEN says of restarts (RFC 4724 section 3, RFC 8538 section 2)."""

    time_s: int = 0
    """How long the peer is to keep our routes when the session ends; 0: not at all. Then the capability names no
    family, and is said only because FRR and GoBGP send End-of-RIB to nobody else."""
    restarting: bool = False
    """R: this is the first session after a restart."""
    preserved: bool = False
    """F: what we told before is still forwarded."""

    def __post_init__(self) -> None:
        if not 0 <= self.time_s < 2**12:
            raise ValueError(f"a restart time is 0 to 4095 seconds, not {self.time_s}")

    def capability(self, families: Iterable[Family]) -> Capability:
        """N always: also after a NOTIFICATION and when the hold time is over the routes are to be kept."""
        named = b"".join(f.encode() + bytes((_PRESERVED if self.preserved else 0,)) for f in families)
        flags = (_RESTARTING if self.restarting else 0) | (_NOTIFICATION if self.time_s else 0)
        return Capability(
            CapabilityCode.GRACEFUL_RESTART, (flags | self.time_s).to_bytes(2, "big") + (named if self.time_s else b"")
        )


_RESTARTING, _NOTIFICATION, _PRESERVED = 0x8000, 0x4000, 0x80

LONG_LIVED_MAX_S = 2**24 - 1
"""RFC 9494 section 3: three octets."""
_LONG_LIVED_BYTES = 7


@dataclass(frozen=True, slots=True)
class LongLived:
    """What an OPEN says of one family's routes when the time of RFC 4724 is over (RFC 9494 section 3)."""

    time_s: int = 0
    """How much longer whoever hears this is to keep them; 0: not at all."""
    preserved: bool = False
    """F: what was told before is still forwarded."""

    def __post_init__(self) -> None:
        if not 0 <= self.time_s <= LONG_LIVED_MAX_S:
            raise ValueError(f"a long-lived stale time is 0 to {LONG_LIVED_MAX_S} seconds, not {self.time_s}")

    def capability(self, families: Iterable[Family]) -> Capability:
        """The same for all families. Said with a time of 0 too: long-lived stale routes of others are passed on only
        to who says it (RFC 9494 section 4.3)."""
        rest = bytes((_PRESERVED if self.preserved else 0,)) + self.time_s.to_bytes(3, "big")
        return Capability(CapabilityCode.LONG_LIVED_GRACEFUL_RESTART, b"".join(f.encode() + rest for f in families))


def long_lived(capabilities: Iterable[Capability]) -> dict[Family, LongLived]:
    """What an OPEN's capabilities say of each family; nothing unless graceful restart itself is among them (RFC 9494
    section 3: otherwise the capability is ignored). Of several the last counts."""
    found: dict[Family, LongLived] = {}
    graceful = False
    for one in capabilities:
        graceful = graceful or one.code == CapabilityCode.GRACEFUL_RESTART
        if one.code == CapabilityCode.LONG_LIVED_GRACEFUL_RESTART:
            found = one.long_lived
    return found if graceful else {}


def offer(
    local_as: int,
    families: Sequence[Family],
    restart: GracefulRestart = GracefulRestart(),
    kept: LongLived | None = None,
) -> tuple[Capability, ...]:
    """What this speaker says of itself. Memberships (RFC 4684) are no routes, and do not live long."""
    lasting = [f for f in families if f != ROUTE_TARGET_CONSTRAIN]
    return (
        *(multiprotocol(f) for f in families),
        Capability(CapabilityCode.ROUTE_REFRESH, b""),
        Capability(CapabilityCode.FOUR_OCTET_AS, local_as.to_bytes(4, "big")),
        restart.capability(families),
        *([] if kept is None else [kept.capability(lasting)]),
    )


def decode_capabilities(raw: bytes) -> list[Capability]:
    """The capabilities of one optional parameter. Raises MessageError."""
    found, at = [], 0
    while at < len(raw):
        if len(raw) - at < 2 or at + 2 + raw[at + 1] > len(raw):
            raise _bad("a capability runs over the end of its parameter")
        after = at + 2 + raw[at + 1]
        capability = Capability(raw[at], raw[at + 2 : after])
        wanted = _LENGTHS.get(CapabilityCode(raw[at])) if raw[at] in set(CapabilityCode) else None
        if wanted is not None and len(capability.value) != wanted:
            raise _bad(f"the {words(CapabilityCode(raw[at]))} capability has {wanted} octets, not {raw[at + 1]}")
        found.append(capability)
        at = after
    return found


def _bad(text: str) -> MessageError:
    return MessageError(NotificationCode.OPEN, OpenError.UNSPECIFIC, text)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a session is, once both OPENs are read."""

    local_as: int
    peer_as: int
    families: tuple[Family, ...]
    """Those both sides offered, in our order."""
    hold_time_s: int
    four_octet_as: bool
    route_refresh: bool
    router_id: IpAddress
    peer_router_id: IpAddress
    peer_sends_end_of_rib: bool = False
    """It offered graceful restart, of which the marker is a part (RFC 4724); others may still send it."""
    long_lived: tuple[tuple[Family, LongLived], ...] = ()
    """What the peer says of its routes' long life (RFC 9494), family by family, if we have said something of ours."""
    peer_capabilities: tuple[Capability, ...] = ()
    message_bytes_max: int = MESSAGE_BYTES_MAX

    @property
    def is_ibgp(self) -> bool:
        """Both ends are in one AS: LOCAL_PREF is spoken, AS_PATH is left alone."""
        return self.local_as == self.peer_as
