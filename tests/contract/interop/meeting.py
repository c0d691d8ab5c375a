"""Two sessions of ours with one foreign speaker between them, and what they tell: a few routes of each family, with
every attribute that this project uses."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from isthmus.bgp.attribute import (
    PathAttributes,
    claimant_community,
    encapsulation_community,
    mobility_community,
    router_mac_community,
)
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN, VPNV4, VPNV6, Family
from isthmus.bgp.frame import Stream
from isthmus.bgp.iana import MessageType
from isthmus.bgp.nlri import Nlri, NlriKey
from isthmus.bgp.nlri.evpn import ESI_ZERO, EvpnPrefix
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.bgp.session import Closed, Input, Received, Session, SessionConfig
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.vpn import Claimant, Encapsulation, RouteDistinguisher, RouteTarget, SiteOfOrigin
from isthmus.shell.tcp_guard import NO_GUARD, Guard
from tests.contract.interop.opponents import ASN, LOOPBACK_V6, ONE, TWO, Opponent, Setting
from tests.contract.speakers import LiveSession
from tests.eventually import eventually

_EXTENDED_LENGTH, _MP_REACH = 0x10, 14
VTEP, OTHER_VTEP = IpAddress.parse("10.60.0.1"), IpAddress.parse("10.60.0.99")
RD = RouteDistinguisher.parse("10.60.0.1:16")
NAMES = {EVPN: "EVPN", VPNV4: "VPNv4", VPNV6: "VPNv6", ROUTE_TARGET_CONSTRAIN: "RT-Constrain"}
OFFERED = (EVPN, VPNV4, VPNV6, ROUTE_TARGET_CONSTRAIN)
_TARGETS = (RouteTarget.parse("64512:5001"), RouteTarget.parse("4200000001:77"))
_REST = (
    SiteOfOrigin.parse("64512:7"),
    router_mac_community(Mac.parse("02:78:0a:3c:00:01")),
    mobility_community(5),
    claimant_community(Claimant.parse("c1a10a90beef")),
)


def _said(encapsulation: Encapsulation) -> PathAttributes:
    communities = (*_TARGETS, encapsulation_community(encapsulation), *_REST)
    return PathAttributes(next_hop=VTEP, local_pref=150, extended_communities=communities)


SAID = {
    EVPN: _said(Encapsulation.VXLAN),
    VPNV4: _said(Encapsulation.MPLS_IN_GRE),
    VPNV6: _said(Encapsulation.MPLS_IN_GRE),
}
ROUTES: dict[Family, tuple[Nlri, Nlri]] = {
    EVPN: (
        EvpnPrefix(RD, 0, Prefix.parse("10.1.1.5/32"), ESI_ZERO, None, 5001),
        EvpnPrefix(RD, 0, Prefix.parse("fd02::/64"), ESI_ZERO, None, 5001),
    ),
    VPNV4: (VpnPrefix(RD, Prefix.parse("10.1.1.5/32"), (16,)), VpnPrefix(RD, Prefix.parse("0.0.0.0/0"), (131_087,))),
    VPNV6: (VpnPrefix(RD, Prefix.parse("fd01::5/128"), (65_552,)), VpnPrefix(RD, Prefix.parse("fd02::/64"), (17,))),
}
"""The first of each is changed in a case, the second withdrawn."""


def names(families: tuple[Family, ...] | list[Family]) -> str:
    return ", ".join(NAMES[one] for one in families) or "none"


class Recorded(Session):
    """With the octets that came."""

    octets = b""

    def handle(self, event: Input, now: float) -> None:
        if isinstance(event, Received):
            self.octets += event.data
        super().handle(event, now)


class Heard(LiveSession):
    """A session of ours, with what its updates add up to."""

    def __init__(self, config: SessionConfig, address: str, port: int, source: str, guard: Guard = NO_GUARD) -> None:
        super().__init__(config, address, port, source, guard)
        self.session: Recorded = Recorded(config)

    def only_listen(self) -> None:
        """One step without the clock: nothing is said by which the peer could tell that somebody is there."""
        self.flush()
        if self._socket is not None and select.select([self._socket], [], [], 0.01)[0]:
            data = self._socket.recv(65536)
            self.session.handle(Received(data) if data else Closed("end of stream"), time.monotonic())
            self.flush()

    def next_hop_octets(self, family: Family) -> set[int]:
        """How long next hops of a family were, as they came: MP_REACH_NLRI of RFC 4760 section 3."""
        stream, found = Stream(), set[int]()
        stream.push(self.session.octets)
        while (message := stream.take()) is not None:
            kind, body = message
            if kind is not MessageType.UPDATE:
                continue
            at = 4 + int.from_bytes(body[:2], "big")
            while at < len(body):
                flags, code = body[at], body[at + 1]
                head = 4 if flags & _EXTENDED_LENGTH else 3
                value = at + head
                if code == _MP_REACH and body[value : value + 3] == family.encode():
                    found.add(body[value + 3])
                at = value + int.from_bytes(body[at + 2 : value], "big")
        return found

    def told(self, start: int = 0) -> dict[NlriKey, tuple[Nlri, PathAttributes]]:
        table: dict[NlriKey, tuple[Nlri, PathAttributes]] = {}
        for update in self.updates[start:]:
            assert not update.faults, update.faults
            for route in update.withdrawn:
                table.pop(route.key(), None)
            for route in update.announced:
                assert update.attributes is not None
                table[route.key()] = (route, update.attributes)
        return table

    @property
    def families(self) -> tuple[Family, ...]:
        """Of routes, as agreed on."""
        assert self.session.agreed is not None
        return tuple(one for one in self.session.agreed.families if one != ROUTE_TARGET_CONSTRAIN)


@dataclass(frozen=True)
class Meeting:
    """Who is there; over IPv6 both sessions are one, because a loopback has one address."""

    opponent: Opponent
    one: Heard
    two: Heard

    @property
    def families(self) -> tuple[Family, ...]:
        return self.one.families

    def pump(self) -> None:
        self.one.pump(0.01)
        if self.two is not self.one:
            self.two.pump(0.01)

    def until(self, check: Callable[[], None], within: float = 15.0) -> None:
        def step() -> None:
            self.pump()
            check()

        eventually(step, within=within, every=0.01)

    def tell(self) -> None:
        """All routes of all families, and that this was all."""
        for family in self.families:
            self.one.session.send_routes([(SAID[family], route) for route in ROUTES[family]])
            self.one.session.send_end_of_rib(family)

    def all_told(self) -> list[Nlri]:
        return [route for family in self.families for route in ROUTES[family]]

    def until_passed_on(self) -> None:
        """Until the second session has all that the first one told."""

        def check() -> None:
            assert {route for route, _ in self.two.told().values()} == set(self.all_told()), self.two.told().keys()

        self.tell()
        self.until(check)


@contextlib.contextmanager
def meet(
    opponent: Opponent,
    directory: Path,
    setting: Setting | None = None,
    *,
    families: tuple[Family, ...] = OFFERED[:3],
    restarting: bool = False,
) -> Iterator[Meeting]:
    """Start the speaker, and our sessions until they stand; `restarting` says the first of them."""
    setting = setting or Setting()
    guard = Guard(setting.password)
    sources = [LOOPBACK_V6] if setting.ipv6 else [ONE, TWO]
    with contextlib.ExitStack() as stack:
        stack.enter_context(opponent.running(directory, setting))
        ours = []
        for number, source in enumerate(sources, 1):
            config = SessionConfig(
                ASN, ASN, IpAddress.parse(f"10.60.0.{number}"), families, setting.hold_s, restart_time_s=120
            )
            one = Heard(config, opponent.address, opponent.port, source, guard)
            one.session.restarting = one.session.preserved = restarting and number == 1
            ours.append(stack.enter_context(one))
        meeting = Meeting(opponent, ours[0], ours[-1])
        for one in ours:
            eventually(one.pump_until_up, within=10.0)
        yield meeting


def changed(family: Family) -> tuple[PathAttributes, Nlri]:
    """The first route of a family with another label and next hop."""
    route = ROUTES[family][0]
    other: Nlri = route._replace(label=6001) if isinstance(route, EvpnPrefix) else route._replace(labels=(6001,))  # type: ignore[call-arg]
    return replace(SAID[family], next_hop=OTHER_VTEP), other
