"""The example templates of etc/heat, as a project and its operator would use them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.heat.orchestra import EXAMPLES, Orchestra, Stacks
from tests.neutron.cloud import User

pytestmark = [pytest.mark.neutron, pytest.mark.long]


def test_the_operator_makes_it_and_the_project_uses_it(cloud: Orchestra, stacks: Stacks, owner: User) -> None:
    made = stacks.create(_example("operator"), project=owner.project, route_target="64512:100")
    wan = stacks.outputs(made)["bgpvpn"]
    assert owner.get(f"bgpvpn/bgpvpns/{wan}")["name"] == "wan"
    theirs = cloud.stacks(owner)
    used = {name: theirs.create(_example(name)) for name in ("network", "router", "port")}
    bound = {name: theirs.outputs(path)["association"] for name, path in used.items()}
    found = {a["type"]: a for a in owner.get("bgpvpn/bgpvpn_associations")}
    assert {kind: a["id"] for kind, a in found.items()} == bound
    assert {a["bgpvpn_id"] for a in found.values()} == {wan}
    router = owner.get(f"bgpvpn/bgpvpns/{wan}/router_associations/{bound['router']}")
    assert router["advertise_extra_routes"] is False
    [route] = owner.get(f"bgpvpn/bgpvpns/{wan}/port_associations/{bound['port']}")["routes"]
    assert (route["prefix"], route["local_pref"]) == ("192.0.2.0/24", 200)
    for path in used.values():
        theirs.delete(path)
    assert owner.get("bgpvpn/bgpvpn_associations") == []
    stacks.delete(made)
    assert owner.get("bgpvpn/bgpvpns") == []


def test_no_example_is_left_out() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*")) == ["network", "operator", "port", "router"]


def test_a_parameter_is_held_to_the_same_rule_as_a_property(stacks: Stacks, owner: User) -> None:
    answer = stacks.ask(_example("operator"), project=owner.project, route_target="target:64512:100")
    assert answer.status == 400
    assert "'target:64512:100' is not AS:number or IPv4:number" in answer.message


def _example(name: str) -> Any:
    return (EXAMPLES / f"{name}.yaml").read_text()
