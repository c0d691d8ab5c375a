"""A cloud with pools of numbers, projects that have ranges of their own, and self-service opened by policy."""

from __future__ import annotations

from typing import Any

from tests.neutron.cloud import Cloud

POOL = "64512:1000-1007, 10.0.0.1:7-14, 4200000000:1-8"
"""Twenty-four route targets, in each of the three forms."""
VNIS = (9000, 9023)
ALPHA, BETA, PLAIN = "alpha", "beta", "gamma"
"""Two projects with ranges, one without."""
PROJECT_NUMBERS = f"{ALPHA} 64512:2000-2009 5000-5009\n{BETA} 64512:2010-2019 5010-5019"

SELF_SERVICE = '"bgpvpn_self_service": "rule:admin_only or (role:member and project_id:%(project_id)s)"\n'
"""The one line of docs/operator/self-service.md."""


class NumberedCloud(Cloud):
    """What the operator's page says, done."""

    def write_configuration(self, isthmus: dict[str, Any], name: str = "neutron.conf") -> Any:
        (self.home / "etc/policy.yaml").write_text(SELF_SERVICE)
        return super().write_configuration(isthmus, name)

    def settings(self, isthmus: dict[str, Any]) -> dict[str, dict[str, Any]]:
        numbers = {
            "route_target_pool": POOL,
            "vni_min": VNIS[0],
            "vni_max": VNIS[1],
            "project_numbers": PROJECT_NUMBERS,
        }
        policy = {"oslo_policy": {"policy_file": self.home / "etc/policy.yaml"}}
        return super().settings(numbers | isthmus) | policy
