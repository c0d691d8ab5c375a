"""Real faults in the lab, with the clouds joined: `isthmus-lab why` names each, and the path is whole again after it.

Stands on the ladder (test_ladder.py); conftest.py puts the last rung behind this file.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.rungs import CORP
from isthmus.lab.plan import WAN, ovs_env, reflector
from tests.cli.test_troubleshooting import COMMANDS
from tests.eventually import eventually
from tests.lab.command import COMMAND, run

pytestmark = [pytest.mark.lab, pytest.mark.long]

WITHIN_S = 40.0


@pytest.fixture(autouse=True)
def joined(ground: Ground) -> None:
    if "b-red1" not in ground.vms:
        pytest.fail("the ladder was not climbed: run tests/lab/test_ladder.py before")


def ask(source: str, destination: str) -> dict[str, Any]:
    """The verdict, and the exit code that goes with it."""
    done = subprocess.run(
        [COMMAND, "why", "--from", source, "--to", destination, "--json"], capture_output=True, text=True
    )
    said: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if said["whole"] else 1), done.stderr
    return said


def named(cause: str, source: str = "a-red1", destination: str = "b-red1") -> dict[str, Any]:
    """The verdict once it names that cause."""

    def check() -> dict[str, Any]:
        said = ask(source, destination)
        assert said["cause"] == cause, said
        return said

    said = eventually(check, within=WITHIN_S, every=0.3)
    print(f"{cause}: {said['sentence']}")
    return said


@contextmanager
def fault(break_: Callable[[], object], heal: Callable[[], object]) -> Iterator[None]:
    """Whole before, whole after."""
    named("WHOLE")
    break_()
    try:
        yield
    finally:
        heal()
    named("WHOLE")


def vsctl(ground: Ground, node: str, *words: str) -> None:
    ground.lab.processes.run("test", ["ovs-vsctl", *words], env=ovs_env(ground.lab.places.of(node)))


def circuit_of(ground: Ground, cloud: str) -> str:
    """Of the red networks, which both have a router."""
    return f"isthmus-ac-{ground.routers[cloud, 'red'].id}"


@pytest.mark.parametrize(
    ("source", "destination", "cause"),
    [
        ("a-red1", "b-red2", "WHOLE"),
        ("b-red2", "a-red1", "WHOLE"),
        ("a-blue1", "a-green2", "WHOLE"),
        ("a-twin1", "b-twin1", "WHOLE"),
        ("a-grey1", "b-red1", "NOT_ASSOCIATED"),
        ("a-blue1", "b-red1", "TARGETS_DIFFER"),
    ],
)
def test_as_the_clouds_stand(ground: Ground, source: str, destination: str, cause: str) -> None:
    named(cause, source, destination)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[1] not in ("drain", "forget")])
def test_every_command_of_the_operators_page_is_answered(ground: Ground, command: str) -> None:
    """As it stands there, but for the lab's sockets."""
    isthmus = str(ground.lab.programs.agent.parent / "isthmus")
    at = ["--socket", str(ground.lab.places.agent_socket("a-h1"))]
    views = json.loads(ground.lab.processes.run("test", [isthmus, "show", "views", "--json", *at]))["views"]
    meant = {
        "<address>": str(ground.vms["b-red1"].address(4)),
        "<uuid>": ground.admin("a").network.find_bgpvpn("corp", ignore_missing=False).id,
        "<view>": views[0]["view"],
    }
    words = [meant.get(word, word) for word in command.split()[1:]]
    assert ground.lab.processes.run("test", [isthmus, *words, *at]).strip()


def test_a_narrow_underlay_is_remarked(ground: Ground) -> None:
    """The lab's WAN carries 1,400 bytes, the cloud's own links 1,500."""
    assert ground.lab.topology.wan_mtu == 1400
    (remark,) = named("WHOLE")["remarks"]
    assert "carries 1400 bytes, so of a virtual machine packets of 1350" in remark
    assert named("WHOLE", "a-blue1", "a-green2")["remarks"] == []


def test_an_agent_that_is_stopped(ground: Ground) -> None:
    with fault(lambda: run("agent", "stop", "b-h1"), lambda: run("agent", "start", "b-h1")):
        said = named("AGENT_SILENT")
        assert "b-h1" in said["sentence"]


def test_a_reflector_that_is_down(ground: Ground) -> None:
    daemon = reflector(ground.lab.topology.cloud("a").reflectors[0], ground.lab.places)
    processes = ground.lab.processes
    with fault(lambda: processes.kill(daemon.name), lambda: processes.start(daemon)):
        said = named("SESSION_DOWN")
        assert "172.30.1.5" in said["sentence"]


def test_a_circuit_unplugged_by_hand(ground: Ground) -> None:
    """For good: its name is taken, so the agent cannot plug it again."""
    name = circuit_of(ground, "b")
    taken = ("add-port", "br-vpn", name, "--", "set", "Interface", name, "type=patch", "options:peer=nowhere")
    with fault(
        lambda: vsctl(ground, "b-h1", "del-port", "br-vpn", name, "--", *taken),
        lambda: vsctl(ground, "b-h1", "del-port", "br-vpn", name),
    ):
        assert name in named("CIRCUIT_UNPLUGGED")["sentence"]


def test_a_flow_removed_by_hand(ground: Ground) -> None:
    """The agent puts it back as soon as it looks, and a question makes it look: so this question sees it gone."""
    home = ground.lab.places.of("b-h1")
    gone = ["ovs-ofctl", "-O", "OpenFlow15", "del-flows", f"unix:{home}/br-vpn.mgmt", "table=40"]

    def seen() -> None:
        ground.lab.processes.run("test", gone, env=ovs_env(home))
        said = ask("a-red1", "b-red1")
        assert said["cause"] == "FLOW_MISSING" and "b-h1" in said["sentence"], said

    named("WHOLE")
    eventually(seen)
    named("WHOLE")


def test_a_machine_that_is_unplugged(ground: Ground) -> None:
    """OVN gives its port up; nobody has it any more."""
    machine = ground.vms["b-red1"]
    tap = ("Interface", machine.tap)
    with fault(
        lambda: vsctl(ground, "b-h1", "remove", *tap, "external_ids", "iface-id"),
        lambda: vsctl(ground, "b-h1", "set", *tap, f'external_ids:iface-id="{machine.port_id}"'),
    ):
        assert machine.port_id in named("DESTINATION_UNKNOWN")["sentence"]


def test_an_association_that_is_missing(ground: Ground) -> None:
    api = ground.admin("b").network
    bgpvpn = api.find_bgpvpn("corp", ignore_missing=False)
    red = ground.networks["b", "red"].id

    def dissociate() -> None:
        for association in api.bgpvpn_network_associations(bgpvpn.id):
            api.delete_bgpvpn_network_association(bgpvpn.id, association.id)

    def associate() -> None:
        api.create_bgpvpn_network_association(bgpvpn, network_id=red, project_id="tenant1")

    with fault(dissociate, associate):
        assert "no association covers" in named("NOT_ASSOCIATED")["sentence"]


def test_another_route_target_on_one_side(ground: Ground) -> None:
    api = ground.admin("b").network
    bgpvpn = api.find_bgpvpn("corp", ignore_missing=False)

    def target(value: str) -> None:
        api.update_bgpvpn(bgpvpn, route_targets=[value])

    with fault(lambda: target("64512:55"), lambda: target(CORP)):
        said = named("TARGETS_DIFFER")["sentence"]
        assert "64512:55" in said and CORP in said


def test_a_tunnel_endpoint_behind_a_black_hole(ground: Ground) -> None:
    hole = ("blackhole", "172.30.2.11/32")

    def route(verb: str) -> None:
        ground.lab.processes.run("test", ["ip", "route", verb, *hole], node=WAN)

    with fault(lambda: route("add"), lambda: route("del")):
        assert "172.30.2.11" in named("VTEP_UNREACHABLE")["sentence"]
