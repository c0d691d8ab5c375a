"""A peer that floods, flaps, stalls, closes half or lies about labels, beside a good one: what the good one says stays
forwarded, the agent answers its operator, keeps its budgets, and names the peer's fault."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.capability import offer
from isthmus.bgp.family import EVPN, VPNV4, Family
from isthmus.bgp.iana import MessageType
from isthmus.bgp.message import Open, encode_keepalive, encode_open, encode_updates
from isthmus.bgp.nlri import Nlri
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.bgp.session import Connected, SessionConfig, State
from isthmus.flows.layout import Table
from isthmus.model.net import IpAddress
from isthmus.model.reason import LimitState, NotImported
from isthmus.model.vpn import Encapsulation, RouteDistinguisher
from tests.build import attributes, net, nlri
from tests.contract.speakers import LiveSession
from tests.contract.switches import Central, Switch, installed
from tests.contract.test_agent import CIRCUIT, INTENT, NETWORK, TARGET
from tests.eventually import eventually
from tests.shell.world import AgentProcess, attach

pytestmark = [pytest.mark.contract, pytest.mark.skipif(not installed(), reason="Open vSwitch or OVN is not installed")]

GOOD, BAD = "127.0.0.21", "127.0.0.22"
FAMILIES = (EVPN, VPNV4)
ROUTES_MAX = 300
"""That one peer may make the agent remember."""
PLACE = "10.9.0.1"
"""Where the good peer's route leads to."""
SAID = attributes(str(TARGET), next_hop="10.60.0.2", as_path=())
RD = RouteDistinguisher.parse("10.60.0.3:16")


class Reflector(LiveSession):
    """One that is dialled."""

    def __init__(self, address: str, families: tuple[Family, ...] = FAMILIES) -> None:
        super().__init__(SessionConfig(64512, 64512, IpAddress.parse(address), families), address, 0, address)
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.taken = 0
        """Connections, so far."""

    def _dial(self) -> None:
        """It waits to be dialled (`pump`)."""

    def pump(self, within: float = 0.02) -> None:
        if (
            self.session.state is State.CONNECT
            and self._socket is None
            and select.select([self.listener], [], [], within)[0]
        ):
            self.take()
            self.session.handle(Connected(), time.monotonic())
        super().pump(within)

    def take(self) -> socket.socket:
        """The connection that waits."""
        self._socket, _ = self.listener.accept()
        self._socket.settimeout(20)
        self.taken += 1
        return self._socket

    @property
    def connection(self) -> socket.socket:
        assert self._socket is not None
        return self._socket

    def is_down(self) -> None:
        self.pump()
        assert self.downs, "its session stands"

    def tell(self, *routes: Nlri, said: PathAttributes = SAID) -> None:
        self.session.send_routes([(said, route) for route in routes])
        self.flush()


class World:
    """An agent and its two reflectors."""

    def __init__(self, agent: AgentProcess, switch: Switch, good: Reflector, bad: Reflector) -> None:
        self.agent, self.switch, self.good, self.bad = agent, switch, good, bad

    def until(self, check: Callable[[], None], *, both: bool = False) -> None:
        """The good one is alive all the while, and with `both` the other."""

        def pumped() -> None:
            self.good.pump()
            if both:
                self.bad.pump()
            check()

        eventually(pumped, within=30.0)

    def bad_is_up(self) -> None:
        self.until(self.bad.pump_until_up)

    def good_is_forwarded(self) -> None:
        """And its session is the one that it was from the beginning."""
        self.good.pump()
        assert any(f"nw_dst={PLACE} " in line for line in self._view()), self._view()
        assert self.good.taken == 1 and not self.good.downs

    def _view(self) -> list[str]:
        return [line for line in self.switch.ofctl("dump-flows").splitlines() if f"table={Table.VIEW.value}," in line]

    def shown(self, what: str) -> str:
        """As the operator reads it."""
        command = [sys.executable, "-m", "isthmus.cli.main", "show", what, "--socket", str(self.agent.socket)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout

    def names(self, fault: str, what: str = "peers") -> Callable[[], None]:
        """The operator reads of the fault, and the good peer's route is forwarded all the while."""

        def check() -> None:
            self.good_is_forwarded()
            assert any(fault in line for line in self.shown(what).splitlines() if BAD in line), self.shown(what)

        return check


@pytest.fixture
def world() -> Iterator[World]:
    good, bad = Reflector(GOOD), Reflector(BAD)
    with Switch() as switch, Central() as central, good, bad, good.listener, bad.listener:
        attach(central, CIRCUIT, NETWORK, INTENT)
        agent = AgentProcess(switch, central, good.port)
        lines = [line for line in agent.file.read_text().splitlines() if "reflectors =" not in line]
        agent.file.write_text("\n".join([*lines, configuration(good, bad)]))
        with agent:
            world = World(agent, switch, good, bad)
            world.until(good.pump_until_up)
            good.tell(nlri(f"{PLACE}/32", rd="10.60.0.2:16"))
            world.until(world.good_is_forwarded)
            yield world


def configuration(good: Reflector, bad: Reflector) -> str:
    return f"""
        [bgp]
        families = ["evpn", "vpnv4"]
        [limits]
        routes_per_peer = {ROUTES_MAX}
        [[reflectors]]
        address = "{GOOD}"
        as = 64512
        port = {good.port}
        [[reflectors]]
        address = "{BAD}"
        as = 64512
        port = {bad.port}
        hold_time_s = 3
        """


def test_a_flood_takes_its_own_room_and_no_more(world: World) -> None:
    world.bad_is_up()
    for block in range(10):
        world.bad.tell(*(nlri(f"10.{100 + block}.{n // 250}.{n % 250}/32", rd="10.60.0.3:16") for n in range(2000)))
        world.good.pump(0.0)
    world.until(world.names(LimitState.FULL.value, "limits"), both=True)
    status = world.agent.status()
    (peer,) = (p for p in status["peers"] if p["address"] == BAD)
    assert peer["received"] <= ROUTES_MAX < 20_000 and peer["refused"] >= 20_000 - ROUTES_MAX


def test_one_that_says_and_takes_back_without_end_costs_the_others_nothing(world: World) -> None:
    world.bad_is_up()
    route = nlri("10.120.0.1/32", rd="10.60.0.3:16")
    for _ in range(300):
        world.bad.tell(route)
        world.bad.session.send_routes((), [route])
    world.bad.flush()
    world.until(world.good_is_forwarded, both=True)
    assert not world.bad.downs and world.shown("peers").count("Established") == 2


def test_one_that_drops_every_session_is_dialled_ever_more_seldom(world: World) -> None:
    took: list[tuple[float, socket.socket]] = []
    hello = encode_open(Open(64512, 30, IpAddress.parse(BAD), offer(64512, FAMILIES)))

    def another() -> None:
        if select.select([world.bad.listener], [], [], 0.02)[0]:
            connection, _ = world.bad.listener.accept()
            connection.sendall(hello + encode_keepalive())
            connection.shutdown(socket.SHUT_WR)
            took.append((time.monotonic(), connection))
        assert len(took) == 4

    world.until(another)
    assert took[3][0] - took[0][0] > 4.0, "after one second, after two, after four, less what is chance"
    world.until(world.names("the peer closed the connection"))
    for _, connection in took:
        connection.close()


def test_one_that_falls_silent_is_given_up_after_its_hold_time(world: World) -> None:
    """It reads nothing either."""
    world.bad_is_up()
    world.until(world.names("the peer fell silent"))


def test_one_that_never_says_a_word_is_told_from_one_that_is_not_there(world: World) -> None:
    """It takes the connection, and that is all."""
    world.bad.take()
    world.until(world.names("OpenSent"))


def test_one_that_closes_its_half_is_gone(world: World) -> None:
    """It would go on to read; nothing that it says can come any more."""
    world.bad_is_up()
    world.bad.connection.shutdown(socket.SHUT_WR)
    world.until(world.names("the peer closed the connection"))


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ((7,), NotImported.RESERVED_LABEL),
        ((3,), NotImported.IMPLICIT_NULL),
        ((16, 0), NotImported.RESERVED_LABEL),
        ((16, 17, 18, 19), NotImported.LABEL_STACK),
    ],
)
def test_labels_that_cannot_be_are_refused_with_their_reason(
    world: World, labels: tuple[int, ...], why: NotImported
) -> None:
    world.bad_is_up()
    labelled = attributes(str(TARGET), next_hop="10.60.0.3", as_path=(), encapsulations=(Encapsulation.MPLS_IN_GRE,))
    world.bad.tell(VpnPrefix(RD, net(f"{PLACE}/32"), labels), said=labelled)
    world.until(world.names(why.value, "routes"), both=True)


def test_a_length_that_lies_about_its_labels_ends_that_session_only(world: World) -> None:
    world.bad_is_up()
    agreed = world.bad.session.agreed
    assert agreed is not None
    (message,) = encode_updates([(SAID, VpnPrefix(RD, net("10.130.0.0/24"), (16,)))], (), agreed)
    assert message[18] == MessageType.UPDATE
    at = message.index(bytes((112,)) + b"\0\1\1")  # label, distinguisher and 24 bits of a prefix
    world.bad.connection.sendall(message[:at] + bytes((254,)) + message[at + 1 :])
    world.until(world.bad.is_down)
    world.until(world.names("an UPDATE of the peer cannot be understood: a VPN route at octet 0"))
