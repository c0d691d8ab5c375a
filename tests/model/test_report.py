"""What a node writes is what its cloud reads; nonsense costs its key, a newer agent costs nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.intent import READS
from isthmus.model.reason import AttachmentState
from isthmus.model.report import (
    AGENT_KEY,
    SB_CFG_KEY,
    STATE_KEY,
    WORDS_MAX,
    AgentReport,
    AttachmentReport,
    BadReport,
    NodeReport,
    PeerReport,
    from_external_ids,
    is_ours,
    read_agent,
    read_attachment,
    to_external_ids,
)
from tests.build import uuid

words = st.text(max_size=30)
numbers = st.integers(0, 2**40)
peers = st.builds(
    PeerReport,
    address=st.integers(1, 9).map(lambda n: f"192.0.2.{n}"),
    state=st.sampled_from(["Established", "Down"]),
    since=numbers,
    reason=words,
    families=st.lists(words, max_size=2).map(tuple),
    received=numbers,
    announced=numbers,
)
agents = st.builds(
    AgentReport,
    version=words,
    started=numbers,
    router_id=words,
    asn=numbers,
    vtep=words,
    drain=words,
    southbound=words,
    switch=words,
    peers=st.lists(peers, unique_by=lambda p: p.address, max_size=3).map(
        lambda x: tuple(sorted(x, key=lambda p: p.address))
    ),
    reads=numbers,
)
attachments = st.builds(
    AttachmentReport,
    attachment=st.integers(0, 99).map(lambda n: f"router:{uuid(n)}"),
    revision=numbers,
    state=st.sampled_from([s.name for s in AttachmentState]),
    ports=numbers,
    why=words,
    bgpvpns=st.dictionaries(st.integers(0, 9).map(uuid), words, max_size=2),
    notes=st.dictionaries(st.integers(0, 9).map(uuid), words, max_size=2),
)
reports = st.builds(
    NodeReport,
    agent=agents,
    attachments=st.lists(attachments, unique_by=lambda a: a.attachment, max_size=3).map(tuple),
)

AGENT = AgentReport("0.1.0", 1000, "192.0.2.1", 64512, "192.0.2.1", "in use", "in sync", "in sync", ())
ONE = f"{STATE_KEY}router:{uuid(1)}"
GOOD = to_external_ids(NodeReport(AGENT, (AttachmentReport(f"router:{uuid(1)}", 4, "ACTIVE", 2),)))


@given(reports, numbers)
def test_reading_a_written_row_gives_the_report_back(report: NodeReport, sb_cfg: int) -> None:
    theirs = {"neutron:ovn-metadata-id": "not ours"}
    read = from_external_ids(to_external_ids(report) | {SB_CFG_KEY: str(sb_cfg)} | theirs)
    assert read.agent == report.agent
    assert read.attachments == {a.attachment: a for a in report.attachments}
    assert read.sb_cfg == sb_cfg
    assert not any(is_ours(key) for key in theirs)


@given(reports)
def test_equal_reports_are_written_alike(report: NodeReport) -> None:
    turned = replace(report.agent, peers=tuple(reversed(report.agent.peers)))
    assert to_external_ids(NodeReport(turned, report.attachments)) == to_external_ids(report)


def test_a_well_attachment_takes_few_bytes() -> None:
    assert GOOD[ONE] == '{"r":4,"s":"ACTIVE","p":2}', "a thousand of them ride in one row"


def test_long_words_are_cut() -> None:
    (key,) = (
        k
        for k in to_external_ids(NodeReport(AGENT, (AttachmentReport("a", 0, "BAD_ROW", 0, "x" * 9999),)))
        if k.startswith(STATE_KEY)
    )
    text = to_external_ids(NodeReport(AGENT, (AttachmentReport("a", 0, "BAD_ROW", 0, "x" * 9999),)))[key]
    assert len(read_attachment(key, text).why) == WORDS_MAX


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (AGENT_KEY, "{", "not JSON"),
        (AGENT_KEY, "[" * 100000, "not JSON"),
        (AGENT_KEY, "[]", "must be an object"),
        (AGENT_KEY, GOOD[AGENT_KEY].replace("64512", '"64512"'), "asn is not of the right kind"),
        (AGENT_KEY, GOOD[AGENT_KEY].replace('"peers":{}', '"peers":[]'), "peers is not of the right kind"),
        (AGENT_KEY, GOOD[AGENT_KEY].replace('"peers":{}', '"peers":{"192.0.2.9":1}'), "192.0.2.9 is not an object"),
        (AGENT_KEY, GOOD[AGENT_KEY].replace('"started":1000,', ""), "started is missing"),
        (ONE, "{}", "r is missing"),
        (ONE, GOOD[ONE].replace("4", "true"), "r True is not within"),
        (ONE, GOOD[ONE].replace("4", "-1"), "r -1 is not within"),
        (ONE, GOOD[ONE].replace("4", "1e99"), "r is not of the right kind"),
        (ONE, GOOD[ONE].replace('"ACTIVE"', "[]"), "s is not of the right kind"),
    ],
)
def test_nonsense_costs_its_key(key: str, value: str, says: str) -> None:
    read = from_external_ids(GOOD | {key: value})
    bad = read.agent if key == AGENT_KEY else read.attachments[f"router:{uuid(1)}"]
    assert isinstance(bad, BadReport)
    assert bad.key == key and says in bad.rule
    assert (read.agent == AGENT) == (key != AGENT_KEY)


@given(st.dictionaries(st.sampled_from([*sorted(GOOD), SB_CFG_KEY, STATE_KEY]), st.text(max_size=20)))
def test_whatever_a_row_says_reading_it_raises_nothing(changes: dict[str, str]) -> None:
    from_external_ids(GOOD | changes)


def test_a_newer_agent_is_understood_as_far_as_it_goes() -> None:
    agent = read_agent(GOOD[AGENT_KEY].replace("{", '{"mood":"bright",', 1))
    assert agent == AGENT
    state = read_attachment(ONE, GOOD[ONE].replace("{", '{"z":1,', 1).replace("ACTIVE", "CONTEMPLATING"))
    assert state.state == "CONTEMPLATING" and not state.is_well, "a state nobody knows is not taken for well"
    assert from_external_ids({"isthmus:moon": "full"}).agent is None


def test_an_agent_that_does_not_say_what_it_reads_reads_the_first_form() -> None:
    """As those of the first release do."""
    agent = AgentReport("0.1.0", 1, "192.0.2.1", 64512, "192.0.2.1", "in use", "in sync", "in sync", ())
    text = to_external_ids(NodeReport(agent, ()))[AGENT_KEY]
    assert read_agent(text).reads == READS
    assert read_agent(text.replace(f'"reads":{READS},', "")).reads == 1
    with pytest.raises(BadReport, match="reads"):
        read_agent(text.replace(f'"reads":{READS}', '"reads":"all"'))
