"""Our agents in `openstack network agent list`, in every process of the API."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from isthmus.model.report import AttachmentReport
from tests.eventually import eventually
from tests.neutron.cloud import Cloud, User
from tests.neutron.hypervisors import AGENT, PEER, Hypervisor, Southbound

pytestmark = pytest.mark.neutron


@pytest.fixture
def hypervisor(cloud: Cloud) -> Iterator[Hypervisor]:
    made = Hypervisor(Southbound(cloud), f"host-{uuid.uuid4().hex[:8]}")
    yield made
    made.gone()


def ours(admin: User, host: str) -> dict[str, Any]:
    (found,) = admin.get("agents", host=host, agent_type="Isthmus agent") or (None,)
    assert found is not None, "no such agent"
    return dict(found)


def everywhere(check: Any) -> None:
    """In whichever of the API's processes answers."""
    for _ in range(8):
        eventually(check)


def test_an_agent_is_shown_with_its_sessions(admin: User, hypervisor: Hypervisor) -> None:
    hypervisor.reports(
        AttachmentReport("router:1", 4, "ACTIVE", 1),
        AttachmentReport("router:2", 0, "BAD_ROW", 1, "isthmus:site: missing"),
    )

    def shown() -> None:
        agent = ours(admin, hypervisor.name)
        assert (agent["binary"], agent["alive"], agent["admin_state_up"]) == ("isthmus-agent", True, True)
        told = agent["configurations"]
        assert (told["version"], told["router_id"], told["chassis_name"]) == (
            "0.1.0",
            "192.0.2.1",
            f"c-{hypervisor.name}",
        )
        assert told["bgp_sessions"][PEER.address]["state"] == "Established"
        assert told["bgp_sessions"][PEER.address]["routes_received"] == 12
        assert (told["attachments"], told["attachments_not_well"]) == (2, {"router:2": "isthmus:site: missing"})
        assert admin.get(f"agents/{agent['id']}")["host"] == hypervisor.name

    everywhere(shown)


def test_what_it_reports_next_is_shown(admin: User, hypervisor: Hypervisor) -> None:
    hypervisor.reports()
    everywhere(lambda: ours(admin, hypervisor.name))
    hypervisor.reports(agent=replace(AGENT, drain="drained"))

    def shown() -> None:
        assert ours(admin, hypervisor.name)["configurations"]["drain"] == "drained"

    everywhere(shown)


def test_a_chassis_without_our_agent_has_none(admin: User, hypervisor: Hypervisor) -> None:
    def others() -> None:
        assert [a["binary"] for a in admin.get("agents", host=hypervisor.name)] == ["ovn-controller"]

    everywhere(others)


def test_nonsense_in_its_row_is_shown_as_such(admin: User, hypervisor: Hypervisor) -> None:
    hypervisor.set('external_ids:"isthmus:agent"="{"', 'external_ids:"isthmus:sb-cfg"="soon"')

    def shown() -> None:
        told = ours(admin, hypervisor.name)["configurations"]
        assert told["unreadable"] == "isthmus:agent: not JSON"

    everywhere(shown)


def test_it_goes_down_with_its_chassis_and_can_be_deleted(admin: User, hypervisor: Hypervisor) -> None:
    hypervisor.reports()
    everywhere(lambda: ours(admin, hypervisor.name))
    agent = ours(admin, hypervisor.name)["id"]
    hypervisor.gone()

    def down() -> None:
        assert ours(admin, hypervisor.name)["alive"] is False

    everywhere(down)
    # 404 from a process that has heard meanwhile that the chassis itself is gone.
    assert admin.call("DELETE", f"agents/{agent}").status in (204, 404)

    def forgotten() -> None:
        assert admin.call("GET", f"agents/{agent}").status == 404

    everywhere(forgotten)
