"""What a machine is told when its gateway is another one: frames, and the lines that put them into the switch. Pure.

    gone   router advertisement with a lifetime of 0, as the router that leaves would send it (RFC 4861 section 6.2.5)
    came   gratuitous ARP (RFC 5227 section 3) and an unsolicited neighbour advertisement that overrides (RFC 4861
           section 7.2.6) of each address, handed to the machine; and a router solicitation *in the machine's name*,
           handed to OVN, so that the router itself says what kind of router it is

Rules: a frame for the machine leaves by its port and by no other, so nobody else hears of it; one in its name enters by
its port, so OVN treats it as the machine's. Nothing is told that a machine could not have heard from its router.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping

from isthmus.model.net import IpAddress, Mac
from isthmus.model.port import Claim, LocalPort
from isthmus.node.effects import Introduce

BROADCAST = Mac(b"\xff" * 6)
ARP, IPV4, IPV6, ICMPV6 = 0x0806, 0x0800, 0x86DD, 58
ALL_NODES, ALL_ROUTERS = IpAddress.parse("ff02::1"), IpAddress.parse("ff02::2")
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, NEIGHBOUR_ADVERTISEMENT = 133, 134, 136
SOURCE_LINK, TARGET_LINK = 1, 2
"""Options that carry a MAC (RFC 4861 section 4.6.1)."""
ROUTER, OVERRIDE = 0x80000000, 0x20000000
"""Flags of a neighbour advertisement; it is not SOLICITED."""


def link_local(mac: Mac) -> IpAddress:
    """RFC 4291 appendix A, as OVN's routers have it and Neutron lets machines have it."""
    return IpAddress(b"\xfe\x80" + bytes(6) + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:])


def lines(wish: Introduce, ofports: Mapping[str, int]) -> Iterator[str]:
    """For `ovs-ofctl bundle` on the integration bridge; machines without a port there hear nothing."""
    for port in wish.ports:
        number = ofports.get(port.name)
        if number is None:
            continue
        for frame in in_the_name_of(port, wish.came):
            yield f"packet-out in_port={number},packet={frame.hex()},actions=resubmit(,0)"
        for frame in told_to(wish.came, wish.gone):
            yield f"packet-out in_port=controller,packet={frame.hex()},actions=output:{number}"


def in_the_name_of(port: LocalPort, came: Iterable[Claim]) -> Iterator[bytes]:
    """One question is enough for however many routers."""
    if any(address.version == 6 for _, address in came):
        body = bytes(4) + _link(SOURCE_LINK, port.mac)
        yield _icmp(port.mac, link_local(port.mac), ALL_ROUTERS, ROUTER_SOLICITATION, body)


def told_to(came: Iterable[Claim], gone: Iterable[Mac]) -> Iterator[bytes]:
    """In a fixed order; what comes is told before what goes."""
    for mac, address in sorted(came):
        yield gratuitous_arp(mac, address) if address.version == 4 else _unsolicited(mac, address)
    for mac in sorted(gone):
        # Hop limit, flags, lifetime, reachable and retransmission time: unspecified, and 0 is "no router any more".
        yield _icmp(mac, link_local(mac), ALL_NODES, ROUTER_ADVERTISEMENT, bytes(12))


def gratuitous_arp(mac: Mac, address: IpAddress) -> bytes:
    """RFC 5227 section 3."""
    body = struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + mac + address + bytes(6) + address
    return _ethernet(BROADCAST, mac, ARP, body)


def _unsolicited(mac: Mac, address: IpAddress) -> bytes:
    body = (ROUTER | OVERRIDE).to_bytes(4, "big") + address + _link(TARGET_LINK, mac)
    return _icmp(mac, address, ALL_NODES, NEIGHBOUR_ADVERTISEMENT, body)


def _link(option: int, mac: Mac) -> bytes:
    """RFC 4861 section 4.6.1; the length counts eights of octets."""
    return bytes((option, 1)) + mac


def _icmp(mac: Mac, source: IpAddress, group: IpAddress, kind: int, body: bytes) -> bytes:
    """To a group; neighbour discovery has a hop limit of 255 (RFC 4861), and IPv6's checksum (RFC 8200 section 8.1)."""
    message = bytes((kind, 0, 0, 0)) + body
    total = _sum(source + group + len(message).to_bytes(4, "big") + ICMPV6.to_bytes(4, "big") + message)
    message = message[:2] + (~total & 0xFFFF).to_bytes(2, "big") + message[4:]
    head = struct.pack("!IHBB", 6 << 28, len(message), ICMPV6, 255) + source + group
    return _ethernet(Mac(b"\x33\x33" + group[12:]), mac, IPV6, head + message)


def _sum(octets: bytes) -> int:
    """RFC 1071; neighbour discovery's messages have even lengths."""
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _ethernet(to: Mac, by: Mac, kind: int, body: bytes) -> bytes:
    return (to + by + kind.to_bytes(2, "big") + body).ljust(60, b"\0")
