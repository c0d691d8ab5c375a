"""The agent exchanged and stopped between a real switch, a real OVN and a real reflector: what its peers see."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.bgp.family import EVPN
from isthmus.bgp.session import SessionConfig
from isthmus.model.net import IpAddress
from isthmus.shell import memory_file
from tests.build import attributes, nlri
from tests.contract.speakers import ANYBODY, GoBgp, LiveSession, gobgp
from tests.contract.switches import Central, Switch, installed
from tests.contract.test_agent import CIRCUIT, INTENT, NETWORK, TARGET, forwarding, in_sync
from tests.eventually import eventually
from tests.shell.world import AgentProcess, attach, bind

pytestmark = [pytest.mark.contract, pytest.mark.skipif(not installed(), reason="Open vSwitch or OVN is not installed")]

WATCHER, OUR_VTEP = "127.0.2.1", "127.0.0.9"
ELSEWHERE = attributes(str(TARGET), next_hop="10.60.0.2", as_path=())


class World:
    """An agent with one VM, its reflector, and another client of that reflector who watches."""

    def __init__(self, switch: Switch, central: Central, reflector: GoBgp, agent: AgentProcess, log: Path) -> None:
        self.switch, self.central, self.reflector, self.agent, self.log = switch, central, reflector, agent, log
        config = SessionConfig(64512, 64512, IpAddress.parse("10.60.0.2"), (EVPN,), hold_time_s=9)
        self.watcher = LiveSession(config, reflector.address, reflector.port, WATCHER)
        self.first = 0

    def said(self) -> list[str]:
        """What the watcher was told, in words, but for the agent's beacon."""
        return [word for word in self._words() if word not in (f"+{OUR_VTEP}", f"-{OUR_VTEP}")]

    def until_beacons(self, *signs: str) -> None:
        def said() -> None:
            assert [word[0] for word in self._words() if word[1:] == OUR_VTEP] == list(signs)

        eventually(said)

    def _words(self) -> list[str]:
        self.watcher.pump()
        return [
            sign + str(route.prefix.address)
            for update in self.watcher.updates
            for sign, routes in (("-", update.withdrawn), ("+", update.announced))
            for route in routes
        ]

    def until_said(self, *words: str) -> None:
        def said() -> None:
            assert self.said() == list(words), self.agent.log.read_text()[-3000:]

        eventually(said, within=20.0, every=0.01)

    def announce(self, *prefixes: str) -> None:
        """The watcher is a PE as well."""
        self.watcher.session.send_routes([(ELSEWHERE, nlri(prefix, rd="10.60.0.2:16")) for prefix in prefixes])
        self.watcher.flush()

    def withdraw(self, *prefixes: str) -> None:
        self.watcher.session.send_routes((), [nlri(prefix, rd="10.60.0.2:16") for prefix in prefixes])
        self.watcher.flush()

    def until_forwarded(self, *addresses: str) -> None:
        """These destinations of the watcher's, and no others."""

        def forwarded() -> None:
            self.watcher.pump()
            flows = re.findall(r"table=20,.*nw_dst=(10\.9\.[0-9.]+)", self.switch.ofctl("dump-flows"))
            assert sorted(flows) == list(addresses)

        eventually(forwarded, within=10.0)

    def until_run(self, later: int) -> None:
        """So many runs after the first, the agent has read everything and has its session."""

        def there() -> None:
            self.watcher.pump()
            status = self.agent.status()
            self.first = self.first or status["generation"]
            assert status["generation"] == self.first + later, status["generation"]
            assert [(p["state"], p["in_sync"]) for p in status["peers"]] == [("Established", True)], status["peers"]
            in_sync(self.agent)
            assert status["ports"] and all(port["announced_to"] for port in status["ports"]), status["ports"]

        eventually(there, within=20.0)

    def until_remembered(self, address: str) -> None:
        """The agent writes down what it has told at most once a second."""

        def written() -> None:
            memory = memory_file.read(self.agent.directory / "state")
            assert memory is not None
            told = [str(a.nlri.prefix.address) for left in memory.peers.values() for a in left.told]
            assert address in told, told

        eventually(written)

    def sessions_lost(self) -> int:
        return self.log.read_text().count("Peer Down")


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    graceful = getattr(request, "param", False)
    with (
        Switch() as switch,
        Central() as central,
        gobgp(tmp_path, local_as=64512, peers={ANYBODY: 64512}, graceful=graceful) as reflector,
    ):
        attach(central, CIRCUIT, NETWORK, INTENT)
        with AgentProcess(switch, central, reflector.port, reflector=reflector.address, held=True) as agent:
            world = World(switch, central, reflector, agent, tmp_path / "gobgpd.out")
            with world.watcher:
                world.until_run(0)
                world.until_said("+10.1.0.5")
                yield world


def program(world: World) -> int:
    """The process under the holder."""
    holder = world.agent.process.pid
    (child,) = Path(f"/proc/{holder}/task/{holder}/children").read_text().split()
    return int(child)


def test_an_exchange_is_noticed_by_nobody(world: World) -> None:
    before = forwarding(world.switch)
    for run in (1, 2):
        world.agent.process.send_signal(signal.SIGHUP)
        world.until_run(run)
        assert forwarding(world.switch) == before
    assert world.said() == ["+10.1.0.5"]
    world.until_beacons("+")
    assert world.sessions_lost() == 0
    bind(world.central, "vm2", "10.1.0.6", NETWORK)
    world.until_said("+10.1.0.5", "+10.1.0.6")


def test_what_the_reflector_says_in_the_gap_is_heard(world: World) -> None:
    """Said while there is no process at all, withdrawals too: it waits in the kernel."""
    world.announce("10.9.0.1/32", "10.9.0.2/32")
    world.until_forwarded("10.9.0.1", "10.9.0.2")
    holder, child = world.agent.process, program(world)
    os.kill(holder.pid, signal.SIGSTOP)  # so that no next process is started yet
    os.kill(child, signal.SIGUSR2)
    eventually(lambda: ended(child))
    world.announce("10.9.0.3/32")
    world.withdraw("10.9.0.1/32")
    bind(world.central, "vm2", "10.1.0.6", NETWORK)
    os.kill(holder.pid, signal.SIGCONT)
    world.until_forwarded("10.9.0.2", "10.9.0.3")
    world.until_said("+10.1.0.5", "+10.1.0.6")
    assert world.sessions_lost() == 0


def ended(pid: int) -> None:
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_stop_says_farewell(world: World) -> None:
    before = forwarding(world.switch)
    world.agent.process.send_signal(signal.SIGTERM)
    assert world.agent.process.wait(10) == 0
    world.until_said("+10.1.0.5", "-10.1.0.5")
    world.until_beacons("+", "-")
    assert "the agent is stopped" in world.reflector.ask("neighbor") or world.sessions_lost() == 1
    assert forwarding(world.switch) == before


@pytest.mark.parametrize("world", [True], indirect=True, ids=["graceful restart"])
def test_a_crash_is_no_news_to_others_and_what_went_meanwhile_is(world: World) -> None:
    """With a reflector that keeps EVPN routes while their speaker restarts."""
    bind(world.central, "vm2", "10.1.0.6", NETWORK)
    world.until_said("+10.1.0.5", "+10.1.0.6")
    world.announce("10.9.0.1/32")
    world.until_forwarded("10.9.0.1")
    world.until_remembered("10.1.0.6")
    holder, child = world.agent.process, program(world)
    os.kill(holder.pid, signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    eventually(lambda: ended(child))
    world.central.nbctl("lsp-del", "vm2")
    os.kill(holder.pid, signal.SIGCONT)
    world.until_run(1)
    world.until_said("+10.1.0.5", "+10.1.0.6", "-10.1.0.6")
    world.until_forwarded("10.9.0.1")
    assert "graceful-restart" in world.log.read_text()


@pytest.mark.parametrize("world", [True], indirect=True, ids=["graceful restart"])
def test_a_stop_is_kept_for_a_while_because_the_switch_goes_on(world: World) -> None:
    """RFC 8538: a NOTIFICATION is no reason to forget, but a hard reset is."""
    world.agent.process.send_signal(signal.SIGTERM)
    assert world.agent.process.wait(10) == 0
    world.agent.start()
    world.until_run(1)
    assert world.said() == ["+10.1.0.5"]
