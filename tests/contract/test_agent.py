"""The agent as a process between a real Open vSwitch and a real OVN: what an operator would see of it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from isthmus.model.intent import AssociationIntent, AssociationKind, AttachmentIntent
from isthmus.model.net import Prefix
from isthmus.model.report import AgentReport, AttachmentReport, Reported, from_external_ids
from isthmus.model.vpn import RouteTarget, SiteOfOrigin
from tests.contract.switches import Central, Switch, installed
from tests.eventually import eventually
from tests.shell.world import AgentProcess, attach

pytestmark = [pytest.mark.contract, pytest.mark.skipif(not installed(), reason="Open vSwitch or OVN is not installed")]

NETWORK = f"neutron-{uuid.UUID(int=7)}"
BGPVPN = str(uuid.UUID(int=9))
TARGET = RouteTarget.parse("64512:9")
CIRCUIT = f"isthmus-ac-{uuid.UUID(int=1)}"
INTENT = AttachmentIntent(
    attachment=f"router:{uuid.UUID(int=1)}",
    revision=4,
    site=SiteOfOrigin.parse("64512:1"),
    networks=(NETWORK,),
    subnets=(Prefix.parse("10.1.0.0/24"),),
    associations=(
        AssociationIntent(
            str(uuid.UUID(int=5)), AssociationKind.ROUTER, BGPVPN, 16, 5009, (TARGET,), (TARGET,), (NETWORK,)
        ),
    ),
)


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as switch:
        yield switch


@pytest.fixture
def agent(switch: Switch) -> Iterator[AgentProcess]:
    with Central() as central, socket.create_server(("127.0.0.1", 0)) as reflector:
        attach(central, CIRCUIT, NETWORK, INTENT)
        with AgentProcess(switch, central, reflector.getsockname()[1]) as agent:
            yield agent


def in_sync(agent: AgentProcess) -> None:
    """The attachment works as far as it can without a peer."""
    status = agent.status()
    assert [(a["attachment"], a["state"]) for a in status["attachments"]] == [(INTENT.attachment, "ACTIVE")]
    assert status["switch"]["southbound"] == "in sync" and status["switch"]["in_sync"], status["switch"]
    assert [(p["address"], p["vni"]) for p in status["ports"]] == [("10.1.0.5", 5009)]
    assert status["agent"]["host"] == "host-1"


def forwards(agent: AgentProcess, switch: Switch) -> None:
    """In sync, also with what came in an instant ago and is not computed yet."""
    in_sync(agent)
    wanted = agent.status()["switch"]["flows_wanted"]
    flows = forwarding(switch)
    assert len(flows) == wanted and any("nw_dst=10.1.0.5" in flow for flow in flows), flows


def test_from_rows_to_flows(agent: AgentProcess, switch: Switch) -> None:
    assert agent.ready() == b"READY=1"
    eventually(lambda: in_sync(agent))
    assert CIRCUIT in switch.vsctl("list-ports", "br-vpn").split()
    flows = switch.ofctl("dump-flows")
    assert "tun_id=0x1391,nw_dst=10.1.0.5" in flows, "what comes with the VPN's number for the VM is let in"
    assert "isthmus_flows_installed" in agent.get("/metrics").decode()
    assert agent.socket.stat().st_mode & 0o777 == 0o660


def test_the_cloud_is_told(switch: Switch) -> None:
    with Central() as central, socket.create_server(("127.0.0.1", 0)) as reflector:
        attach(central, CIRCUIT, NETWORK, INTENT)
        central.sbctl("create", "Chassis_Private", "name=host-1")
        with AgentProcess(switch, central, reflector.getsockname()[1]) as agent:
            eventually(lambda: told(central, agent))
            assert agent.end() == 0
        told_last = reported(central)
        assert told_last.attachments[INTENT.attachment] == AttachmentReport(INTENT.attachment, 4, "ACTIVE", 1)


def reported(central: Central) -> Reported:
    ((column,),) = json.loads(central.sbctl("--format=json", "--columns=external_ids", "list", "Chassis_Private"))[
        "data"
    ]
    return from_external_ids(dict(column[1]))


def told(central: Central, agent: AgentProcess) -> None:
    report = reported(central)
    assert report.attachments == {INTENT.attachment: AttachmentReport(INTENT.attachment, 4, "ACTIVE", 1)}
    assert isinstance(report.agent, AgentReport) and report.agent.router_id == "127.0.0.9"
    assert [(p.address, p.state) for p in report.agent.peers] == [("127.0.0.1", "Down")], "the listener speaks no BGP"
    assert agent.status()["agent"]["report"] == "in sync"


def test_it_dials_its_reflector(switch: Switch) -> None:
    with Central() as central, socket.create_server(("127.0.0.1", 0)) as reflector:
        reflector.settimeout(10)
        with AgentProcess(switch, central, reflector.getsockname()[1]):
            connection, (source, _) = reflector.accept()
            with connection:
                connection.settimeout(10)
                assert connection.recv(19)[:16] == b"\xff" * 16, "the marker of a BGP message (RFC 4271 section 4.1)"
                assert source == "127.0.0.9"


def test_flows_are_back_after_the_switch_was_killed(agent: AgentProcess, switch: Switch) -> None:
    eventually(lambda: in_sync(agent))
    switch.kill_vswitchd()
    switch.start_vswitchd()

    def back() -> None:
        assert "nw_dst=10.1.0.5" in switch.ofctl("dump-flows")

    eventually(back, within=5.0)
    eventually(lambda: in_sync(agent))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_however_it_ends_forwarding_stays(agent: AgentProcess, switch: Switch, how: signal.Signals) -> None:
    eventually(lambda: forwards(agent, switch))
    before, ports = forwarding(switch), switch.vsctl("list-ports", "br-vpn")
    assert agent.end(how) == (0 if how is not signal.SIGKILL else -signal.SIGKILL)
    assert (forwarding(switch), switch.vsctl("list-ports", "br-vpn")) == (before, ports)
    agent.start()
    eventually(lambda: in_sync(agent))
    assert forwarding(switch) == before, "adopted as it was"
    assert agent.status()["switch"]["bundles"] == 0, "and not written again"


def forwarding(switch: Switch) -> list[str]:
    """Flows without what changes by itself."""
    lines = switch.ofctl("dump-flows").splitlines()[1:]
    return sorted(line.split("table=")[0].split(",")[0] + line.split("idle_age=")[1].split(",", 1)[1] for line in lines)


def test_a_file_that_is_no_good_ends_it_with_two(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isthmus.shell.agent", "--check", "--config", f"{tmp_path}/agent.toml"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"isthmus-agent: {tmp_path}/agent.toml: cannot be read: No such file or directory"
    )
