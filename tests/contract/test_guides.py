"""What the operator's guide says to paste is taken by what it is for: FRR, GoBGP, the agent."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from isthmus.shell.config import parse
from tests.certificates import certificates
from tests.guides import blocks

pytestmark = pytest.mark.contract

PAGE = "operator/install.md"
FRR = blocks(PAGE, "frr")
REFLECTOR, AGENT = blocks(PAGE, "toml")
TRUST = "operator/trust.md"
TRUSTED, BORDER = blocks(TRUST, "toml")


def is_taken(file: Path, text: str, *command: str) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"not installed: {command[0]}")
    file.write_text(text)
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", [*FRR, *blocks(TRUST, "frr")])
def test_frr(text: str, tmp_path: Path) -> None:
    is_taken(tmp_path / "frr.conf", text, "vtysh", "--dryrun", "--inputfile")


@pytest.mark.parametrize("text", [REFLECTOR, BORDER], ids=["install", "trust"])
def test_gobgp(text: str, tmp_path: Path) -> None:
    is_taken(tmp_path / "gobgpd.toml", text, "gobgpd", "--dry-run", "--config-file")
    assert len(tomllib.loads(text)["neighbors"]) == 2


def test_what_an_agent_is_told_of_other_clouds() -> None:
    least = '[agent]\nvtep = "172.30.1.11"\nas = 64512\n[southbound]\nendpoints = ["tcp:172.30.1.21:6642"]\n'
    config = parse(least + TRUSTED, Path("agent.toml"))
    assert config.reflectors[0].guard.hops == 1 and set(config.clouds) == {64513}


def test_the_least_that_the_agent_needs(tmp_path: Path) -> None:
    tls, text = certificates(tmp_path), AGENT
    for key in ("private_key", "certificate", "ca_cert"):
        text, count = re.subn(rf"(?m)^{key} = .*$", f'{key} = "{getattr(tls, key)}"', text)
        assert count == 1
    assert len(parse(text, Path("agent.toml")).reflectors) == 2
