"""Probes through a real Open vSwitch: what leaves, what comes back, and how soon silence is known."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.flows.layout import ANSWER_BYTES, ANSWER_MAC, PROBE_MAC, PROBE_TYPE
from isthmus.model.net import IpAddress
from isthmus.node.effects import SetProbes
from isthmus.node.facts import Answer, AnswersRead
from isthmus.shell.liveness import LOST, PROBE_S, Prober
from tests.build import ip
from tests.contract.switches import Switch, run
from tests.eventually import eventually
from tests.shell.background import Background

pytestmark = pytest.mark.contract

ENDPOINT = ip("192.0.2.1")
REFLECT = f"dl_type={PROBE_TYPE:#x},dl_dst={PROBE_MAC}"


class World:
    """A prober on br-vpn, whose tunnel is a patch to a bridge that sends probes back."""

    def __init__(self, switch: Switch, background: Background) -> None:
        self.switch, self.background = switch, background
        self.heard: list[AnswersRead] = []
        self.prober: Any = background.call(self._make)
        background.start(self.prober.run())

    async def _make(self) -> Prober:
        return Prober(Path(self.switch.run_dir) / "br-vpn.mgmt", self.heard.append)

    def flow(self, bridge: str, verb: str, flow: str) -> None:
        run("ovs-ofctl", "-O", "OpenFlow15", verb, f"unix:{self.switch.run_dir}/{bridge}.mgmt", flow)

    def reflect(self) -> None:
        self.flow("br-far", "add-flow", f"{REFLECT},actions=set_field:{ANSWER_MAC}->eth_dst,IN_PORT")

    def listen(self) -> None:
        answer = f"in_port=1,dl_type={PROBE_TYPE:#x},dl_dst={ANSWER_MAC}"
        self.flow("br-vpn", "add-flow", f"{answer},actions=CONTROLLER:{ANSWER_BYTES}")

    def ask(self, *endpoints: IpAddress) -> None:
        self.background.do(self.prober.ask, SetProbes(dict.fromkeys(endpoints, Answer.UNKNOWN), 1))

    def says(self, answer: Answer) -> None:
        def said() -> None:
            assert self.heard and self.heard[-1].answers == {ENDPOINT: answer}, self.heard

        eventually(said, every=0.005)


@pytest.fixture
def world() -> Iterator[World]:
    lines = [
        "add-br br-vpn -- set bridge br-vpn datapath_type=dummy fail_mode=secure protocols=OpenFlow15",
        "add-br br-far -- set bridge br-far datapath_type=dummy fail_mode=secure protocols=OpenFlow15",
        "add-port br-vpn tun -- set interface tun type=patch options:peer=far ofport_request=1",
        "add-port br-far far -- set interface far type=patch options:peer=tun",
    ]
    with Switch() as switch, Background() as background:
        switch.vsctl(*" -- ".join(lines).split())
        world = World(switch, background)
        world.listen()
        world.reflect()
        yield world


def test_an_endpoint_that_answers_is_known_soon_and_its_silence_in_time(world: World) -> None:
    world.ask(ENDPOINT)
    world.says(Answer.ANSWERS)
    world.flow("br-far", "del-flows", REFLECT)
    silent_since = time.monotonic()
    world.says(Answer.SILENT)
    assert time.monotonic() - silent_since < (LOST + 1) * PROBE_S + 0.2
    world.reflect()
    world.says(Answer.ANSWERS)


def test_somebody_elses_answer_is_no_answer(world: World) -> None:
    """A frame that looks like one but does not carry what this run sends."""
    world.flow("br-far", "del-flows", REFLECT)
    world.ask(ENDPOINT)
    frame = (ANSWER_MAC + PROBE_MAC + PROBE_TYPE.to_bytes(2, "big") + bytes(8) + ENDPOINT).ljust(60, b"\0")
    for _ in range(3):
        world.flow("br-vpn", "packet-out", f"in_port=1,packet={frame.hex()},actions=table")
    world.flow("br-far", "add-flow", f"{REFLECT},actions=drop")

    def two_rounds_later() -> None:
        seen = re.search(r"n_packets=(\d+)", world.switch.ofctl("dump-flows", "br-far"))
        assert seen is not None and int(seen[1]) >= 2, seen

    eventually(two_rounds_later)
    assert world.heard == []
    world.reflect()
    world.says(Answer.ANSWERS)


def test_a_switch_that_restarts_is_asked_again_and_silences_nobody(world: World) -> None:
    world.ask(ENDPOINT)
    world.says(Answer.ANSWERS)
    world.switch.kill_vswitchd()
    world.switch.start_vswitchd()
    world.ask()
    world.ask(ENDPOINT)
    eventually(world.reflect)
    eventually(world.listen)
    world.heard.clear()
    world.says(Answer.ANSWERS)
    assert [fact.answers[ENDPOINT] for fact in world.heard] == [Answer.ANSWERS]


def test_a_switch_that_hangs_silences_nobody(world: World) -> None:
    world.ask(ENDPOINT)
    world.says(Answer.ANSWERS)
    world.switch.hang_vswitchd()
    since = time.monotonic()

    def long_enough_to_condemn() -> None:
        assert time.monotonic() - since > 2 * (LOST + 1) * PROBE_S

    eventually(long_enough_to_condemn)
    assert world.heard[-1].answers == {ENDPOINT: Answer.ANSWERS}
    world.switch.go_on_vswitchd()
    world.flow("br-far", "del-flows", REFLECT)
    world.says(Answer.SILENT)
    world.reflect()
    world.says(Answer.ANSWERS)
