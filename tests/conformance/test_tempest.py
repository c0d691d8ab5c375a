"""The public Tempest suite for this API, as its authors publish it, against our plugin behind a real Keystone.

A test that is skipped, or no longer there, is a failure here: the suite's words are compared with ours one by one.
The other part of the same package, its scenarios, starts virtual machines by Nova; the ladder (tests/lab) does that
without Nova.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conformance.identity import PASSWORD, REGION, ROOT, IdentityCloud

pytestmark = [pytest.mark.neutron, pytest.mark.long]

TEMPEST = ROOT / ".venv-tempest/bin/tempest"
SUITE = "neutron_tempest_plugin.bgpvpn.api.test_bgpvpn.BgpvpnTest"
TESTS = """
test_associate_disassociate_network
test_associate_disassociate_router
test_associate_invalid_network
test_attach_associated_subnet_to_associated_router
test_create_bgpvpn
test_create_bgpvpn_as_non_admin_fail
test_create_bgpvpn_with_invalid_routetargets
test_delete_bgpvpn
test_delete_bgpvpn_as_non_admin_fail
test_disassociate_invalid_network
test_list_bgpvpn
test_list_bgpvpn_as_non_owner_fail
test_list_netassoc_as_non_owner_fail
test_list_show_network_association
test_list_show_router_association
test_show_bgpvpn
test_show_bgpvpn_as_non_owner_fail
test_show_netassoc_as_non_owner_fail
test_update_bgpvpn_invalid_routetargets
test_update_route_target
test_update_route_target_non_admin_fail
"""

CONFIGURATION = """[auth]
use_dynamic_credentials = true
admin_username = admin
admin_password = {password}
admin_project_name = admin
admin_domain_name = Default
create_isolated_networks = false
[identity]
uri_v3 = {identity}
auth_version = v3
region = {region}
[network]
project_networks_reachable = false
public_network_id = 00000000-0000-0000-0000-000000000000
[network-feature-enabled]
api_extensions = all
[service_available]
neutron = true
nova = false
glance = false
cinder = false
swift = false
horizon = false
[oslo_concurrency]
lock_path = lock
"""


def run(home: Path, *words: str) -> str:
    env = os.environ | {"HOME": str(home), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([str(TEMPEST), *words], cwd=home, env=env, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_public_suite_passes(cloud: IdentityCloud, tmp_path: Path) -> None:
    assert TEMPEST.exists(), f"{TEMPEST} is not there: `make conformance` makes it"
    run(tmp_path, "init", "suite")
    workspace = tmp_path / "suite"
    settings = CONFIGURATION.format(identity=cloud.identity, password=PASSWORD, region=REGION)
    (workspace / "etc/tempest.conf").write_text(settings)
    report = run(workspace, "run", "--serial", "--regex", r"^neutron_tempest_plugin\.bgpvpn\.api")
    seen = dict(re.findall(rf"{re.escape(SUITE)}\.(\w+).*\.\.\. (.*)$", report, re.MULTILINE))
    assert seen == dict.fromkeys(TESTS.split(), "ok"), report
