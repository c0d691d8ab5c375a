"""The rhythm: a batch is one computation, the node's deadline is kept, and a node that fails ends everything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from isthmus.model.net import IpAddress
from isthmus.node.config import NodeConfig, PeerConfig
from isthmus.node.core import Node
from isthmus.node.effects import Dial, Effect, ReadFlows
from isthmus.node.facts import ConnectFailed, IntentLost
from isthmus.node.status import Detail
from isthmus.shell.node_loop import NodeLoop
from isthmus.shell.supervisor import Part, keep
from tests.eventually import eventually
from tests.shell.background import Background

PEER = IpAddress.parse("192.0.2.1")
VTEP = IpAddress.parse("192.0.2.11")
CONFIG = NodeConfig(VTEP, VTEP, 64512, (PeerConfig(PEER, 64512, 30, 0.0),), 1)


class Failing(Node):
    """A node with a fault of ours in it."""

    def effects(self, now: float) -> list[Effect]:
        raise AssertionError("a fault of ours")


class World:
    """A node in its loop, and what it asked for."""

    def __init__(self, background: Background, kind: type[Node] = Node) -> None:
        self.background = background
        self.asked: list[Effect] = []
        self.loop = background.do(self._made, kind)

    def _made(self, kind: type[Node]) -> NodeLoop:
        return NodeLoop(kind(CONFIG, asyncio.get_running_loop().time()), self.asked.append)

    def asks(self, *effects: Effect) -> None:
        def right() -> None:
            assert tuple(self.asked) == effects, self.asked

        eventually(right, every=0.01)


@pytest.fixture
def background() -> Iterator[Background]:
    with Background() as background:
        yield background


def test_a_node_says_what_it_wants_first(background: Background) -> None:
    world = World(background)
    background.do(world.loop.start)
    world.asks(Dial(PEER), ReadFlows())
    background.do(world.loop.stop)


def test_a_burst_of_facts_is_one_computation(background: Background) -> None:
    world = World(background)

    def burst() -> None:
        for n in range(1000):
            world.loop.tell(IntentLost(f"reason {n}"))

    background.do(burst)
    world.asks(Dial(PEER), ReadFlows())
    assert world.loop.batches == 1
    assert background.do(world.loop.status, Detail.ALL).switch.southbound == "reason 999"
    background.do(world.loop.stop)


def test_the_nodes_deadline_is_kept(background: Background) -> None:
    world = World(background)
    background.do(world.loop.start)
    world.asks(Dial(PEER), ReadFlows())
    background.do(world.loop.tell, ConnectFailed(PEER, "refused"))
    # The session's own retry, a second or so later, with nobody telling it anything.
    world.asks(Dial(PEER), ReadFlows(), Dial(PEER))
    background.do(world.loop.stop)


def test_a_node_that_fails_is_the_end(background: Background) -> None:
    world = World(background, Failing)
    background.do(world.loop.start)

    async def failed() -> None:
        await world.loop.failed

    with pytest.raises(AssertionError, match="a fault of ours"):
        background.call(failed)
    background.do(world.loop.tell, IntentLost("too late"))


def test_a_part_that_crashes_is_started_again_and_says_why(
    background: Background, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash() -> None:
        raise OSError("no such thing")

    part = Part("clumsy", crash)
    background.start(keep(part))

    def again() -> None:
        assert part.restarts == 2

    eventually(again)
    assert part.last_error == "OSError: no such thing"
    assert "clumsy failed" in caplog.text and "Traceback" in caplog.text
