"""VPNv4 and VPNv6 routes (RFC 4364 section 4.3, RFC 4659 section 3.2; labels as in RFC 8277 section 2).

    +-------------------------------------------------------------+
    | length in bits (1): of all that follows                     |
    | labels, each 3: label (20 bits), 3 unused, bottom of stack  |
    | route distinguisher (8)                                     |
    | prefix: as many octets as its length needs                  |
    +-------------------------------------------------------------+

Rules: the key is RD and prefix; labels are what a new announcement replaces. A stack ends with the label that has the
bottom-of-stack bit (RFC 3107; nobody offers RFC 8277's capability, without which one label is all there is and the bit
means nothing: so it is one label wherever what follows can be a route distinguisher and a prefix). 0x800000 and 0 end
it too, because a withdrawn route has one of these, or any other label. So do these labels with any of the three unused
bits: those are not kept, and explicit null stands at the bottom only (RFC 3032 section 2.1). Nothing but the length
says where a route ends, so one that no route can have leaves no boundary: that ends the session (RFC 7606 section
5.3).

A next hop is an RD of zeros and an address (12 or 24 octets; 48 with a link-local one behind, which nobody needs). An
IPv4 address in an IPv6 one's clothes is that IPv4 address: where a tunnel ends, whatever the family of the payload.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from isthmus.bgp.errors import AttributeFault
from isthmus.bgp.family import VPNV4, VPNV6, Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.nlri.decoded import REMEMBERED, BoundaryLost, Decoded, distinguisher
from isthmus.model.net import MAPPED, IpAddress, Prefix
from isthmus.model.vpn import RouteDistinguisher

LABEL_MAX = 2**20 - 1
_BOTTOM = 1
_LABEL_OCTETS, _RD_OCTETS = 3, 8
_NO_PREFIX_BITS = 8 * (_LABEL_OCTETS + _RD_OCTETS)
WITHDRAWN_LABEL = b"\x80\0\0"
_ENDS = frozenset({0x80000, 0})
_RD_ZERO = bytes(8)
_RD_TYPES = frozenset({b"\0\0", b"\0\1", b"\0\2"})
"""All there are (RFC 4364 section 4.2): the first octets of a label below 48, and of no other."""


class VpnDistinguisher(NamedTuple):
    """What tells the routes of one peer to one prefix apart."""

    rd: RouteDistinguisher

    @property
    def ethernet_tag(self) -> int:
        """None there: as good as EVPN's 0."""
        return 0


class VpnKey(NamedTuple):
    """What makes two announcements the same route."""

    rd: RouteDistinguisher
    prefix: Prefix

    @property
    def family(self) -> Family:
        return VPNV4 if len(self.prefix.address) == 4 else VPNV6

    def key(self) -> VpnKey:
        return self

    def __str__(self) -> str:
        return f"{self.rd} {self.prefix}"


class VpnPrefix(NamedTuple):
    """One route; its labels as they are pushed, the outermost first."""

    rd: RouteDistinguisher
    prefix: Prefix
    labels: tuple[int, ...]

    @property
    def family(self) -> Family:
        return VPNV4 if len(self.prefix.address) == 4 else VPNV6

    @property
    def destination(self) -> Prefix:
        return self.prefix

    @property
    def distinguisher(self) -> VpnDistinguisher:
        return VpnDistinguisher(self.rd)

    @property
    def vni(self) -> int:
        return 0

    def key(self) -> VpnKey:
        return VpnKey(self.rd, self.prefix)

    def __str__(self) -> str:
        return f"rd {self.rd} {self.prefix} label {'/'.join(map(str, self.labels))}"


@lru_cache(REMEMBERED)
def _stack(raw: bytes) -> tuple[int, ...]:
    """The same object again: a VRF's routes share it."""
    return tuple([int.from_bytes(raw[at : at + _LABEL_OCTETS], "big") >> 4 for at in range(0, len(raw), _LABEL_OCTETS)])


def _decode(raw: bytes, width: int) -> Decoded[VpnPrefix]:
    routes: list[VpnPrefix] = []
    at, end, most = 0, len(raw), width * 8
    while at < end:
        bits = raw[at]
        after, labels = at + 1 + (bits + 7 >> 3), at + 1
        if after > end:
            raise BoundaryLost(f"a VPN route at octet {at} runs over the end of {end} octets")
        rd = labels + _LABEL_OCTETS
        if bits >= _NO_PREFIX_BITS and not raw[rd - 1] & _BOTTOM:
            rd = _behind_labels(raw, labels, bits, most)
        length, prefix = bits - 8 * (rd + _RD_OCTETS - labels), rd + _RD_OCTETS
        if not 0 <= length <= most:
            raise BoundaryLost(f"a VPN route at octet {at} of {bits} bits, and {(rd - labels) // 3} labels in it")
        if length == most:
            where = Prefix(IpAddress(raw[prefix:after]), length)
        else:
            where = Prefix.of(raw[prefix:after].ljust(width, b"\0"), length)
        routes.append(VpnPrefix(distinguisher(raw[rd:prefix]), where, _stack(raw[labels:rd])))
        at = after
    return Decoded(routes, [])


def _behind_labels(raw: bytes, begin: int, bits: int, most: int) -> int:
    """Where the labels end of a route of so many bits whose first has no bottom of stack."""
    one = begin + _LABEL_OCTETS
    if bits - _NO_PREFIX_BITS <= most and raw[one : one + 2] in _RD_TYPES:
        return one
    at, stop = begin, begin + (bits - 8 * _RD_OCTETS) // 8
    while at + _LABEL_OCTETS <= stop:
        label = int.from_bytes(raw[at : at + _LABEL_OCTETS], "big")
        at += _LABEL_OCTETS
        if label & _BOTTOM or label >> 4 in _ENDS:
            return at if bits - 8 * (at + _RD_OCTETS - begin) <= most else one
    return one


def decode_vpnv4(raw: bytes) -> Decoded[VpnPrefix]:
    """All routes of an NLRI field. Raises BoundaryLost."""
    return _decode(raw, 4)


def decode_vpnv6(raw: bytes) -> Decoded[VpnPrefix]:
    """All routes of an NLRI field. Raises BoundaryLost."""
    return _decode(raw, 16)


def check(routes: Sequence[VpnPrefix], heard: Heard) -> list[tuple[VpnPrefix, AttributeFault]]:
    """Of announced routes no RFC has any treated as withdrawn; what cannot be forwarded is refused where it is used."""
    return []


def encode(route: VpnPrefix) -> bytes:
    """One route as MP_REACH_NLRI carries it."""
    last = len(route.labels) - 1
    stack = [(n << 4 | (i == last)).to_bytes(_LABEL_OCTETS, "big") for i, n in enumerate(route.labels)]
    return _encode(b"".join(stack), route.rd, route.prefix)


def encode_key(key: VpnKey) -> bytes:
    """One route as MP_UNREACH_NLRI carries it (RFC 8277 section 2.4)."""
    return _encode(WITHDRAWN_LABEL, key.rd, key.prefix)


def _encode(labels: bytes, rd: RouteDistinguisher, prefix: Prefix) -> bytes:
    head = labels + rd
    return bytes((8 * len(head) + prefix.length,)) + head + prefix.address[: prefix.length + 7 >> 3]


def read_next_hop(raw: bytes) -> IpAddress | None:
    """None: an impossible length."""
    if len(raw) == _RD_OCTETS + 4:
        return IpAddress(raw[_RD_OCTETS:])
    if len(raw) not in (24, 48):
        return None
    address = raw[_RD_OCTETS:24]
    return IpAddress(address[12:] if address.startswith(MAPPED) else address)


def write_next_hop_vpnv4(address: IpAddress) -> bytes:
    return _RD_ZERO + address


def write_next_hop_vpnv6(address: IpAddress) -> bytes:
    """RFC 4659 section 3.2.1.2, and never 48 octets: FRR 10.3 would send to the second address."""
    return _RD_ZERO + (MAPPED + address if len(address) == 4 else address)
