"""What a project learns of others', by the ways that go past the plain request: tags, bulk requests."""

from __future__ import annotations

import uuid

import pytest

from tests.neutron.cloud import V4, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
TAG_FILTERS = ("tags", "tags-any", "not-tags", "not-tags-any")


@pytest.fixture
def guest(cloud: Cloud, admin: User, owner: User) -> User:
    """A project with a BGPVPN of its own, "own", beside the one that the owner shares with it, "lent"; both tagged."""
    user = cloud.user(uuid.uuid4().hex)
    for of, name in ((user, "own"), (owner, "lent")):
        made = admin.make(BGPVPNS, project_id=of.project, name=name)
        assert of.call("PUT", f"bgpvpns/{made['id']}/tags/{name}").status == 201
    policy = {"object_type": "bgpvpn", "object_id": made["id"], "action": "access_as_shared"}
    assert owner.call("POST", "rbac-policies", {"rbac_policy": policy | {"target_tenant": user.project}}).status == 201
    return user


def test_tags_are_those_of_ones_own_bgpvpns(owner: User, guest: User) -> None:
    """Whatever the order: Neutron hides attributes of a whole list as the first of it demands."""
    for order in ("asc", "desc"):
        seen = {b["name"]: b.get("tags") for b in guest.get(BGPVPNS, sort_key="name", sort_dir=order)}
        assert seen == {"own": ["own"], "lent": None}
    assert guest.get(BGPVPNS, tags="lent") == guest.get(BGPVPNS, **{"tags-any": "lent"}) == []
    assert [b["name"] for b in guest.get(BGPVPNS, **{"not-tags": "lent"})] == ["own"]
    assert [b["name"] for b in guest.get(BGPVPNS, **{"tags-any": "own,lent"})] == ["own"]
    assert [b["name"] for b in owner.get(BGPVPNS, tags="lent")] == ["lent"]


@pytest.mark.parametrize("name", TAG_FILTERS)
def test_a_tag_that_nothing_can_have(guest: User, name: str) -> None:
    for words in ("\U0001f600", "own,\U0001f600"):
        has_other = "own" in words
        found = [b["name"] for b in guest.get(BGPVPNS, **{name: words})]
        matches = {"tags": False, "tags-any": has_other, "not-tags": True, "not-tags-any": not has_other}
        assert found == (["own"] if matches[name] else []), words


def test_many_at_once_are_answered_with_what_one_may_see(admin: User, owner: User) -> None:
    made = admin.make(BGPVPNS, project_id=owner.project)
    path = f"{BGPVPNS}/{made['id']}/network_associations"
    alone = owner.make(path, network_id=owner.network(V4)["id"])
    networks = [owner.network({**V4, "cidr": f"10.{n}.0.0/24"})["id"] for n in (2, 3)]
    body = {"network_associations": [{"network_association": {"network_id": n}} for n in networks]}
    answer = owner.call("POST", path, body)
    assert answer.status == 201
    for one in answer.body["network_associations"]:
        assert set(one) == set(alone), "no hypervisor's name, nothing of the policy's own"
    assert "status_details" not in alone
