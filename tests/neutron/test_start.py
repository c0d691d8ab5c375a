"""Starting: what Neutron's own tools make of us, and what stops the start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from isthmus.neutron.words import policies
from tests.eventually import eventually
from tests.neutron.cloud import BIN, V4, Cloud, User

pytestmark = pytest.mark.neutron

PARTS = {"shared_bgpvpn", "bgpvpn_owner"}
"""What other rules are made of; nobody calls them by a request."""


def run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONWARNINGS": "ignore"} | env
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


@pytest.mark.parametrize("site", ["", "somewhere"])
def test_without_a_site_the_api_does_not_start_and_says_why(cloud: Cloud, tmp_path: Path, site: str) -> None:
    path = cloud.write_configuration({"site": site}, "no-site.conf")
    load = "import sys; sys.argv = ['api']; import neutron.wsgi.api"
    config = {"OS_NEUTRON_CONFIG_FILES": str(path), "TMPDIR": str(tmp_path), "ASGI_WORKERS": "1"}
    done = run(sys.executable, "-c", load, **config)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "BadConfiguration: [isthmus] site" in said, said[-3000:]


def test_every_policy_is_described_and_the_sample_file_parses() -> None:
    for rule in policies.list_rules():
        assert rule.description
        assert rule.name in PARTS or rule.operations
    done = run(str(BIN / "oslopolicy-sample-generator"), "--namespace", "isthmus")
    assert done.returncode == 0, done.stderr
    lines = [line.removeprefix("#") for line in done.stdout.splitlines() if line.startswith('#"')]
    sample = yaml.safe_load("\n".join(lines))
    assert sample.keys() == {rule.name for rule in policies.list_rules()}


def test_the_sample_configuration_names_every_option() -> None:
    done = run(str(BIN / "oslo-config-generator"), "--namespace", "isthmus")
    assert done.returncode == 0, done.stderr
    for option in ("site", "vni_min", "vni_max", "reconcile_interval_s"):
        assert f"#{option} = " in done.stdout


def test_one_reconciler_works_at_a_time_and_the_next_takes_over(cloud: Cloud, owner: User) -> None:
    network = owner.network(V4)["id"]
    bgpvpn = cloud.admin.make("bgpvpn/bgpvpns", project_id=owner.project)["id"]
    owner.make(f"bgpvpn/bgpvpns/{bgpvpn}/network_associations", network_id=network)
    circuit = f"isthmus-ac-{network}"

    def healed() -> None:
        assert circuit in cloud.northbound.switch(f"isthmus-ts-{network}")

    healed()
    workers = [cloud.periodic_workers(reconcile_interval_s=0.5) for _ in range(2)]
    try:
        for worker in (*workers, None):
            cloud.northbound.run("lsp-del", circuit)
            eventually(healed, within=30)
            if worker is workers[0]:
                worker.stop()
            else:
                break
    finally:
        for worker in workers:
            worker.stop()
