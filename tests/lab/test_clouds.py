"""The base every VPN stands on, with real parts, before anything is built on it."""

from __future__ import annotations

import os
import subprocess
from itertools import permutations

import pytest

from isthmus.lab import frr, process
from isthmus.lab.lab import Lab
from isthmus.lab.topology import Reflector
from tests.eventually import eventually
from tests.lab.command import run

pytestmark = pytest.mark.lab


def test_a_second_up_leaves_a_whole_lab_as_it_is(lab: Lab) -> None:
    before = {part: min(pids) for part, pids in lab.processes.running().items()}
    assert "the lab is up already" in run("up")
    after = {part: min(pids) for part, pids in lab.processes.running().items()}
    assert after == before, "the daemons are the same; agents run short commands of their own beside them"


def test_the_stock_client_works_as_admin_and_as_a_tenant(lab: Lab) -> None:
    client = [str(lab.programs.python_bin / "openstack"), "--os-cloud"]
    environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(lab.places.clouds_yaml)}
    hidden = [*client, "b", "network", "create", "hidden", "-f", "value", "-c", "project_id"]
    seen = [*client, "b-tenant1", "network", "list", "-f", "value", "-c", "Name"]
    ours = [*client, "b", "network", "create", "--project", "tenant1", "ours", "-f", "value", "-c", "project_id"]
    answers = [subprocess.run(c, env=environment, capture_output=True, text=True) for c in (hidden, ours, seen)]
    assert [sorted(a.stdout.split()) for a in answers] == [["admin"], ["tenant1"], ["ours", "public"]], answers


def test_hypervisors_of_different_clouds_reach_one_another_over_the_wan(lab: Lab) -> None:
    for here, there in permutations(lab.plan.sites, 2):
        command = process.within(here.node, ["ping", "-n", "-c", "1", "-W", "1", str(there.hypervisor.address)])

        def answered(command: list[str] = command) -> None:
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"

        eventually(answered)


def test_the_reflectors_are_established_with_each_other_and_with_every_agent(lab: Lab) -> None:
    a, b = lab.topology.clouds
    for one, other in ((a, b), (b, a)):
        reflector, far = one.reflectors[0], other.reflectors[0]
        peers = {str(far.address), *(str(h.address) for h in one.hypervisors)}

        def established(reflector: Reflector = reflector, peers: set[str] = peers) -> None:
            assert frr.sessions(reflector, lab.processes) == dict.fromkeys(peers, "Established")

        eventually(established)
