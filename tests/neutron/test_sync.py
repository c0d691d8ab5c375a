"""Whatever was done to either database, behind everybody's back or by a crash: it is said in words, and it heals."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
import requests

from isthmus.neutron.commands.sync.drift import Sync
from isthmus.neutron.ovn.northbound import Northbound
from isthmus.neutron.words.conf import Settings
from tests.eventually import eventually
from tests.neutron.cloud import TABLES, V4, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"


class Place:
    """A project with a router, a network behind it, a lone network, and a BGPVPN that has the router and the lone."""

    def __init__(self, cloud: Cloud, owner: User) -> None:
        self.cloud, self.owner = cloud, owner
        self.bgpvpn = self.another()
        behind, lone = owner.network(V4), owner.network({**V4, "cidr": "10.2.0.0/24"})
        self.router, self.behind, self.lone = owner.make("routers", name="r")["id"], behind["id"], lone["id"]
        self.behind_subnet = behind["subnet_ids"][0]
        assert owner.plug(self.router, self.behind_subnet).status == 200
        self.port = owner.make("ports", network_id=self.lone)["id"]
        self.by_router = self.bind("router", self.router)
        self.by_network = self.bind("network", self.lone)
        self.by_port = self.bind("port", self.port)

    def another(self) -> str:
        made = self.cloud.admin.make(BGPVPNS, project_id=self.owner.project, route_targets=["64512:1"])
        return str(made["id"])

    def bind(self, kind: str, target: str, bgpvpn: str = "") -> str:
        path = f"{BGPVPNS}/{bgpvpn or self.bgpvpn}/{kind}_associations"
        return str(self.owner.make(path, **{f"{kind}_id": target})["id"])

    def told(self, place: str) -> list[str]:
        """The BGPVPNs that the nodes read of an attachment."""
        return sorted(a.bgpvpn for a in self.cloud.northbound.intent(place).associations)


def command(cloud: Cloud, *words: str) -> tuple[int, list[str]]:
    done = cloud.command("isthmus-db-sync", *words)
    return done.returncode, done.stdout.splitlines()


@pytest.fixture(scope="session")
def sync(northbound: Northbound, settings: Settings) -> Sync:
    """What the command does, without starting a program each time."""
    return Sync(northbound, settings)


@pytest.fixture
def place(cloud: Cloud, owner: User, sync: Sync) -> Iterator[Place]:
    made = Place(cloud, owner)
    assert sync.repair().left == []
    yield made
    for bgpvpn in cloud.admin.get(BGPVPNS, project_id=owner.project):
        cloud.admin.delete(f"{BGPVPNS}/{bgpvpn['id']}")


def differences(sync: Sync) -> list[str]:
    """As soon as our view of OVN has caught up."""

    def some() -> list[str]:
        found = sync.look()
        assert found != []
        return found

    return eventually(some)


def whole(cloud: Cloud) -> dict[str, Any]:
    """Every row of ours in OVN, with its content, without what OVSDB calls it."""
    return {
        table: sorted(
            (str(sorted((k, str(v)) for k, v in row.items() if k not in REFERENCES)) for row in rows if is_ours(row)),
        )
        for table, rows in cloud.northbound.tables(*TABLES).items()
    }


REFERENCES = {"_uuid", "_version", "ports", "policies", "static_routes", "tag", "up"}


def is_ours(row: dict[str, Any]) -> bool:
    return any(key.startswith("isthmus:") for key in row["external_ids"])


# ---------------------------------------------------------------------------------------- by hand, on either side


def test_the_command_says_what_it_finds_and_by_its_exit_code_what_is_left(cloud: Cloud, place: Place) -> None:
    assert command(cloud) == (0, ["in sync"])
    cloud.northbound.run("lsp-del", f"isthmus-ac-{place.router}")
    line = (
        f"router:{place.router}: Logical_Switch_Port isthmus-ac-{place.router} of isthmus-ts-{place.router} is missing"
    )
    assert command(cloud, "log") == (1, [line, "1 differences"])
    assert command(cloud, "repair") == (0, [f"found: {line}", "1 differences found, 0 left"])
    cloud.northbound.run("lr-del", f"neutron-{place.router}")
    code, lines = command(cloud, "repair")
    assert code == 1, "what Neutron's router carries cannot be there without it"
    assert [found for found in lines if found.startswith(f"left: router:{place.router}: ")]


IN_OVN = {
    "Logical_Switch_Port isthmus-ac-{router} of isthmus-ts-{router} is missing": ["lsp-del", "isthmus-ac-{router}"],
    "Logical_Router isthmus-lr-{lone} is missing": ["lr-del", "isthmus-lr-{lone}"],
    "Logical_Router_Port isthmus-lrp-{router} of neutron-{router} differs in networks": [
        "set",
        "Logical_Router_Port",
        "isthmus-lrp-{router}",
        "networks=10.0.0.1/8",
    ],
    "Logical_Switch_Port intruder of isthmus-ts-{router} should not be there": [
        "lsp-add",
        "isthmus-ts-{router}",
        "intruder",
    ],
}


@pytest.mark.parametrize("words", IN_OVN)
def test_changed_by_hand_in_ovn(cloud: Cloud, place: Place, sync: Sync, words: str) -> None:
    before = whole(cloud)
    cloud.northbound.run(*(word.format(**vars(place)) for word in IN_OVN[words]))
    harmed = whole(cloud)
    expected = words.format(**vars(place))
    eventually(lambda: _said(sync.look(), expected))
    assert whole(cloud) == harmed, "looking changes nothing"
    repaired = sync.repair()
    _said(repaired.found, expected)
    assert repaired.left == []
    assert whole(cloud) == before


def test_nonsense_in_a_row_holds_nothing_up(cloud: Cloud, place: Place, sync: Sync) -> None:
    """Neither a name that is none nor a revision that no database holds."""
    run, ac = cloud.northbound.run, f"isthmus-ac-{place.router}"
    run("ls-add", "somebodys")
    try:
        run("set", "Logical_Switch", "somebodys", 'external_ids:"isthmus:attachment"=garbage')
        run("set", "Logical_Switch_Port", ac, f'external_ids:"isthmus:revision"="{2**63}"')
        run("lr-del", f"isthmus-lr-{place.lone}")
        stray = "Logical_Switch somebodys: its isthmus:attachment is 'garbage', which is none"
        eventually(lambda: _holds(sync.look(), stray))
        assert sync.repair().left == [stray]
        assert place.told(place.router) == place.told(place.lone) == [place.bgpvpn]
        exit_code, lines = command(cloud)
        assert (exit_code, lines) == (1, [stray, "1 differences"])
    finally:
        run("ls-del", "somebodys")


def _holds(lines: list[str], words: str) -> None:
    assert words in lines, lines


def _said(lines: list[str], words: str) -> None:
    assert [line for line in lines if line.endswith(f": {words}")], lines


IN_DATABASE = {
    "a number": "DELETE FROM isthmus_numbers WHERE attachment_id = 'router:{router}'",
    "an attachment": "DELETE FROM isthmus_attachments WHERE id = 'network:{lone}'",
    "a VNI": "DELETE FROM isthmus_vnis WHERE bgpvpn_id = '{bgpvpn}'",
    "what Neutron keeps of a BGPVPN": "DELETE s FROM standardattributes s JOIN isthmus_bgpvpns b "
    "ON b.standard_attr_id = s.id WHERE b.id = '{bgpvpn}'",
}


@contextlib.contextmanager
def unchecked(cloud: Cloud) -> Iterator[Any]:
    """A client that does not heed foreign keys, as one who restores single tables."""
    connection = pymysql.connect(
        unix_socket=str(cloud.sockets["mysql"]), user="root", database="neutron", autocommit=True
    )
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        yield cursor


@pytest.mark.parametrize("what", IN_DATABASE)
@pytest.mark.usefixtures("form_1")
def test_deleted_by_hand_in_the_database(cloud: Cloud, place: Place, sync: Sync, what: str) -> None:
    with unchecked(cloud) as cursor:
        assert cursor.execute(IN_DATABASE[what].format(**vars(place))) == 1
    assert differences(sync) != []
    assert sync.repair().left == []
    assert place.told(place.router) == place.told(place.lone) == [place.bgpvpn]
    assert cloud.admin.get(f"{BGPVPNS}/{place.bgpvpn}")["revision_number"] >= 0


def test_a_vni_that_was_lost_is_given_anew(cloud: Cloud, place: Place, sync: Sync) -> None:
    cloud.sql("DELETE FROM isthmus_vnis WHERE bgpvpn_id = %s", place.bgpvpn)
    assert f"isthmus_bgpvpns {place.bgpvpn}: it has no VNI" in differences(sync)
    sync.repair()
    [(vni,)] = cloud.sql("SELECT vni FROM isthmus_vnis WHERE bgpvpn_id = %s", place.bgpvpn)
    assert vni >= 8388608


def test_associations_deleted_by_hand_leave_nothing(cloud: Cloud, place: Place, sync: Sync) -> None:
    for kind, association in (("router", place.by_router), ("network", place.by_network), ("port", place.by_port)):
        cloud.sql(f"DELETE FROM isthmus_{kind}_associations WHERE id = %s", association)
    lines = differences(sync)
    for kind in ("router", "network", "port"):
        assert [line for line in lines if line.endswith(f"no row of isthmus_{kind}_associations has it")], lines
    assert f"router:{place.router}: {UNTOLD}" in lines
    assert sync.repair().left == []
    assert [row for row in cloud.northbound.ours() if place.router in row or place.lone in row] == []
    assert cloud.sql("SELECT * FROM isthmus_numbers WHERE bgpvpn_id = %s", place.bgpvpn) == []
    assert sync.look() == []


UNTOLD = "its associations, or what they rest on, have changed, and OVN has not been told"


def test_rows_that_refer_to_nothing_go(cloud: Cloud, place: Place, sync: Sync) -> None:
    gone = str(uuid.uuid4())
    with unchecked(cloud) as cursor:
        cursor.execute("DELETE FROM isthmus_port_associations WHERE id = %s", (place.by_port,))
        cursor.execute(
            "INSERT INTO isthmus_port_routes (association_id, position, prefix) VALUES (%s, 0, '10.9.0.0/16')",
            (place.by_port,),
        )
        cursor.execute("INSERT INTO isthmus_numbers VALUES (9, 'router:gone', %s)", (gone,))
        cursor.execute("INSERT INTO isthmus_attachments (id, revision, digest) VALUES ('router:lost', 3, '')")
    lines = differences(sync)
    assert f"isthmus_port_routes {place.by_port} 0: isthmus_port_associations {place.by_port} does not exist" in lines
    assert "isthmus_numbers 9: isthmus_attachments router:gone does not exist" in lines
    assert f"isthmus_numbers 9: isthmus_bgpvpns {gone} does not exist" in lines
    assert "isthmus_attachments router:lost: it belongs to no router and no network" in lines
    assert sync.repair().left == []
    assert cloud.sql("SELECT * FROM isthmus_numbers WHERE number = 9") == []


# ---------------------------------------------------------------------------------------- crashes and copies


def test_an_api_process_killed_between_commit_and_ovn(cloud: Cloud, place: Place, sync: Sync) -> None:
    """The transaction of the request is done; before OVN is written its row is locked, and there it is killed."""
    other, attachment = place.another(), f"router:{place.router}"
    lock = pymysql.connect(unix_socket=str(cloud.sockets["mysql"]), user="root", database="neutron")
    path = f"{BGPVPNS}/{other}/router_associations"

    def ask() -> None:
        with contextlib.suppress(requests.ConnectionError):
            place.owner.call("POST", path, {"router_association": {"router_id": place.router}})

    with contextlib.closing(lock), lock.cursor() as cursor:
        cursor.execute("SELECT revision FROM isthmus_attachments WHERE id = %s LOCK IN SHARE MODE", (attachment,))
        request = threading.Thread(target=ask)
        request.start()
        committed = "SELECT id FROM isthmus_router_associations WHERE bgpvpn_id = %s"
        eventually(lambda: _one(cloud.sql(committed, other)), within=20)
        cloud.kill_api()
        request.join()
    cloud.start_api()
    assert place.told(place.router) == [place.bgpvpn], "what was committed is not in OVN"
    assert f"{attachment}: {UNTOLD}" in differences(sync)
    worker = cloud.periodic_workers(reconcile_interval_s=0.5)
    try:
        eventually(lambda: _told(place, sorted([place.bgpvpn, other])), within=30)
    finally:
        worker.stop()
    assert sync.look() == []


def _one(rows: list[Any]) -> None:
    assert len(rows) == 1, rows


def _told(place: Place, bgpvpns: list[str]) -> None:
    assert place.told(place.router) == bgpvpns


def test_ovn_restored_from_an_old_backup(cloud: Cloud, place: Place, sync: Sync, tmp_path: Path) -> None:
    """Ours heals by itself; what of Neutron's the backup has not, by Neutron's tool, which brings ours along."""
    backup = tmp_path / "nb.backup"
    with backup.open("wb") as file:
        subprocess.run(["ovsdb-client", "backup", remote(cloud)], check=True, stdout=file)
    other = place.another()
    place.bind("router", place.router, other)
    cloud.admin.delete(f"{BGPVPNS}/{place.bgpvpn}")
    later = place.owner.network({**V4, "cidr": "10.3.0.0/24"})["id"]
    place.bind("network", later, other)
    expected = whole(cloud)
    with backup.open("rb") as file:
        subprocess.run(["ovsdb-client", "restore", remote(cloud)], check=True, stdin=file)
    assert place.told(place.router) == [place.bgpvpn], "old rows are back"
    left = eventually(lambda: _left(sync))
    assert place.told(place.router) == [other]
    assert [row for row in cloud.northbound.ours() if place.lone in row] == []
    assert {line.split(": ")[0] for line in left} == {f"network:{later}"}, "Neutron's own switch of it is not there"
    done = neutron_sync(cloud, "repair")
    assert f"BGPVPNs: righted: network:{later}: " in done
    assert "BGPVPNs: left" not in done
    assert whole(cloud) == expected
    assert sync.look() == []


def _left(sync: Sync) -> list[str]:
    left = sync.repair().left
    assert left, "our view of OVN is from before"
    return left


def remote(cloud: Cloud) -> str:
    return f"unix:{cloud.sockets['nb']}"


def neutron_sync(cloud: Cloud, mode: str) -> str:
    done = cloud.command("neutron-ovn-db-sync-util", "--ovn-neutron_sync_mode", mode)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    assert "Traceback" not in said, said[-6000:]
    return said


def test_two_reconcilers_at_once_and_requests_meanwhile(cloud: Cloud, place: Place, sync: Sync) -> None:
    cloud.northbound.run("ls-del", f"isthmus-ts-{place.router}")
    cloud.northbound.run("lr-del", f"isthmus-lr-{place.lone}")
    cloud.sql("DELETE FROM isthmus_numbers WHERE attachment_id = %s", f"network:{place.lone}")
    line = [str(cloud.bin / "isthmus-db-sync"), "--config-file", str(cloud.home / "etc/neutron.conf"), "repair"]
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    others = [place.another() for _ in range(3)]
    for other in others:
        place.bind("router", place.router, other)
    for process in both:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert place.told(place.router) == sorted([place.bgpvpn, *others])
    rows = cloud.northbound.router(f"neutron-{place.router}")
    assert len(rows["policies"]) == len({(p["priority"], p["match"]) for p in rows["policies"]})
    assert sync.look() == []


# ---------------------------------------------------------------------------------------- Neutron's own tool


def test_neutrons_tool_leaves_our_rows_alone(cloud: Cloud, place: Place) -> None:
    def uuids() -> list[str]:
        rows = cloud.northbound.tables(*TABLES)
        return sorted(row["_uuid"] for table in rows.values() for row in table if is_ours(row))

    before, content = uuids(), whole(cloud)
    for mode in ("log", "repair"):
        said = neutron_sync(cloud, mode)
        assert "isthmus driver" in said
        assert "BGPVPNs: " not in said
    assert (uuids(), whole(cloud)) == (before, content), "nothing was even made anew"


def test_neutrons_tool_says_what_differs_and_rights_it_after_its_own(cloud: Cloud, place: Place, sync: Sync) -> None:
    before = whole(cloud)
    cloud.northbound.run("lr-del", f"neutron-{place.router}")
    said = neutron_sync(cloud, "log")
    assert f"BGPVPNs: router:{place.router}: Logical_Router_Port isthmus-lrp-{place.router}" in said
    neutron_sync(cloud, "repair")
    assert whole(cloud) == before
    assert sync.look() == []


# ---------------------------------------------------------------------------------------- what is deleted in Neutron


def test_deleting_everything_in_neutron_leaves_nothing(cloud: Cloud, place: Place, sync: Sync) -> None:
    names = [place.router, place.lone, place.behind, place.port]
    place.owner.delete(f"ports/{place.port}")
    assert cloud.admin.get(f"{BGPVPNS}/{place.bgpvpn}")["ports"] == []
    assert place.owner.unplug(place.router, place.behind_subnet).status == 200
    place.owner.delete(f"routers/{place.router}")
    place.owner.delete(f"networks/{place.lone}")
    place.owner.delete(f"networks/{place.behind}")
    assert [row for row in cloud.northbound.ours() if any(name in row for name in names)] == []
    for table in ("router_associations", "network_associations", "port_associations", "numbers"):
        assert cloud.sql(f"SELECT * FROM isthmus_{table} WHERE bgpvpn_id = %s", place.bgpvpn) == []
    for attachment in (f"router:{place.router}", f"network:{place.lone}"):
        assert cloud.sql("SELECT * FROM isthmus_attachments WHERE id = %s", attachment) == []
    assert sync.look() == [], "no standard attributes are left either"


# ---------------------------------------------------------------------------------------- what cannot be compared


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("isthmus", "site", "", "[isthmus] site is missing"),
        ("isthmus", "vni_max", "0", "[isthmus] vni_min"),
        ("ovn", "ovn_nb_connection", "unix:/nowhere.sock", "the northbound database (unix:/nowhere.sock)"),
        ("database", "connection", "mysql+pymysql://root@/neutron?unix_socket=/nowhere.sock", "the database does not"),
        ("database", "connection", "mysql+pymysql://root@/mysql?unix_socket={mysql}", "isthmus_bgpvpns' doesn't exist"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    cloud: Cloud, tmp_path: Path, section: str, key: str, value: str, said: str
) -> None:
    text = (cloud.home / "etc/neutron.conf").read_text()
    lines, here = [], ""
    for line in text.splitlines():
        here = line if line.startswith("[") else here
        if here != f"[{section}]" or not line.startswith(f"{key} ="):
            lines.append(line)
        if line == f"[{section}]":
            lines.append(f"{key} = {value.format(mysql=cloud.sockets['mysql'])}")
    config = tmp_path / "neutron.conf"
    config.write_text("\n".join(lines))
    done = cloud.command("isthmus-db-sync", config=config)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_word_it_does_not_know(cloud: Cloud) -> None:
    done = cloud.command("isthmus-db-sync", "mend")
    assert done.returncode == 2
    assert "mend" in done.stderr
