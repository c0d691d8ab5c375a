"""An upgrade from the build before, as the install guide tells it, under traffic: plugin first, then agents one by one.

Runs after everything else in its folder, on a lab of its own whose plugin and agents are those of that commit.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from isthmus.lab import hypervisor, machine, neutron, topology
from isthmus.lab import lab as whole
from isthmus.lab.chaos.cases import unwell
from isthmus.lab.chaos.command import BESIDE, HERE, NETS, THERE, Streams, flows
from isthmus.lab.chaos.traffic import Count
from isthmus.lab.lab import Lab
from isthmus.lab.ladder import agents
from isthmus.lab.ladder import ground as grounds
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.rungs import CORP, join
from isthmus.lab.plan import Programs, api, neutron_files, periodic_workers
from isthmus.lab.process import listening
from isthmus.lab.progress import Progress
from isthmus.lab.topology import Cloud
from isthmus.model.intent import WRITES
from tests.eventually import eventually
from tests.lab import former

pytestmark = [pytest.mark.lab, pytest.mark.long]

WELL_WITHIN_S = 120.0
MORE = "64512:77"
FORM_WITHIN_S = 150.0
"""A full pass a minute; the agents' reports must have come before it."""
PATIENCE_S = 5.0
"""A busy machine brings packets late; what has not come by then is lost."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Two joined clouds of the build before, and the way to this one."""

    ground: Ground
    """With the programs of this build: what the tests type."""
    home: Path
    """Where the environments are."""
    before: Programs

    @property
    def lab(self) -> Lab:
        return self.ground.lab

    def plugin(self, cloud: Cloud) -> None:
        """Tables that both can use, every process of Neutron anew, then tables that only this build uses."""
        processes, programs = self.lab.processes, self.lab.programs
        self._manage(cloud, "upgrade", "--expand")
        for daemon in (api(cloud, self.lab.places, programs), periodic_workers(cloud, self.lab.places, programs)):
            processes.kill(daemon.name)
        eventually(lambda: _free(cloud.api_port))
        neutron.start(cloud, processes, programs)
        self._manage(cloud, "upgrade", "--contract")
        # What the first full pass would do within a minute: every row as this build writes it.
        self._run("isthmus-db-sync", cloud, [], ["repair"])

    def _manage(self, cloud: Cloud, *words: str) -> None:
        self._run("neutron-db-manage", cloud, ["--subproject", "isthmus"], [*words])

    def _run(self, program: str, cloud: Cloud, before: list[str], words: list[str]) -> None:
        argv = [str(self.lab.programs.python_bin / program), *before]
        for file in neutron_files(cloud, self.lab.places):
            argv += ["--config-file", str(file)]
        self.lab.processes.run(f"{program} of {cloud.name}", [*argv, *words], timeout_s=120)

    def agent(self, node: str) -> None:
        """The new one is installed and takes over."""
        former.on(node, self.home, self.lab.programs.agent.parent.parent, self.lab.programs)
        hypervisor.exchange_agent(self.lab.site(node), self.lab.processes)

    def well(self) -> None:
        """Every session stands, every switch has what is wanted."""

        def asked() -> None:
            for site in self.lab.plan.sites:  # before it is asked: an agent that is away is no error here
                wrong = listening(self.lab.places.agent_socket(site.node))
                assert wrong is None, wrong
            wrong = unwell(self.lab)
            assert wrong is None, wrong

        eventually(asked, within=WELL_WITHIN_S)


def _free(port: int) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "somebody still listens"


@pytest.fixture
def upgrade(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgrade]:
    with pytest.MonkeyPatch.context() as environment:
        # Short: unix sockets live in there.
        environment.setenv(whole.DIRECTORY_VARIABLE, str(tmp_path_factory.getbasetemp().parent / "isthmus-lab"))
        whole.down()
        home = tmp_path / "builds"
        older = former.build(home)
        path = topology.locate(None)
        ours = machine.check(topology.read(path.read_text(), str(path)))
        before = former.programs(older, ours)
        try:
            with Progress(sys.stdout) as progress:
                made = whole.up(
                    path.read_text().replace("wary = true", "wary = false"),
                    str(path),
                    agents=False,
                    progress=progress,
                    programs=before,
                )
            for site in made.plan.sites:
                hypervisor.start_agent(site, made.processes, former.on(site.node, home, older, before))
            ground = Ground(replace(made, plan=replace(made.plan, programs=ours)))
            grounds.build(ground, NETS)
            join(ground)
            yield Upgrade(ground, home, before)
        finally:
            whole.down()


def test_an_upgrade_loses_no_packet(upgrade: Upgrade) -> None:
    ground, lab = upgrade.ground, upgrade.lab
    nodes = [site.node for site in lab.plan.sites]
    upgrade.well()
    assert {_is_of(upgrade, node) for node in nodes} == {"before"}
    with Streams(
        lab, [flow for other in (THERE, BESIDE) for flow in flows(ground.vms[HERE], ground.vms[other])]
    ) as streams:
        eventually(lambda: _calm(streams))
        for cloud in lab.topology.clouds:
            upgrade.plugin(cloud)
            upgrade.well()
            eventually(lambda: _none_lost(streams), within=PATIENCE_S)
        _old_agents_follow(upgrade)
        hypervisor.crash_agent(lab.site(nodes[0]), lab.processes)
        upgrade.well()
        eventually(lambda: _none_lost(streams), within=PATIENCE_S)
        assert {_is_of(upgrade, node) for node in nodes} == {"before"}
        for node in nodes:
            upgrade.agent(node)
            upgrade.well()
            assert _is_of(upgrade, node) == "now"
            eventually(lambda: _none_lost(streams), within=PATIENCE_S)
        for cloud in lab.topology.clouds:
            eventually(lambda: _newest_form(lab, cloud), within=FORM_WITHIN_S)  # noqa: B023
        upgrade.well()
        eventually(lambda: _none_lost(streams), within=PATIENCE_S)
    for node in nodes:
        states = {one["state"] for one in agents.status(lab, node)["attachments"] if one["ports"]}
        assert states == {"ACTIVE"}, node


def _old_agents_follow(upgrade: Upgrade) -> None:
    """What the new plugin is asked for arrives: a target more, at those who announce and at those who hear of it."""
    api = upgrade.ground.admin("a").network
    api.update_bgpvpn(api.find_bgpvpn("corp", ignore_missing=False), route_targets=[CORP, MORE])

    def heard() -> None:
        theirs = [one for one in agents.status(upgrade.lab, "b-h1")["routes"] if CORP in one["route_targets"]]
        fresh = [one["prefix"] for one in theirs if MORE in one["route_targets"]]
        assert len(fresh) >= 4, "both addresses of both machines of cloud a"

    eventually(heard)


def _newest_form(lab: Lab, cloud: Cloud) -> None:
    said = lab.places.log(f"{cloud.name}-periodic").read_text()
    assert f"rows are written in form {WRITES} from now on" in said, "the plugin waits for some agent"


def lost(counts: list[Count]) -> dict[str, int]:
    assert all(one["sent"] for one in counts), "every stream runs"
    return {one["name"]: one["lost"] for one in counts if one["lost"]}


def _calm(streams: Streams) -> None:
    """And count from here on. What is looked at ends when it is asked for: the first look is only a second's wait."""
    streams.mark()
    streams.look()
    _none_lost(streams)


def _none_lost(streams: Streams) -> None:
    """Since the mark; a late packet is none."""
    assert not lost(streams.look())


def _is_of(upgrade: Upgrade, node: str) -> str:
    """Which build the hypervisor's agent runs: its interpreter says so."""
    pids = upgrade.lab.processes.running()[f"{node}-agent"]
    commands = [Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in pids]
    # Beside the agent runs what holds it, and now and then a short command.
    [python] = [words[0] for words in commands if len(words) > 1 and words[1].endswith("/isthmus-agent")]
    return "before" if python.startswith(str(upgrade.home / "environment")) else "now"
