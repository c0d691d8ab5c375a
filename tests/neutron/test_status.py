"""The state table of a status: which facts make which status, and which words a tenant reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.model.report import DOWN, IN_SYNC, UP, AgentReport, AttachmentReport, BadReport, PeerReport
from isthmus.neutron.attachments.desired import Skipped, Unserved
from isthmus.neutron.state.status import (
    NO_PORT,
    NOTHING_ASSOCIATED,
    UNSETTLED,
    Facts,
    HostState,
    HostStatus,
    Pe,
    Status,
    Verdict,
    Why,
    association_status,
    bgpvpn_status,
    host_status,
)

ADDRESS = "192.0.2.250"
PEER = PeerReport(ADDRESS, UP, 1, "", ("l2vpn evpn",), 1, 1)
LOST = replace(PEER, state=DOWN, reason="the hold timer ran out")
AGENT = AgentReport("0.1.0", 1, "192.0.2.1", 64512, "192.0.2.1", "in use", IN_SYNC, IN_SYNC, (PEER,))
REPORT = AttachmentReport("router:1", 4, "ACTIVE", 1)
GOOD = Pe(True, AGENT, REPORT)
FACTS = Facts("router:1", "vpn-1", 4, ("host-1", "host-2"))


@pytest.mark.parametrize(
    ("pe", "state", "tenant", "words"),
    [
        (GOOD, HostState.WELL, "", ""),
        (replace(GOOD, attachment=replace(REPORT, revision=5)), HostState.WELL, "", ""),
        (replace(GOOD, attachment=replace(REPORT, details={"vpn-1": "1 route"})), HostState.WELL, "", "1 route"),
        (
            replace(GOOD, attachment=replace(REPORT, bgpvpns={"vpn-1": "wrong"}, details={"vpn-1": "192.0.2.9"})),
            HostState.WRONG,
            "wrong",
            "wrong; 192.0.2.9",
        ),
        (None, HostState.WRONG, "no Isthmus agent runs there", "no Isthmus agent runs there"),
        (replace(GOOD, alive=False), HostState.WRONG, "its agent does not answer", "its agent does not answer"),
        (
            replace(GOOD, agent=BadReport("isthmus:agent", "not JSON")),
            HostState.WRONG,
            "its agent reports what this server cannot read",
            "isthmus:agent: not JSON",
        ),
        (
            replace(GOOD, agent=replace(AGENT, drain="drained")),
            HostState.WRONG,
            "an operator has taken it out of use",
            "an operator has taken it out of use",
        ),
        (
            replace(GOOD, agent=replace(AGENT, switch="refuses flows: table is full")),
            HostState.WRONG,
            "its switch does not take what it should",
            "refuses flows: table is full",
        ),
        (
            replace(GOOD, agent=replace(AGENT, peers=(LOST,))),
            HostState.WRONG,
            "it has no BGP session",
            f"it has no BGP session ({ADDRESS}: the hold timer ran out)",
        ),
        (replace(GOOD, agent=replace(AGENT, peers=())), HostState.WRONG, "it has no BGP session", None),
        (replace(GOOD, agent=replace(AGENT, peers=(LOST, replace(PEER, address="x")))), HostState.WELL, "", ""),
        (replace(GOOD, attachment=None), HostState.PENDING, "it has not reported yet", None),
        (
            replace(GOOD, attachment=replace(REPORT, revision=3)),
            HostState.PENDING,
            "it has not applied the last change yet",
            "it has not applied the last change yet: it has 3, 4 is wanted",
        ),
        (
            replace(GOOD, attachment=BadReport("isthmus:s:router:1", "not JSON")),
            HostState.WRONG,
            "its agent reports what this server cannot read",
            "isthmus:s:router:1: not JSON",
        ),
        (
            replace(GOOD, attachment=replace(REPORT, state="PLUGGING", revision=0, why="it is being plugged")),
            HostState.PENDING,
            "the attachment circuit is being plugged",
            "it is being plugged",
        ),
        (
            replace(GOOD, attachment=replace(REPORT, state="BAD_ROW", why="isthmus:site: 'x' is no site")),
            HostState.WRONG,
            "its row cannot be understood",
            "isthmus:site: 'x' is no site",
        ),
        (
            replace(GOOD, attachment=replace(REPORT, state="CONTEMPLATING")),
            HostState.WRONG,
            "its agent reports a problem",
            "CONTEMPLATING",
        ),
        (
            replace(GOOD, attachment=replace(REPORT, bgpvpns={"vpn-1": "1 address is not announced: it clashes"})),
            HostState.WRONG,
            "1 address is not announced: it clashes",
            "1 address is not announced: it clashes",
        ),
        (replace(GOOD, attachment=replace(REPORT, bgpvpns={"vpn-2": "another's trouble"})), HostState.WELL, "", ""),
        (replace(GOOD, attachment=replace(REPORT, notes={"vpn-1": "it is contested"})), HostState.WELL, "", ""),
    ],
)
def test_one_hypervisor(pe: Pe | None, state: HostState, tenant: str, words: str | None) -> None:
    line = host_status("host-1", pe, FACTS)
    assert (line.state, line.tenant_words) == (state, tenant)
    assert line.words == (tenant if words is None else words)
    assert "host" not in line.tenant_words and ADDRESS not in line.tenant_words, "a tenant learns no name, no address"


def line(host: str, state: HostState, words: str = "") -> HostStatus:
    return HostStatus(host, state, Why.WELL, words, words)


WELL = line("host-1", HostState.WELL)
PENDING = line("host-2", HostState.PENDING, "it has not reported yet")
WRONG = line("host-3", HostState.WRONG, "it has no BGP session")
LEFT_OUT = (Skipped("10.2.0.0/24", Unserved.NO_GATEWAY_IP),)


@pytest.mark.parametrize(
    ("facts", "hosts", "status", "reason"),
    [
        (FACTS, [WELL], Status.ACTIVE, ""),
        (FACTS, [replace(WELL, note="it is contested")], Status.ACTIVE, "it is contested"),
        (FACTS, [WELL, PENDING], Status.BUILD, "1 of 2 hypervisors: it has not reported yet"),
        (FACTS, [PENDING], Status.BUILD, "1 of 1 hypervisor: it has not reported yet"),
        (FACTS, [WELL, WRONG], Status.DEGRADED, "1 of 2 hypervisors: it has no BGP session"),
        (
            FACTS,
            [PENDING, WRONG],
            Status.DEGRADED,
            "1 of 2 hypervisors: it has no BGP session; 1 of 2 hypervisors: it has not reported yet",
        ),
        (FACTS, [WRONG, replace(WRONG, host="b")], Status.ERROR, "2 of 2 hypervisors: it has no BGP session"),
        (FACTS, [], Status.DOWN, NO_PORT),
        (replace(FACTS, settled=False), [WELL], Status.BUILD, UNSETTLED),
        (replace(FACTS, settled=False), [], Status.BUILD, UNSETTLED),
        (replace(FACTS, unserved="l2 is not forwarded"), [WELL], Status.DOWN, "l2 is not forwarded"),
        (replace(FACTS, skipped=LEFT_OUT), [WELL], Status.DEGRADED, "10.2.0.0/24: the subnet has no gateway_ip"),
        (replace(FACTS, skipped=LEFT_OUT), [PENDING], Status.BUILD, "1 of 1 hypervisor: it has not reported yet"),
        (replace(FACTS, notes=("rd is kept",)), [WELL], Status.ACTIVE, "rd is kept"),
    ],
)
def test_one_association(facts: Facts, hosts: list[HostStatus], status: Status, reason: str) -> None:
    verdict = association_status(facts, hosts)
    assert (verdict.status, verdict.reason) == (status, reason)


def test_details_have_every_hypervisor_by_name() -> None:
    assert association_status(FACTS, [WRONG, WELL]).details == [
        {"host": "host-1", "state": "well", "reason": ""},
        {"host": "host-3", "state": "wrong", "reason": "it has no BGP session"},
    ]


ACTIVE = Verdict(Status.ACTIVE, "", (WELL,))
BUILD = Verdict(Status.BUILD, "it is built", (PENDING,))
DEGRADED = Verdict(Status.DEGRADED, "it is degraded", (WELL, WRONG))
ERROR = Verdict(Status.ERROR, "it is wrong", (WRONG,))
UNSERVED = Verdict(Status.DOWN, "nobody serves it")
IDLE = Verdict(Status.DOWN, NO_PORT, idle=True)


@pytest.mark.parametrize(
    ("members", "status", "reason"),
    [
        ([], Status.DOWN, NOTHING_ASSOCIATED),
        ([IDLE, IDLE], Status.DOWN, NO_PORT),
        ([ACTIVE, IDLE], Status.ACTIVE, ""),
        ([ACTIVE, ACTIVE], Status.ACTIVE, ""),
        ([UNSERVED], Status.DOWN, "nobody serves it"),
        ([ACTIVE, UNSERVED], Status.DEGRADED, "1 of 2 associations: nobody serves it"),
        ([ACTIVE, BUILD], Status.BUILD, "1 of 2 associations: it is built"),
        ([BUILD, BUILD], Status.BUILD, "2 of 2 associations: it is built"),
        ([ERROR, ERROR], Status.ERROR, "2 of 2 associations: it is wrong"),
        ([ERROR], Status.ERROR, "it is wrong"),
        ([ACTIVE, ERROR], Status.DEGRADED, "1 of 2 associations: it is wrong"),
        ([BUILD, ERROR], Status.DEGRADED, "1 of 2 associations: it is built; 1 of 2 associations: it is wrong"),
        ([DEGRADED, IDLE], Status.DEGRADED, "it is degraded"),
        ([ACTIVE, DEGRADED], Status.DEGRADED, "1 of 2 associations: it is degraded"),
    ],
)
def test_one_bgpvpn(members: list[Verdict], status: Status, reason: str) -> None:
    verdict = bgpvpn_status(members)
    assert (verdict.status, verdict.reason) == (status, reason)


def test_a_bgpvpn_shows_the_worst_of_each_hypervisor() -> None:
    assert [(d["host"], d["state"]) for d in bgpvpn_status([ACTIVE, DEGRADED, BUILD]).details] == [
        ("host-1", "well"),
        ("host-2", "pending"),
        ("host-3", "wrong"),
    ]
