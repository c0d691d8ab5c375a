"""Real reflectors with passwords, GTSM and route-target filters, as docs/operator/trust.md has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from isthmus.bgp.family import EVPN
from isthmus.bgp.session import SessionConfig, State
from isthmus.lab import gobgp as lab
from isthmus.lab import trust
from isthmus.model.net import IpAddress
from isthmus.shell.tcp_guard import Guard
from tests.contract.speakers import Frr, GoBgp, LiveSession, frr, gobgp
from tests.eventually import eventually
from tests.ports import free_port

pytestmark = pytest.mark.contract

OURS, THEIRS, CLIENT = "127.0.0.10", "127.0.0.11", "127.0.1.1"
INSIDE, BETWEEN = "inside", "between"

FRR = """\
log stdout errors
bgp extcommunity-list expanded AGREED permit RT:{agreed}( |$)
bgp extcommunity-list expanded AGREED permit RT:65535:4789( |$)
route-map AGREED permit 10
 match extcommunity AGREED
router bgp 64512
 bgp router-id 127.0.0.10
 bgp cluster-id 127.0.0.10
 no bgp default ipv4-unicast
 neighbor PE peer-group
 neighbor PE remote-as 64512
 neighbor PE passive
 neighbor PE advertisement-interval 0
 neighbor PE password {inside}
 neighbor PE ttl-security hops 1
 bgp listen range 127.0.1.0/24 peer-group PE
 neighbor 127.0.0.11 remote-as 64513
 neighbor 127.0.0.11 passive
 neighbor 127.0.0.11 password {between}
 neighbor 127.0.0.11 ttl-security hops 1
 address-family l2vpn evpn
  neighbor PE activate
  neighbor PE route-reflector-client
  neighbor 127.0.0.11 activate
  neighbor 127.0.0.11 attribute-unchanged next-hop
  neighbor 127.0.0.11 route-map AGREED in
  neighbor 127.0.0.11 route-map AGREED out
 exit-address-family
"""

GOBGP = """\
[global.config]
  as = 64513
  router-id = "127.0.0.11"
  port = {port}
  local-address-list = ["127.0.0.11"]
[global.apply-policy.config]
  import-policy-list = ["agreed"]
  default-import-policy = "accept-route"
  default-export-policy = "accept-route"
{filter}[[neighbors]]
[neighbors.config]
  neighbor-address = "127.0.0.10"
  peer-as = 64512
  auth-password = "{between}"
[neighbors.transport.config]
  local-address = "127.0.0.11"
  remote-port = {frr}
[neighbors.ttl-security.config]
  enabled = true
  ttl-min = 255
[neighbors.timers.config]
  connect-retry = 1
  idle-hold-time-after-reset = 1
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
  afi-safi-name = "l2vpn-evpn"
[[neighbors]]
[neighbors.config]
  neighbor-address = "127.0.1.1"
  peer-as = 64513
  auth-password = "{inside}"
[neighbors.transport.config]
  passive-mode = true
[neighbors.ttl-security.config]
  enabled = true
  ttl-min = 255
[neighbors.route-reflector.config]
  route-reflector-client = true
  route-reflector-cluster-id = "127.0.0.11"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
  afi-safi-name = "l2vpn-evpn"
"""
WORDS = {"agreed": trust.AGREED_WORDS, "inside": INSIDE, "between": BETWEEN}
FILTER = lab.FILTER.format(others=f'"{OURS}/32"', agreed=trust.AGREED_WORDS, beacon=trust.BEACON)


@dataclass(frozen=True)
class Border:
    """Two clouds' reflectors, which trust each other with what was agreed on."""

    ours: Frr
    theirs: GoBgp


@pytest.fixture(scope="module")
def border(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Border]:
    here, port = tmp_path_factory.mktemp("border"), free_port(THEIRS)
    with frr(here / "frr", local_as=64512, peers={}, address=OURS, config=FRR.format(**WORDS)) as ours:
        config = GOBGP.format(**WORDS, filter=FILTER, port=port, frr=ours.port)
        with gobgp(here / "gobgp", local_as=64513, peers={}, address=THEIRS, port=port, config=config) as theirs:
            yield Border(ours, theirs)


def session(asn: int) -> SessionConfig:
    return SessionConfig(asn, asn, IpAddress.parse("10.60.0.1"), (EVPN,), hold_time_s=9)


@pytest.mark.parametrize("whose", ["FRR", "GoBGP"])
def test_an_agent_is_heard_with_the_password_and_from_next_door_only(border: Border, whose: str) -> None:
    peer, asn = (border.ours, 64512) if whose == "FRR" else (border.theirs, 64513)
    with LiveSession(session(asn), peer.address, peer.port, CLIENT, Guard(INSIDE, hops=1)) as right:
        eventually(right.pump_until_up)
    for guard in (Guard("another", hops=1), Guard("", hops=1)):
        with LiveSession(session(asn), peer.address, peer.port, CLIENT, guard) as wrong:
            wrong.pump()
            assert wrong.session.state is not State.ESTABLISHED
            assert "timed out" in wrong.session.counters.last_error, "not even a refusal: the kernel drops it"


def test_only_what_was_agreed_on_passes_the_border(border: Border) -> None:
    """A filter of targets looks for one of those agreed on: what stands beside it each hypervisor must look at."""
    route = "etag 0 rd 172.30.2.1:16 gw 0.0.0.0 label 7001 router-mac 02:78:ac:1e:02:01 encap vxlan nexthop 172.30.2.1"
    said = {
        "10.9.0.5/32": "64512:5",
        "10.9.0.6/32": "64512:100",
        "10.9.0.7/32": "64512:99 64512:100",
        "10.9.0.8/32": "",
    }
    for prefix, targets in said.items():
        words = route.replace("gw", f"rt {targets} gw") if targets else route
        border.theirs.ask(f"global rib add -a evpn prefix {prefix} {words}")

    def passed() -> None:
        table = border.ours.ask("show bgp l2vpn evpn")
        assert {p for p in said if p.partition("/")[0] in table} == {"10.9.0.5/32", "10.9.0.7/32"}, table

    eventually(passed, within=20)
    with LiveSession(session(64512), border.ours.address, border.ours.port, CLIENT, Guard(INSIDE, 1)) as ours:

        def heard() -> None:
            ours.pump()
            assert {str(r.prefix) for u in ours.updates for r in u.announced} == {"10.9.0.5/32", "10.9.0.7/32"}

        eventually(heard, within=20)
        targets = {
            str(r.prefix): sorted(map(str, u.attributes.route_targets))
            for u in ours.updates
            if u.attributes is not None
            for r in u.announced
        }
        assert targets["10.9.0.7/32"] == ["64512:100", "64512:99"], "as the other cloud said it"
