"""What cannot work is refused before anything is touched: one sentence, exit code 2."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.lab import machine
from isthmus.lab.fault import Refusal
from isthmus.lab.main import main
from isthmus.lab.topology import Topology
from tests.lab.build import topology

LAB = Path(sys.executable).parent / "isthmus-lab"


def test_an_unknown_topology_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "no-such-lab"]) == 2
    assert capsys.readouterr().err == (
        "isthmus-lab: there is no topology 'no-such-lab': give a file, or one of: kernel, two-clouds, "
        "two-clouds-gobgp, two-reflectors, world\n"
    )


def run(*words: str, root: Path, user: int | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ISTHMUS_LAB_DIR": str(root)}
    return subprocess.run([LAB, *words], env=environment, user=user, capture_output=True, text=True)


def test_without_a_lab_each_command_says_how_to_get_one(tmp_path: Path) -> None:
    for words in (["status"], ["logs"], ["exec", "wan", "--", "true"], ["openstack", "a", "network", "list"]):
        done = run(*words, root=tmp_path / "lab")
        assert (done.returncode, done.stdout) == (2, ""), words
        assert done.stderr == f"isthmus-lab: there is no lab in {tmp_path}/lab: build one with isthmus-lab up\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_up_and_down_want_root() -> None:
    for word in ("up", "down"):
        done = run(word, root=Path("/var/lib/isthmus-lab-test"), user=65534)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "isthmus-lab: the lab makes network namespaces: run it as root\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to get that far")
def test_a_directory_that_is_not_the_labs_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    done = run("down", root=tmp_path)
    assert done.returncode == 2
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def with_port(port: int) -> Topology:
    whole = topology()
    return replace(whole, clouds=(replace(whole.clouds[0], api_port=port), *whole.clouds[1:]))


def test_an_occupied_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Refusal) as refusal:
            machine.check_ports(with_port(port))
    assert str(refusal.value).startswith(f"port {port} of 127.0.0.1, meant for the API of cloud a, is in use")


def test_missing_programs_become_the_packages_to_install() -> None:
    absent = {"ethtool", "ovs-vswitchd", "ovsdb-server", "/usr/lib/frr/bgpd"}
    assert machine.missing_packages(lambda program: program not in absent) >= {"ethtool", "frr", "openvswitch-switch"}


def test_the_agent_is_the_one_that_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(machine.AGENT_VARIABLE, "/opt/small/bin/isthmus-agent")
    assert machine.find_agent() == Path("/opt/small/bin/isthmus-agent")
