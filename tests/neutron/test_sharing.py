"""BGPVPNs shared with other projects by Neutron's RBAC policies: who sees and does what."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.neutron.cloud import V4, Answer, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
EVERYBODY = "*"
KINDS = ("network", "router", "port")


@pytest.fixture
def guest(cloud: Cloud) -> User:
    """A member of the project with which the owner shares."""
    return cloud.user(uuid.uuid4().hex)


def make(admin: User, owner: User, **attributes: Any) -> str:
    """The path of a BGPVPN of the owner's project."""
    return f"{BGPVPNS}/{admin.make(BGPVPNS, project_id=owner.project, **attributes)['id']}"


def share(by: User, bgpvpn: str, target: str) -> str:
    """The path of the policy."""
    answer = try_to_share(by, bgpvpn, target)
    assert answer.status == 201, answer.message
    return f"rbac-policies/{answer.body['rbac_policy']['id']}"


def try_to_share(by: User, bgpvpn: str, target: str) -> Answer:
    policy = {"object_type": "bgpvpn", "object_id": bgpvpn.rsplit("/", 1)[-1], "action": "access_as_shared"}
    return by.call("POST", "rbac-policies", {"rbac_policy": policy | {"target_tenant": target}})


def resources(user: User) -> dict[str, str]:
    """A network, a router and a port (of another network) of the user's own."""
    return {
        "network": str(user.network(V4)["id"]),
        "router": str(user.make("routers", name="r")["id"]),
        "port": str(user.make("ports", network_id=user.network({**V4, "cidr": "10.2.0.0/24"})["id"])["id"]),
    }


def associate(user: User, bgpvpn: str, kind: str, target: str) -> Answer:
    return user.call("POST", f"{bgpvpn}/{kind}_associations", {f"{kind}_association": {f"{kind}_id": target}})


def test_the_extension_is_advertised(owner: User) -> None:
    assert "rbac-bgpvpn" in {e["alias"] for e in owner.get("extensions")}


def test_a_bgpvpn_is_seen_by_the_project_it_is_shared_with_and_by_no_other(
    cloud: Cloud, admin: User, owner: User, guest: User
) -> None:
    one = make(admin, owner, name="blue", route_targets=["1:1"], vni=5001)
    stranger = cloud.user(uuid.uuid4().hex)
    assert guest.call("GET", one).status == 404
    policy = share(owner, one, guest.project)
    seen = guest.get(one)
    assert (seen["name"], seen["shared"]) == ("blue", True)
    assert not {"route_targets", "import_targets", "route_distinguishers", "vni", "project_id"} & set(seen)
    assert guest.get(BGPVPNS) == [seen]
    assert cloud.user(guest.project, "reader").get(one)["name"] == "blue"
    assert stranger.call("GET", one).status == 404
    assert stranger.get(BGPVPNS) == []
    assert owner.get(one)["shared"] is False, "as Neutron's networks: whether it is shared with the one who asks"
    owner.delete(policy)
    assert guest.call("GET", one).status == 404
