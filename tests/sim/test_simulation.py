"""Short histories of fixed seeds, each scene once, and whether the simulation can fail at all.

A failing seed is seen again by the command that the failure prints. The long run is `python -m tests.sim --seeds A-B`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.flows.layout import Table
from isthmus.flows.types import FlowKey, Installed, cookie
from isthmus.model.vpn import Claimant
from isthmus.vpn.trust import Trust
from tests.sim.course import Course
from tests.sim.host import Host
from tests.sim.reference import Across

ROOT = Path(__file__).parent.parent.parent
STEPS = 2500


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_short_history(seed: int) -> None:
    fault = Course(seed).run(STEPS)
    assert fault is None, f"{fault}\nagain: python -m tests.sim --seed {seed} --steps {STEPS} --trace"


@pytest.mark.parametrize(
    "scene",
    [
        "outage",
        "calm agent",
        "calm exchange",
        "calm reflector",
        "calm way abroad",
        "calm words",
        "unreadable",
        "smooth",
        "hostile",
        "lying peer",
        "flooding peer",
    ],
)
def test_each_scene_is_played(scene: str) -> None:
    for seed in range(100, 120):
        course = Course(seed)
        played: list[bool] = []

        def play(course: Course = course, played: list[bool] = played) -> None:
            course.settle()
            course.turmoil()
            course.settle()
            course.hush()
            course.stay_down()
            played.append(scene in course.scenes and course.scenes[scene]())

        fault = course.judged(play)
        assert fault is None, str(fault)
        if played == [True]:
            return
    raise AssertionError(f"no seed could play {scene!r}")


def test_everything_that_can_happen_does() -> None:
    course = Course(7)
    course.settle()
    while not course.scenes["silence"]():  # so that somebody can answer again
        course.turmoil()
        course.settle()
    missing = {action.__name__ for action in course.history.actions()}
    for _ in range(3000):
        course.history.act()
        course.sim.pass_time(0.5)
        missing -= course.sim.tally.actions.keys()
        if not missing:
            return
    raise AssertionError(f"these never happen: {missing}")


def test_a_seed_is_one_history_in_every_process() -> None:
    """Python hashes text anew in every process; nothing here may depend on the order of a set."""
    command = [sys.executable, "-m", "tests.sim", "--seed", "5", "--steps", "1200"]
    digests = set()
    for seed in ("0", "1"):
        environment = dict(os.environ) | {"PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        digests.add(next(line for line in done.stdout.splitlines() if "digest" in line))
    assert len(digests) == 1


# Whether it can fail


def at_rest() -> tuple[Course, Host]:
    """A course at rest, and a host whose packets somewhere cross a tunnel; nobody looks after its flows."""
    for seed in range(200, 230):
        course = Course(seed)
        course.settle()
        for host in course.sim.hosts:
            host.switch.audits = False
            if any(view_flows(host)):
                return course, host
    raise AssertionError("no seed has a tunnel in use")


def view_flows(host: Host) -> list[FlowKey]:
    """Of lines that lead across a tunnel."""
    return sorted(k for k, f in host.switch.flows.items() if k.table == Table.VIEW and "tun_dst" in f.actions)


def used(course: Course, host: Host) -> tuple[str, str]:
    """A source here, and an address elsewhere that it reaches."""
    standing = course.sim.expected(host, course.sim.offered())
    for (_, source), view in standing.sources.items():
        for address, line in standing.views[view].items():
            if isinstance(line, Across) and (":" in source) == (":" in address):
                return source, address
    raise AssertionError("nothing is reached from here")


def report(course: Course) -> str:
    fault = course.judged(course.settle)
    return str(fault)


def test_a_flow_that_somebody_takes_away_is_reported_readably() -> None:
    course, host = at_rest()
    _, address = used(course, host)
    for key in view_flows(host):
        if key.match.endswith(f"dst={address}"):
            del host.switch.flows[key]
    said = report(course)
    assert f"seed {course.sim.seed}, step {course.line.steps}" in said
    assert f"node        {host.name}" in said
    assert f"destination {address}" in said
    assert "expected    tunnel to" in said
    assert "the last events:" in said


def test_a_flow_that_sends_to_the_wrong_vpn_is_reported() -> None:
    course, host = at_rest()
    for key in view_flows(host):
        flow = host.switch.flows[key]
        vni = flow.actions.split("->tun_id")[0].rsplit(":", 1)[1]
        host.switch.flows[key] = replace(flow, actions=flow.actions.replace(f"{vni}->tun_id", "0x1234->tun_id"))
    assert "vni 4660" in report(course)


def test_an_inbound_flow_that_nobody_announced_is_reported() -> None:
    course, host = at_rest()
    port = next(iter(host.switch.circuits.values()))
    key = FlowKey(Table.INBOUND, 132, "ip,tun_id=0x1387,nw_dst=10.0.0.5")
    back = "set_field:02:00:5e:00:00:02->eth_src,set_field:02:00:5e:00:00:01->eth_dst"
    host.switch.flows[key] = Installed(cookie(host.generation), f"{back},output:{port}")
    assert "by tunnel with vni 4999" in report(course)


def test_an_announced_address_without_its_flow_is_reported_when_patience_is_over() -> None:
    course, host = at_rest()
    for other in course.sim.hosts:
        if course.sim.offered()[other.name]:
            host = other
    host.switch.flows = {k: f for k, f in host.switch.flows.items() if k.table != Table.INBOUND}
    fault = course.judged(lambda: course.sim.pass_time(30.0))
    assert "stays announced to" in str(fault)


def test_a_reflector_that_swallows_a_route_is_reported() -> None:
    course, host = at_rest()
    _, address = used(course, host)
    for reflector in course.sim.reflectors:
        for peer in reflector.peers.values():
            for key in [k for k in peer.heard if str(k[2].address) == address]:
                reflector.deaf_to.add(key)
                reflector.touch([key])
    assert f"destination {address}" in report(course)


@pytest.mark.parametrize(("owner", "what"), [(Trust, "accepted"), (Claimant, "said_by")])
def test_a_peer_that_is_believed_too_much_is_reported(owner: type, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreign targets that count, and claimants that anybody may repeat."""
    monkeypatch.setattr(owner, what, lambda self, said: said if owner is Trust else self)
    for seed in range(1, 40):
        course = Course(seed)

        def play(course: Course = course) -> None:
            course.settle()
            for _ in range(3):
                course.scenes["lying peer"]()

        if "lying peer" in course.scenes and course.judged(play) is not None:
            return
    raise AssertionError("nobody noticed")


def test_rows_that_never_arrive_are_reported() -> None:
    course, host = at_rest()
    host.southbound = False
    course.history.act()
    cloud = next(c for c in course.sim.clouds if c.asn == host.asn)
    course.sim.commit(cloud)
    fault = course.judged(course.sim.rest)
    assert f"no rest within 600 s: {host.name}" in str(fault)
