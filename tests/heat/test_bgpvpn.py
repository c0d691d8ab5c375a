"""OS::Neutron::BGPVPN: what a template says is what the API has, and what can change changes in place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.heat.orchestra import Orchestra, Stacks, template
from tests.neutron.cloud import User

pytestmark = [pytest.mark.neutron, pytest.mark.long]


def bgpvpn(**properties: Any) -> dict[str, Any]:
    return template(vpn=("BGPVPN", properties))


def only(user: User) -> dict[str, Any]:
    [found] = user.get("bgpvpn/bgpvpns", project_id=user.project)
    return dict(found)


def test_every_property_reaches_the_api(admin: User, stacks: Stacks) -> None:
    said = {
        "name": "carrier",
        "type": "l3",
        "description": "to the carrier",
        "route_targets": ["64512:1", "192.0.2.1:5"],
        "import_targets": ["64512:2"],
        "export_targets": ["4200000000:3"],
        "route_distinguishers": ["64512:9"],
        "vni": 4801,
        "local_pref": 0,
        "fallback": "none",
        "families": ["evpn", "vpnv4"],
        "tags": ["gold", "prod"],
    }
    path = stacks.create(bgpvpn(**said))
    made = only(admin)
    assert {name: made[name] for name in said} == said
    assert stacks.outputs(path)["vpn"] == made
    assert stacks.resource(path, "vpn")["physical_resource_id"] == made["id"]
    stacks.delete(path)
    assert admin.get("bgpvpn/bgpvpns", project_id=admin.project) == []


def test_what_a_template_does_not_say_has_the_apis_default(admin: User, stacks: Stacks) -> None:
    path = stacks.create(bgpvpn())
    made = only(admin)
    assert made["name"].startswith(path.split("/")[1]), "named after the stack, as Heat names everything"
    assert (made["type"], made["vni"], made["local_pref"]) == ("l3", None, None)
    assert (made["route_targets"], made["import_targets"]) == ([], [])


def test_an_update_changes_in_place_what_the_api_can_change(admin: User, stacks: Stacks) -> None:
    path = stacks.create(bgpvpn(name="before", route_targets=["64512:1"], import_targets=["64512:2"], local_pref=50))
    before = only(admin)
    changed = {
        "name": "after",
        "description": "d",
        "route_targets": ["64512:1", "64512:3"],
        "local_pref": 70,
        "fallback": "all",
        "families": ["vpnv4"],
        "tags": ["gold"],
    }
    stacks.update(path, bgpvpn(**changed))
    after = only(admin)
    assert after["id"] == before["id"]
    assert {name: after[name] for name in changed} == changed
    assert after["import_targets"] == [], "taken out of the template, taken out of the BGPVPN"
    stacks.update(path, bgpvpn())
    bare = only(admin)
    assert bare["id"] == before["id"]
    assert (bare["description"], bare["route_targets"], bare["local_pref"], bare["tags"]) == ("", [], None, [])
    assert (bare["fallback"], bare["families"]) == (None, None)
    assert bare["name"].startswith(path.split("/")[1])


@pytest.mark.parametrize(("name", "before", "after"), [("vni", 4802, 4803), ("type", "l3", "l2")])
def test_what_the_api_cannot_change_makes_another(
    admin: User, stacks: Stacks, name: str, before: Any, after: Any
) -> None:
    path = stacks.create(bgpvpn(**{name: before}))
    first = only(admin)
    stacks.update(path, bgpvpn(**{name: after}))
    second = only(admin)
    assert second["id"] != first["id"]
    assert (first[name], second[name]) == (before, after)
    assert stacks.resource(path, "vpn")["physical_resource_id"] == second["id"]


def test_an_administrator_makes_one_for_another_project_by_name(cloud: Orchestra, stacks: Stacks, owner: User) -> None:
    name = cloud.ask("GET", f"projects/{owner.project}").body["project"]["name"]
    path = stacks.create(bgpvpn(name="theirs", tenant_id=name))
    assert only(owner)["name"] == "theirs"
    stacks.delete(path)
    assert owner.get("bgpvpn/bgpvpns") == []


def test_deleting_one_that_is_gone_already_succeeds(admin: User, stacks: Stacks) -> None:
    path = stacks.create(bgpvpn())
    admin.delete(f"bgpvpn/bgpvpns/{only(admin)['id']}")
    stacks.delete(path)


def test_what_somebody_changed_by_hand_is_put_back_when_asked_to(admin: User, stacks: Stacks) -> None:
    said = {"name": "ours", "route_targets": ["64512:1"], "local_pref": 50, "vni": 4805}
    path = stacks.create(bgpvpn(**said))
    made = only(admin)
    by_hand = {"name": "mine", "route_targets": ["64512:9"], "local_pref": 9, "description": "by hand"}
    admin.put(f"bgpvpn/bgpvpns/{made['id']}", {"bgpvpn": by_hand})
    stacks.update(path, bgpvpn(**said), converge=True)
    after = only(admin)
    assert after["id"] == made["id"]
    assert {name: after[name] for name in said} == said
    assert after["description"] == ""
    admin.delete(f"bgpvpn/bgpvpns/{made['id']}")
    stacks.update(path, bgpvpn(**said), converge=True)
    again = only(admin)
    assert again["id"] != made["id"]
    assert {name: again[name] for name in said} == said


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"route_targets": ["65536:65536"]}, "'65536:65536' is not AS:number or IPv4:number"),
        ({"import_targets": ["64512:1", "target:64512:2"]}, "'target:64512:2' is not AS:number or IPv4:number"),
        ({"export_targets": ["auto"]}, "'auto' is not AS:number or IPv4:number"),
        ({"route_distinguishers": ["auto"]}, "'auto' is not AS:number or IPv4:number"),
        ({"vni": 16777216}, "'16777216' is not a number within 1 to 16777215"),
        ({"vni": "0"}, "'0' is not a number within 1 to 16777215"),
        ({"local_pref": -1}, "-1 is out of range"),
        ({"type": "l4"}, '"l4" is not an allowed value'),
        ({"peers": []}, "Unknown Property peers"),
        ({"tenant_id": "nobody at all"}, "nobody at all"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_property_is_refused_before_anything_is_made(
    admin: User, stacks: Stacks, properties: dict[str, Any], sentence: str
) -> None:
    answer = stacks.ask(bgpvpn(**properties))
    assert answer.status == 400
    assert sentence in answer.message
    assert admin.get("bgpvpn/bgpvpns", project_id=admin.project) == []


def test_what_only_the_api_knows_to_be_wrong_is_said_in_its_words(admin: User, stacks: Stacks) -> None:
    path = stacks.create(bgpvpn(route_targets=["64512:1", "64512:1"]), expect="CREATE_FAILED")
    assert "64512:1 is given twice" in stacks.resource(path, "vpn")["resource_status_reason"]
    stacks.update(path, bgpvpn(route_targets=["64512:1"]))
    assert only(admin)["route_targets"] == ["64512:1"], "a failed stack is mended by the next update"


def test_auto_becomes_numbers_of_the_cloud_that_stay(admin: User, stacks: Stacks) -> None:
    said = {"route_targets": ["auto"], "vni": "auto"}
    path = stacks.create(bgpvpn(**said))
    made = only(admin)
    [target] = made["route_targets"]
    assert target.startswith("64512:1")
    assert made["vni"] > 0
    stacks.update(path, bgpvpn(**said, name="other"), converge=True)
    stacks.update(path, bgpvpn(route_targets=["auto", "64512:7"], vni="auto", name="other"))
    after = only(admin)
    assert (after["id"], after["name"], after["vni"]) == (made["id"], "other", made["vni"])
    assert after["route_targets"] == [target, "64512:7"]


def test_a_member_may_not_create_one_and_learns_why(cloud: Orchestra, owner: User) -> None:
    stacks = cloud.stacks(owner)
    path = stacks.create(bgpvpn(), expect="CREATE_FAILED")
    assert "create_bgpvpn is disallowed by policy" in stacks.resource(path, "vpn")["resource_status_reason"]
    stacks.delete(path)


def test_attributes_are_read_anew_and_never_break_a_stack(admin: User, stacks: Stacks) -> None:
    wanted = ("vni", "status", "status_reason", "networks", "shared")
    shown = bgpvpn(vni=4804) | {"outputs": {name: {"value": {"get_attr": ["vpn", name]}} for name in wanted}}
    path = stacks.create(shown)
    assert stacks.outputs(path)["vni"] == 4804
    assert stacks.outputs(path)["networks"] == []
    network = admin.network()["id"]
    admin.make(f"bgpvpn/bgpvpns/{only(admin)['id']}/network_associations", network_id=network)
    assert stacks.outputs(path)["networks"] == [network]


def test_the_types_describe_themselves(stacks: Stacks) -> None:
    types = stacks.call("GET", "resource_types", name=".*BGPVPN.*").body["resource_types"]
    assert sorted(t["resource_type"] if isinstance(t, dict) else t for t in types) == [
        "OS::Neutron::BGPVPN",
        "OS::Neutron::BGPVPN-NET-ASSOCIATION",
        "OS::Neutron::BGPVPN-PORT-ASSOCIATION",
        "OS::Neutron::BGPVPN-ROUTER-ASSOCIATION",
    ]
    schema = stacks.call("GET", "resource_types/OS::Neutron::BGPVPN").body
    for name, described in (schema["properties"] | schema["attributes"]).items():
        assert described["description"], name
