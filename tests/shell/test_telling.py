"""What is due in our row: what differs and is ours, but not for the sake of counts."""

from __future__ import annotations

from dataclasses import replace

from isthmus.model.report import (
    AGENT_KEY,
    SB_CFG_KEY,
    STATE_KEY,
    UP,
    AgentReport,
    AttachmentReport,
    NodeReport,
    PeerReport,
    read_agent,
    to_external_ids,
)
from isthmus.shell.telling import SPREAD_S, due, spread
from tests.build import uuid

PEER = PeerReport("192.0.2.9", UP, 900, "", ("l2vpn evpn",), 10, 3)
AGENT = AgentReport("0.1.0", 1000, "192.0.2.1", 64512, "192.0.2.1", "in use", "in sync", "in sync", (PEER,))
ONE = f"router:{uuid(1)}"
REPORT = NodeReport(AGENT, (AttachmentReport(ONE, 4, "ACTIVE", 2),))
ROW = to_external_ids(REPORT) | {SB_CFG_KEY: "7"}


def counted(received: int) -> NodeReport:
    return replace(REPORT, agent=replace(AGENT, peers=(replace(PEER, received=received),)))


def test_an_empty_row_is_filled_and_a_full_one_left_alone() -> None:
    assert dict(due(REPORT, 7, {}).put) == ROW
    assert not due(REPORT, 7, ROW | {"neutron:ovn-metadata-id": "theirs"})


def test_only_what_differs_is_written() -> None:
    newer = replace(REPORT, attachments=(AttachmentReport(ONE, 5, "ACTIVE", 2),))
    plan = due(newer, 7, ROW)
    assert set(plan.put) == {STATE_KEY + ONE} and not plan.delete


def test_an_attachment_that_left_is_removed_and_no_key_of_others() -> None:
    plan = due(replace(REPORT, attachments=()), 7, ROW | {"neutron:ovn-metadata-id": "theirs", "isthmus:moon": "1"})
    assert set(plan.delete) == {STATE_KEY + ONE} and not plan.put


def test_counts_are_no_reason_to_write_but_go_along() -> None:
    assert not due(counted(11), 7, ROW)
    plan = due(counted(11), 8, ROW)
    assert set(plan.put) == {SB_CFG_KEY, AGENT_KEY}
    assert read_agent(plan.put[AGENT_KEY]).peers[0].received == 11


def test_nonsense_in_our_own_key_is_written_over() -> None:
    assert set(due(REPORT, 7, ROW | {AGENT_KEY: "{"}).put) == {AGENT_KEY}


def test_chassis_answer_at_different_moments() -> None:
    delays = {spread(f"host-{n}") for n in range(100)}
    assert len(delays) > 80 and all(0 <= delay < SPREAD_S for delay in delays)
