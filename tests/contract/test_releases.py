"""The agent of the first release in front of what this plugin writes, and this agent in front of what that one wrote:
running, after a crash, and after a boot. The old one is built from its commit."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.intent import (
    AssociationIntent,
    AssociationKind,
    AttachmentIntent,
    BgpvpnIntent,
    bgpvpn_external_ids,
    bgpvpn_port,
    to_external_ids,
)
from isthmus.model.net import Prefix
from isthmus.model.report import AgentReport, from_external_ids
from isthmus.model.vpn import RouteTarget, SiteOfOrigin
from tests.contract.switches import Central, Switch, installed
from tests.eventually import eventually
from tests.shell.world import AgentProcess, attach, write_row

pytestmark = [
    pytest.mark.contract,
    pytest.mark.long,
    pytest.mark.skipif(not installed(), reason="Open vSwitch or OVN is not installed"),
]

FIRST = "5b6562c"
ROOT = Path(__file__).parents[2]

NETWORK = f"neutron-{uuid.UUID(int=7)}"
CIRCUIT = f"isthmus-ac-{uuid.UUID(int=1)}"
VPN = BgpvpnIntent(
    str(uuid.UUID(int=9)), 1, 5009, (RouteTarget.parse("64512:9"),), (RouteTarget.parse("64512:9"),), local_pref=150
)


def intent(revision: int, vni: int = VPN.vni) -> AttachmentIntent:
    association = AssociationIntent(
        *(str(uuid.UUID(int=5)), AssociationKind.ROUTER, VPN.bgpvpn, 16, vni, VPN.imports, VPN.exports, (NETWORK,)),
        VPN.local_pref,
    )
    return AttachmentIntent(
        attachment=f"router:{uuid.UUID(int=1)}",
        revision=revision,
        site=SiteOfOrigin.parse("64512:1"),
        networks=(NETWORK,),
        subnets=(Prefix.parse("10.1.0.0/24"),),
        associations=(association,),
    )


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first release is installed."""
    archive = subprocess.run(["git", "archive", FIRST], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"this clone does not have the commit {FIRST}: {archive.stderr.decode().strip()}")
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(source)
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps"]
    done = subprocess.run([*pip, "--target", str(site), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return site


def run_first(first: Path, program: str) -> Any:
    """What a program of the first release prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(first)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as switch:
        yield switch


@pytest.fixture
def central() -> Iterator[Central]:
    with Central() as central:
        attach(central, CIRCUIT, NETWORK, intent(1))
        central.sbctl("create", "Chassis_Private", "name=host-1")
        yield central


@pytest.fixture
def reflector_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as reflector:
        yield reflector.getsockname()[1]


def serves(agent: AgentProcess, revision: int, vni: int = VPN.vni) -> None:
    status = agent.status()
    attachments = [(a["state"], a["revision"]) for a in status["attachments"]]
    assert attachments == [("ACTIVE", revision)], status["attachments"]
    assert [(p["address"], p["vni"], p["delivered"]) for p in status["ports"]] == [("10.1.0.5", vni, True)]


def inbound(switch: Switch) -> list[str]:
    """The flows that let packets from tunnels in."""
    lines = switch.ofctl("dump-flows").splitlines()
    return [line.split("priority=")[1] for line in lines if "tun_id=" in line]


def boot(agent: AgentProcess, switch: Switch) -> None:
    """A machine that starts remembers nothing and has no flows."""
    agent.end(signal.SIGKILL)
    shutil.rmtree(Path(switch.run_dir) / "state", ignore_errors=True)
    switch.ofctl("del-flows")
    agent.start()


def crash(agent: AgentProcess) -> None:
    agent.end(signal.SIGKILL)
    agent.start()


def write_form_2(central: Central, revision: int, vni: int = VPN.vni) -> None:
    write_row(central, bgpvpn_port(VPN.bgpvpn), bgpvpn_external_ids(replace(VPN, vni=vni)))
    write_row(central, CIRCUIT, to_external_ids(intent(revision, vni), 2))


def test_the_old_agent_reads_what_is_written_while_it_lives(
    first: Path, switch: Switch, central: Central, reflector_port: int
) -> None:
    with AgentProcess(switch, central, reflector_port, release=first) as agent:
        eventually(lambda: serves(agent, 1))
        eventually(lambda: reads(central, 1))  # it says nothing of it, and that is how it is known
        write_row(central, CIRCUIT, to_external_ids(intent(2, vni=5010)))
        eventually(lambda: serves(agent, 2, 5010))
        crash(agent)
        eventually(lambda: serves(agent, 2, 5010))
        boot(agent, switch)
        eventually(lambda: serves(agent, 2, 5010))


def reads(central: Central, form: int) -> None:
    """As it reports."""
    ((column,),) = json.loads(central.sbctl("--format=json", "--columns=external_ids", "list", "Chassis_Private"))[
        "data"
    ]
    agent = from_external_ids(dict(column[1])).agent
    assert isinstance(agent, AgentReport) and agent.reads == form, agent


def test_the_old_agent_that_meets_form_2_keeps_what_stands_until_form_1_is_back(
    first: Path, switch: Switch, central: Central, reflector_port: int
) -> None:
    """It came back while everybody thought it was gone."""
    with AgentProcess(switch, central, reflector_port, release=first) as agent:
        eventually(lambda: serves(agent, 1))
        stood = inbound(switch)
        write_form_2(central, 2)
        eventually(lambda: does_not_know(agent))
        assert inbound(switch) == stood
        crash(agent)
        eventually(lambda: does_not_know(agent))
        assert inbound(switch) == stood
        boot(agent, switch)
        eventually(lambda: does_not_know(agent))
        write_row(central, CIRCUIT, to_external_ids(intent(3)))
        eventually(lambda: serves(agent, 3))
        assert inbound(switch) == stood


def does_not_know(agent: AgentProcess) -> None:
    states = {a["circuit"]: a["state"] for a in agent.status()["attachments"]}
    assert states == {CIRCUIT: "UNKNOWN_SCHEMA"}


def test_this_agent_reads_what_the_old_plugin_wrote(
    first: Path, switch: Switch, central: Central, reflector_port: int
) -> None:
    target = "RouteTarget.parse('64512:9')"
    program = f"""
import json
from isthmus.model.intent import *
from isthmus.model.net import Prefix
from isthmus.model.vpn import RouteTarget, SiteOfOrigin
a = AssociationIntent('{uuid.UUID(int=5)}', AssociationKind.ROUTER, '{VPN.bgpvpn}', 16, 5009, ({target},), ({target},),
    ('{NETWORK}',), 150)
print(json.dumps(to_external_ids(AttachmentIntent('router:{uuid.UUID(int=1)}', 2, SiteOfOrigin.parse('64512:1'),
    ('{NETWORK}',), (Prefix.parse('10.1.0.0/24'),), (a,)))))
"""
    old = run_first(first, program)
    assert old == to_external_ids(intent(2)), "form 1, to the octet"
    write_row(central, CIRCUIT, old)
    with AgentProcess(switch, central, reflector_port) as agent:
        eventually(lambda: serves(agent, 2))
        crash(agent)
        eventually(lambda: serves(agent, 2))
        boot(agent, switch)
        eventually(lambda: serves(agent, 2))


def test_the_change_of_form_under_this_agent_touches_no_flow(
    switch: Switch, central: Central, reflector_port: int
) -> None:
    with AgentProcess(switch, central, reflector_port) as agent:
        eventually(lambda: serves(agent, 1))
        stood, bundles = inbound(switch), agent.status()["switch"]["bundles"]
        write_form_2(central, 2)
        eventually(lambda: serves(agent, 2))
        assert (inbound(switch), agent.status()["switch"]["bundles"]) == (stood, bundles)
        crash(agent)
        eventually(lambda: serves(agent, 2))
        boot(agent, switch)
        eventually(lambda: serves(agent, 2))
        write_row(central, CIRCUIT, to_external_ids(intent(3)))
        central.nbctl("lsp-del", bgpvpn_port(VPN.bgpvpn))
        eventually(lambda: serves(agent, 3))
        assert inbound(switch) == stood


def test_an_agent_is_upgraded_with_form_1_and_then_reads_form_2(
    first: Path, switch: Switch, central: Central, reflector_port: int
) -> None:
    with AgentProcess(switch, central, reflector_port, release=first) as agent:
        eventually(lambda: serves(agent, 1))
        stood = inbound(switch)
        agent.end()
        agent.release = None
        agent.start()
        eventually(lambda: serves(agent, 1))
        assert inbound(switch) == stood

        eventually(lambda: reads(central, 2))
        write_form_2(central, 2)
        eventually(lambda: serves(agent, 2))
        assert inbound(switch) == stood
