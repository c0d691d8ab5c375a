"""The ladder as tests, on the shared lab: every rung, and between the last two what trouble does to a joined cloud."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from isthmus.lab import hypervisor, process
from isthmus.lab.ladder import agents, probe
from isthmus.lab.ladder.climb import Rung, climb
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.keeping import RUNGS as HIGHER
from isthmus.lab.ladder.keeping import SLOW
from isthmus.lab.ladder.rungs import RUNGS
from isthmus.lab.plan import ovs_env
from isthmus.lab.progress import Progress
from tests.eventually import eventually
from tests.lab.command import run

pytestmark = pytest.mark.lab

reached: list[int] = []


@pytest.mark.parametrize("rung", RUNGS[:-1], ids=lambda rung: f"rung-{rung.number}")
def test_the_ladder(ground: Ground, rung: Rung) -> None:
    _climb(ground, rung)


def _climb(ground: Ground, rung: Rung) -> None:
    if reached != list(range(1, rung.number)):
        pytest.fail(f"the ladder stands on rung {reached[-1] if reached else 0} only")
    with Progress(sys.stdout) as progress:
        climb([rung], ground, progress)
    reached.append(rung.number)


def test_every_vm_has_the_mtu_of_its_network(ground: Ground) -> None:
    for one in ground.vms.values():
        link = ground.lab.processes.run("test", ["ip", "link", "show", "eth0"], node=one.node)
        assert "mtu 1442" in link, "Geneve over an underlay of 1500"


# Trouble, with the clouds joined


@contextmanager
def stream(ground: Ground, source: str, target: str) -> Iterator[list[str]]:
    """Fifty pings a second while something happens; the last line of what ping says, afterwards."""
    address = ground.vms[target].address(4)
    assert address is not None
    command = process.within(source, ["ping", "-n", "-q", "-i", "0.02", address])
    pinging = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said: list[str] = []
    try:
        yield said
    finally:
        pinging.send_signal(2)
        said += (pinging.communicate()[0] or "").splitlines()


def loss(said: list[str]) -> int:
    """Packets lost, of the line `500 packets transmitted, 500 received, …`."""
    counts = next(line for line in said if "transmitted" in line).split()
    # The last one may be under way when ping is stopped.
    return max(0, int(counts[0]) - int(counts[3]) - 1)


def test_the_agent_killed_and_started_again_adopts_what_stands(ground: Ground) -> None:
    before = agents.status(ground.lab, "a-h1")
    with stream(ground, "a-red1", "b-red1") as said:
        ground.lab.processes.kill("a-h1-agent")
        run("agent", "start", "a-h1")

        def in_sync() -> None:
            now = agents.status(ground.lab, "a-h1")
            assert now["generation"] > before["generation"]
            assert (now["switch"]["swept"], now["switch"]["in_sync"]) == (True, True), now["switch"]
            assert len(now["ports"]) == len(before["ports"])

        eventually(in_sync, within=20)
    # FRR 8.4 withdraws EVPN routes the moment the agent's session ends, whatever graceful restart was agreed on; the
    # other cloud holds them, because the beacon went with them and a-h1 answers probes.
    assert agents.status(ground.lab, "a-h1")["switch"]["bundles"] <= 1, "what stood was adopted, not written again"
    assert loss(said) <= 1, "the last one may be under way when ping is stopped"


def test_an_agent_that_is_exchanged_loses_no_packet_with_any_reflector(ground: Ground) -> None:
    before = agents.status(ground.lab, "a-h1")
    with stream(ground, "a-red1", "b-red1") as said:
        run("agent", "restart", "a-h1")

        def in_sync() -> None:
            now = agents.status(ground.lab, "a-h1")
            assert now["generation"] == before["generation"] + 1
            assert (now["switch"]["swept"], now["switch"]["in_sync"]) == (True, True), now["switch"]
            assert [p["announced"] for p in now["peers"]] == [p["announced"] for p in before["peers"]]

        eventually(in_sync, within=20)
    after = agents.status(ground.lab, "a-h1")
    assert after["peers"][0]["since_s"] > before["peers"][0]["since_s"], "it is the same session"
    assert loss(said) <= 1, "the last one may be under way when ping is stopped"


def test_a_row_with_nonsense_in_it_is_named_and_the_rest_goes_on(ground: Ground) -> None:
    router = ground.routers["a", "twin"].id
    northbound = ["ovn-nbctl", f"--db=unix:{ground.lab.places.northbound('a')}"]
    row = ["Logical_Switch_Port", f"isthmus-ac-{router}"]
    site = ground.lab.processes.run("test", [*northbound, "get", *row, 'external_ids:"isthmus:site"']).strip()
    ground.lab.processes.run("test", [*northbound, "set", *row, 'external_ids:"isthmus:site"=nowhere'])

    def named() -> None:
        found = {a["circuit"]: a for a in agents.status(ground.lab, "a-h1")["attachments"]}
        assert "'nowhere' is not a site of origin" in found[f"isthmus-ac-{router}"]["reason"]
        others = [a["state"] for circuit, a in found.items() if circuit != f"isthmus-ac-{router}"]
        assert others
        assert set(others) == {"ACTIVE"}

    eventually(named)
    ground.lab.processes.run("test", [*northbound, "set", *row, f'external_ids:"isthmus:site"={site}'])

    def healed() -> None:
        assert {a["state"] for a in agents.status(ground.lab, "a-h1")["attachments"]} == {"ACTIVE"}

    eventually(healed)


def test_without_the_southbound_database_forwarding_stays_and_says_so(ground: Ground) -> None:
    daemon = ground.lab.plan.daemon("b-sb")
    with stream(ground, "b-red1", "a-red1") as said:
        ground.lab.processes.kill("b-sb")

        def seen() -> None:
            assert agents.status(ground.lab, "b-h1")["switch"]["southbound"] != "in sync"

        eventually(seen)
        ground.lab.processes.start(daemon)

        def back() -> None:
            assert agents.status(ground.lab, "b-h1")["switch"]["southbound"] == "in sync"

        eventually(back, within=30)
    assert loss(said) == 0


def test_a_switch_that_starts_again_gets_its_flows_back(ground: Ground) -> None:
    site = ground.lab.site("b-h2")
    ground.lab.processes.kill("b-h2-vswitchd")
    hypervisor.start_switch(site, ground.lab.processes)
    address = ground.vms["b-red2"].address(4)
    assert address is not None
    trip = probe.Trip("a-red1", address, "b-red2")

    def restored() -> None:
        switch = agents.status(ground.lab, "b-h2")["switch"]
        assert switch["in_sync"], switch
        assert switch["flows_installed"] == switch["flows_wanted"]
        assert probe.unreached([trip]) == []

    eventually(restored, within=30)


def test_a_flow_removed_by_hand_comes_back(ground: Ground) -> None:
    home = ground.lab.places.of("a-h2")
    command = ["ovs-ofctl", "-O", "OpenFlow15", "del-flows", f"unix:{home}/br-vpn.mgmt", "table=40"]
    ground.lab.processes.run("test", command, env=ovs_env(home))
    text = run("exec", "a-h2", "--", str(ground.lab.programs.agent.parent / "isthmus"), "show", "switch", "--json",
               "--socket", str(ground.lab.places.agent_socket("a-h2")))  # fmt: skip
    assert json.loads(text)["switch"]["flows_installed"] > 0
    must = [probe.Trip("b-red1", str(ground.vms["a-red2"].address(4)), "a-red2")]

    def back() -> None:
        assert probe.unreached(must) == []

    eventually(back)


def test_removing_the_associations_takes_everything_away(ground: Ground) -> None:
    _climb(ground, RUNGS[-1])


@pytest.mark.parametrize("rung", HIGHER, ids=lambda rung: f"rung-{rung.number}")
def test_the_higher_rungs(ground: Ground, rung: Rung) -> None:
    _climb(ground, rung)


@pytest.mark.long
@pytest.mark.parametrize("rung", SLOW, ids=lambda rung: f"rung-{rung.number}")
def test_the_slow_rungs(ground: Ground, rung: Rung) -> None:
    _climb(ground, rung)
