"""Every bgpvpn command of the stock client with every option of it, letter for letter: tests/conformance/transcripts.

`ISTHMUS_GOLDEN=write` writes the answers anew; read the diff.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.identity import PASSWORD, REGION, IdentityCloud
from tests.conformance.transcript import Client, Session, commands
from tests.neutron.cloud import V4, User

pytestmark = [pytest.mark.neutron, pytest.mark.long]

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.fixture(scope="module")
def clients(cloud: IdentityCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Client]]:
    cloud.person("alice", "demo", "member", "reader")
    home = tmp_path_factory.mktemp("clients")
    made = {
        "operator": Client(home / "operator", _cloud(cloud, "admin", "admin")),
        "tenant": Client(home / "tenant", _cloud(cloud, "alice", "demo")),
    }
    yield made
    for client in made.values():
        client.stop()


def _cloud(cloud: IdentityCloud, user: str, project: str) -> dict[str, Any]:
    domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
    auth = {"auth_url": cloud.identity, "username": user, "password": PASSWORD, "project_name": project}
    return {"auth": auth | domains, "region_name": REGION}


@pytest.fixture
def alice(cloud: IdentityCloud) -> Iterator[User]:
    """What the transcripts start from: a network, a router and a port of hers."""
    alice = cloud.login("alice", "demo")
    network = alice.network(V4)
    alice.put(f"networks/{network['id']}", {"network": {"name": "front"}})
    router = alice.make("routers", name="gate")
    port = alice.make("ports", name="web", network_id=network["id"])
    yield alice
    alice.delete(f"ports/{port['id']}")
    alice.delete(f"routers/{router['id']}")
    alice.delete(f"networks/{network['id']}")


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("alice")
def test_the_stock_client_answers_as_written(clients: dict[str, Client], transcript: Path) -> None:
    written = transcript.read_text()
    played = Session(clients).play(written)
    if os.environ.get("ISTHMUS_GOLDEN") == "write":
        transcript.write_text(played)
    assert played.splitlines() == transcript.read_text().splitlines()


def test_the_clients_routes_arrive_though_it_does_not_print_them(clients: dict[str, Client], alice: User) -> None:
    operator, tenant = clients["operator"], clients["tenant"]
    for name in ("blue", "shared"):
        assert operator.run("bgpvpn", "create", "--project", "demo", "--name", name)["status"] == 0
    blue, shared = (alice.get("bgpvpn/bgpvpns", name=name)[0]["id"] for name in ("blue", "shared"))
    associations = f"bgpvpn/bgpvpns/{blue}/port_associations"

    def routes(*words: str) -> list[tuple[str, int | None]]:
        done = tenant.run("bgpvpn", "port", "association", *words)
        assert done["status"] == 0, done
        found = alice.get(associations)[0]["routes"]
        return sorted((r.get("prefix") or r["bgpvpn_id"], r.get("local_pref")) for r in found)

    first = ("--prefix-route", "prefix=192.0.2.0/24,local_pref=50", "--bgpvpn-route", "bgpvpn=shared,local_pref=7")
    made = routes("create", *first, "blue", "web")
    assert made == sorted([("192.0.2.0/24", 50), (shared, 7)])
    association = alice.get(associations)[0]["id"]
    assert routes("set", "--no-advertise-fixed-ips", association, "blue") == made
    more = routes("set", "--prefix-route", "prefix=198.51.100.0/24", association, "blue")
    assert more == sorted([*made, ("198.51.100.0/24", None)])
    assert routes("unset", "--bgpvpn-route", "shared", association, "blue") == [
        ("192.0.2.0/24", 50),
        ("198.51.100.0/24", None),
    ]
    assert routes("unset", "--all-prefix-routes", association, "blue") == []
    assert operator.run("bgpvpn", "delete", "blue", "shared")["status"] == 0


def test_no_command_and_no_option_is_left_out(clients: dict[str, Client]) -> None:
    operator = clients["operator"]
    ran = [command for path in TRANSCRIPTS for command in commands(path.read_text())]
    listed = operator.run("help")["out"]
    known = re.findall(r"^  (bgpvpn [a-z ]*?)  ", listed, re.MULTILINE)
    assert len(known) >= 22, listed
    missing = []
    for command in known:
        text = operator.run("help", *command.split())["out"]
        own = text.partition("\noptions:")[2].partition("\noutput formatters:")[0]
        options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", own, re.MULTILINE)) - {"--help", "--prefix"}
        used = [c.split() for c in ran if c.startswith(command + " ") or c == command]
        if not used:
            missing.append(command)
        missing += [f"{command} {o}" for o in sorted(options) if not any(o in words for words in used)]
    assert not missing, "not in a transcript:\n" + "\n".join(missing)
