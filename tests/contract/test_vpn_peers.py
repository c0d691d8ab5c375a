"""VPNv4 and VPNv6 beside EVPN with FRR and GoBGP as reflectors: what they see of us, and what they pass on.

FRR is as docs/operator/mpls.md says it: neighbours are static, because 8.4 does not survive VPN families with listen
ranges, and duplicates are not suppressed, because a label that changes alone counts as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from isthmus.bgp.attribute import PathAttributes, encapsulation_community
from isthmus.bgp.family import EVPN, VPNV4, VPNV6
from isthmus.bgp.nlri import Nlri, NlriKey
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.bgp.session import SessionConfig
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import Encapsulation, RouteDistinguisher, RouteTarget
from tests.contract.speakers import Frr, GoBgp, LiveSession, frr, gobgp
from tests.eventually import eventually
from tests.ports import free_port

pytestmark = pytest.mark.contract

ASN, ONE, TWO = 64512, "127.0.1.1", "127.0.2.1"
FAMILIES = (EVPN, VPNV4, VPNV6)
VTEP, RD = IpAddress.parse("10.60.0.1"), RouteDistinguisher.parse("10.60.0.1:16")
SAID = PathAttributes(
    next_hop=VTEP,
    local_pref=150,
    extended_communities=(RouteTarget.parse("64512:5001"), encapsulation_community(Encapsulation.MPLS_IN_GRE)),
)
ROUTES = tuple(
    VpnPrefix(RD, Prefix.parse(text), (label,))
    for text, label in (("10.1.1.5/32", 16), ("0.0.0.0/0", 131_087), ("fd01::5/128", 65_552), ("fd02::/64", 65_552))
)
FRR_CONFIG = (
    f"""\
hostname frr
log stdout errors
router bgp {ASN}
 bgp router-id 127.0.0.10
 bgp cluster-id 127.0.0.10
 no bgp default ipv4-unicast
 no bgp suppress-duplicates
"""
    + "".join(
        f" neighbor {one} remote-as {ASN}\n neighbor {one} passive\n neighbor {one} advertisement-interval 0\n"
        for one in (ONE, TWO)
    )
    + "".join(
        f" address-family {family}\n"
        + "".join(f"  neighbor {one} activate\n  neighbor {one} route-reflector-client\n" for one in (ONE, TWO))
        + " exit-address-family\n"
        for family in ("l2vpn evpn", "ipv4 vpn", "ipv6 vpn")
    )
)
GOBGP_CONFIG = f"""\
[global.config]
  as = {ASN}
  router-id = "127.0.0.11"
  port = PORT
  local-address-list = ["127.0.0.11"]
""" + "".join(
    f"""
[[neighbors]]
[neighbors.config]
  neighbor-address = "{one}"
  peer-as = {ASN}
[neighbors.transport.config]
  passive-mode = true
[neighbors.graceful-restart.config]
  enabled = true
[neighbors.route-reflector.config]
  route-reflector-client = true
  route-reflector-cluster-id = "127.0.0.11"
"""
    + "".join(
        f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\n  afi-safi-name = "{name}"\n'
        for name in ("l2vpn-evpn", "l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast")
    )
    for one in (ONE, TWO)
)


@dataclass(frozen=True)
class Meeting:
    """Two sessions of ours with a reflector between them."""

    peer: Frr | GoBgp
    one: LiveSession
    two: LiveSession

    def until(self, check: Callable[[], None], within: float = 15.0) -> None:
        def step() -> None:
            self.one.pump()
            self.two.pump()
            check()

        eventually(step, within=within, every=0.01)

    def held(self) -> dict[NlriKey, tuple[Nlri, PathAttributes]]:
        """What the second session's updates add up to."""
        table: dict[NlriKey, tuple[Nlri, PathAttributes]] = {}
        for update in self.two.updates:
            assert not update.faults, update.faults
            for route in update.withdrawn:
                table.pop(route.key(), None)
            for route in update.announced:
                assert update.attributes is not None
                table[route.key()] = (route, update.attributes)
        return table

    def has(self, *routes: Nlri) -> Callable[[], None]:
        def check() -> None:
            assert {route for route, _ in self.held().values()} == set(routes)

        return check


@pytest.fixture(params=["frr", "gobgp"])
def meeting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Meeting]:
    with ExitStack() as stack:
        peer: Frr | GoBgp
        if request.param == "frr":
            peer = stack.enter_context(frr(tmp_path, local_as=ASN, peers={}, config=FRR_CONFIG))
        else:
            port = free_port("127.0.0.11")
            config = GOBGP_CONFIG.replace("PORT", str(port))
            peer = stack.enter_context(gobgp(tmp_path, local_as=ASN, peers={}, port=port, config=config))
        ours = [
            stack.enter_context(
                LiveSession(
                    SessionConfig(ASN, ASN, IpAddress.parse(f"10.60.0.{n}"), FAMILIES, hold_time_s=9),
                    peer.address,
                    peer.port,
                    source,
                )
            )
            for n, source in ((1, ONE), (2, TWO))
        ]
        for one in ours:
            eventually(one.pump_until_up)
        yield Meeting(peer, *ours)


def tell(meeting: Meeting) -> None:
    for family in (VPNV4, VPNV6):
        meeting.one.session.send_routes([(SAID, route) for route in ROUTES if route.family == family])
        meeting.one.session.send_end_of_rib(family)


def test_all_three_families_are_agreed_on(meeting: Meeting) -> None:
    for one in (meeting.one, meeting.two):
        assert one.session.agreed is not None and one.session.agreed.families == FAMILIES


def test_they_see_our_routes_with_labels_and_next_hops(meeting: Meeting) -> None:
    tell(meeting)

    def check() -> None:
        if isinstance(meeting.peer, Frr):
            seen = meeting.peer.ask("show bgp ipv4 vpn") + meeting.peer.ask("show bgp ipv6 vpn")
            one = meeting.peer.ask("show bgp ipv4 vpn 10.1.1.5/32") + meeting.peer.ask("show bgp ipv6 vpn fd01::5/128")
            words = ("Remote label: 16", "Remote label: 65552", "::ffff:a3c:1", "RT:64512:5001")
        else:
            seen = one = "".join(meeting.peer.ask(f"neighbor {ONE} adj-in -a vpnv{version}") for version in (4, 6))
            words = ("[16]", "[131087]", "[65552]", "10.60.0.1 ", "64512:5001")
        for text in (*map(str, (r.prefix for r in ROUTES)), "10.60.0.1"):
            assert text in seen, f"{text} is not in {seen}"
        for word in words:
            assert word in one, f"{word} is not in {one}"

    meeting.until(check)


def test_what_they_pass_on_is_what_we_said(meeting: Meeting) -> None:
    tell(meeting)
    meeting.until(meeting.has(*ROUTES))
    for _, attributes in meeting.held().values():
        assert attributes.next_hop == VTEP and attributes.local_pref == 150
        assert sorted(attributes.extended_communities) == sorted(SAID.extended_communities)


def test_a_withdrawn_route_goes_and_a_changed_label_replaces(meeting: Meeting) -> None:
    tell(meeting)
    meeting.until(meeting.has(*ROUTES))
    other = ROUTES[2]._replace(labels=(65_553,))
    meeting.one.session.send_routes([(SAID, other)], withdraw=[ROUTES[0], ROUTES[3].key()])
    meeting.until(meeting.has(ROUTES[1], other))


@pytest.mark.parametrize("family", [VPNV4, VPNV6], ids=str)
def test_the_end_of_each_rib_is_marked_and_a_refresh_is_of_one_family(meeting: Meeting, family: object) -> None:
    tell(meeting)

    def marked() -> None:
        assert {u.end_of_rib for u in meeting.two.updates} >= {EVPN, VPNV4, VPNV6}

    meeting.until(marked)
    meeting.until(meeting.has(*ROUTES))
    before = len(meeting.two.updates)
    meeting.two.session.ask_refresh(family)  # type: ignore[arg-type]
    wanted = {r for r in ROUTES if r.family == family}

    def again() -> None:
        said = {r for u in meeting.two.updates[before:] for r in u.announced}
        assert said == wanted, said

    meeting.until(again)


def test_routes_of_a_session_that_ends_are_gone_at_once(meeting: Meeting) -> None:
    tell(meeting)
    meeting.until(meeting.has(*ROUTES))
    meeting.one.abandon()
    meeting.until(meeting.has())
