"""The node's report in a real southbound database: others' keys, a row made anew, RBAC, a server that goes away."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.model.report import (
    AGENT_KEY,
    SB_CFG_KEY,
    STATE_KEY,
    AgentReport,
    AttachmentReport,
    NodeReport,
    Reported,
    from_external_ids,
)
from isthmus.node.facts import IntentRead
from isthmus.shell.idl import use_certificates
from isthmus.shell.southbound import Southbound
from isthmus.shell.telling import FRESH_S, SPREAD_S, WRITE_S, Wish
from tests.build import uuid
from tests.certificates import certificates
from tests.contract.switches import Central, installed
from tests.eventually import eventually
from tests.shell.background import Background

pytestmark = [pytest.mark.contract, pytest.mark.skipif(not installed(), reason="OVN is not installed")]

AGENT = AgentReport("0.1.0", 1000, "192.0.2.1", 64512, "192.0.2.1", "in use", "in sync", "in sync", ())
ONE, TWO = f"router:{uuid(1)}", f"network:{uuid(2)}"


def report(*attachments: AttachmentReport) -> NodeReport:
    return NodeReport(AGENT, attachments)


ACTIVE = AttachmentReport(ONE, 4, "ACTIVE", 2)


@pytest.fixture
def central() -> Iterator[Central]:
    with Central() as central:
        add_chassis(central)
        yield central


def add_chassis(central: Central) -> None:
    """As ovn-controller does; Neutron's own keys stand beside ours."""
    for name in ("host-1", "host-2"):
        central.sbctl("chassis-add", name, "geneve", "192.0.2.1" if name == "host-1" else "192.0.2.2")
        central.sbctl("create", "Chassis_Private", f"name={name}", 'external_ids:"neutron:ovn-metadata-id"="theirs"')


def row(central: Central, name: str = "host-1") -> dict[str, str]:
    text = central.sbctl("--format=json", "--columns=external_ids", "find", "Chassis_Private", f"name={name}")
    ((column,),) = json.loads(text)["data"]
    return dict(column[1])


def told(central: Central) -> Reported:
    return from_external_ids(row(central))


class Agent:
    """The southbound's part of an agent, and what the node last said."""

    def __init__(self, central: Central, background: Background, *remotes: str) -> None:
        self.central, self.heard = central, list[object]()
        self.part = Southbound(remotes or (central.sb,), self.heard.append)
        self.part.set_chassis("host-1")
        self.future = background.start(self.part.run())

    def says(self, what: NodeReport, *, age: float = 0.0) -> None:
        self.part.tell(Wish(what, time.monotonic() - age))

    def has_told(self, *attachments: AttachmentReport) -> None:
        def right() -> None:
            read = told(self.central)
            assert read.agent == AGENT and read.attachments == {a.attachment: a for a in attachments}, read
            assert self.part.told == "in sync", self.part.told

        eventually(right)


def test_what_the_node_says_is_in_its_own_row(central: Central, background: Background) -> None:
    agent = Agent(central, background)
    agent.says(report(ACTIVE, AttachmentReport(TWO, 1, "PLUGGING", 1, "the attachment circuit is being plugged")))
    agent.has_told(ACTIVE, AttachmentReport(TWO, 1, "PLUGGING", 1, "the attachment circuit is being plugged"))
    assert row(central)["neutron:ovn-metadata-id"] == "theirs"
    assert set(row(central, "host-2")) == {"neutron:ovn-metadata-id"}, "another chassis' row is not ours"


def test_changes_follow_and_what_left_is_removed(central: Central, background: Background) -> None:
    agent = Agent(central, background)
    agent.says(report(ACTIVE, AttachmentReport(TWO, 1, "ACTIVE", 1)))
    agent.has_told(ACTIVE, AttachmentReport(TWO, 1, "ACTIVE", 1))
    agent.says(report(replace(ACTIVE, revision=5)))
    agent.has_told(replace(ACTIVE, revision=5))


def test_a_row_made_anew_or_changed_by_hand_is_filled_again(central: Central, background: Background) -> None:
    agent = Agent(central, background)
    agent.says(report(ACTIVE))
    agent.has_told(ACTIVE)
    central.sbctl("chassis-del", "host-1")
    central.sbctl("chassis-add", "host-1", "geneve", "192.0.2.1", "--", "create", "Chassis_Private", "name=host-1")
    agent.has_told(ACTIVE)
    central.sbctl("remove", "Chassis_Private", "host-1", "external_ids", f'"{STATE_KEY}{ONE}"')
    central.sbctl("set", "Chassis_Private", "host-1", f'external_ids:"{AGENT_KEY}"="nonsense"')
    central.sbctl("set", "Chassis_Private", "host-1", f'external_ids:"{STATE_KEY}{TWO}"="a lie"')
    agent.has_told(ACTIVE)


def test_at_most_one_write_a_second(central: Central, background: Background) -> None:
    agent = Agent(central, background)
    seen = set[str]()
    began = time.monotonic()
    for revision in range(1, 500):
        agent.says(report(replace(ACTIVE, revision=revision)))
        seen.add(row(central).get(STATE_KEY + ONE, ""))
        if time.monotonic() > began + 2.5 * WRITE_S:
            break
    last = replace(ACTIVE, revision=revision)
    agent.has_told(last)
    seen.discard("")
    assert 2 <= len(seen) <= 3, seen


def asked(central: Central) -> int:
    """Neutron asks who is alive; the number is in the southbound database when this returns."""
    central.nbctl("list", "NB_Global")
    number = int(central.nbctl("get", "NB_Global", ".", "nb_cfg"))

    def there() -> None:
        assert int(central.sbctl("get", "SB_Global", ".", "nb_cfg")) >= number

    eventually(there)
    return int(central.sbctl("get", "SB_Global", ".", "nb_cfg"))


def answered(central: Central, number: int) -> None:
    assert told(central).sb_cfg == number


def test_who_is_alive_is_answered(central: Central, background: Background) -> None:
    agent = Agent(central, background)
    agent.says(report())
    agent.has_told()
    number = asked(central)
    eventually(lambda: answered(central, number), within=SPREAD_S + 2 * WRITE_S)


def test_nobody_answers_for_a_node_that_has_fallen_silent(central: Central, background: Background) -> None:
    agent = Agent(central, background)
    agent.says(report())
    agent.has_told()
    before = asked(central)
    eventually(lambda: answered(central, before))
    agent.says(report(), age=FRESH_S)
    asked(central)
    agent.says(report(ACTIVE), age=FRESH_S)
    agent.has_told(ACTIVE)
    time_to_answer = time.monotonic() + SPREAD_S + WRITE_S

    def still_silent() -> None:
        assert told(central).sb_cfg == before, "somebody answered"
        assert time.monotonic() >= time_to_answer, "it could still answer"

    eventually(still_silent)


def test_the_end_leaves_what_stands(central: Central, background: Background) -> None:
    agent = Agent(central, background)
    agent.says(report(ACTIVE))
    agent.has_told(ACTIVE)
    background.end(agent.future)
    assert told(central).attachments == {ONE: ACTIVE}


def test_a_server_that_was_away_hears_the_latest(central: Central, background: Background) -> None:
    agent = Agent(central, background)
    agent.says(report(ACTIVE))
    agent.has_told(ACTIVE)
    central.end_sb()
    agent.says(report(replace(ACTIVE, revision=9)))
    central.start_sb()
    agent.has_told(replace(ACTIVE, revision=9))


def test_a_chassis_without_a_row_is_said(central: Central, background: Background) -> None:
    central.sbctl("destroy", "Chassis_Private", "host-1")
    agent = Agent(central, background)
    agent.says(report(ACTIVE))

    def said() -> None:
        assert agent.part.told == "chassis 'host-1' has no row in Chassis_Private"

    eventually(said)


def with_roles(central: Central, directory: Path, name: str) -> str:
    """The southbound also behind TLS, with the role that an operator gives to hypervisors, and a certificate in
    this name. Its endpoint."""
    tls = certificates(directory, name)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    central.sbctl(
        *("--", "--id=@c", "create", "Connection", f'target="pssl:{port}:127.0.0.1"', "role=ovn-controller"),
        *("--", "add", "SB_Global", ".", "connections", "@c"),
    )
    central.end_sb()
    central.start_sb(
        *("--remote=db:OVN_Southbound,SB_Global,connections", f"--private-key={tls.private_key}"),
        *(f"--certificate={tls.certificate}", f"--ca-cert={tls.ca_cert}"),
    )
    use_certificates(tls)
    return f"ssl:127.0.0.1:{port}"


def test_the_role_of_ovn_controller_suffices(central: Central, background: Background, tmp_path: Path) -> None:
    agent = Agent(central, background, with_roles(central, tmp_path, "host-1"))
    agent.says(report(ACTIVE))
    agent.has_told(ACTIVE)
    number = asked(central)
    eventually(lambda: answered(central, number), within=SPREAD_S + 2 * WRITE_S)
    agent.says(report())
    agent.has_told()


def test_what_is_refused_is_said_and_costs_nothing_else(
    central: Central, background: Background, tmp_path: Path
) -> None:
    agent = Agent(central, background, with_roles(central, tmp_path, "host-2"))
    agent.says(report(ACTIVE))

    def said() -> None:
        assert "was not written" in agent.part.told and "permission" in agent.part.told, agent.part.told
        assert isinstance(agent.heard[-1], IntentRead), "intent is read all the same"

    eventually(said)
    assert set(row(central)) == {"neutron:ovn-metadata-id"}
    assert SB_CFG_KEY not in row(central, "host-2")
