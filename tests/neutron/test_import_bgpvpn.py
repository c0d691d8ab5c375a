"""networking-bgpvpn's rows become ours: ids, names and times survive, the way back stays open, nothing is half-done.

The tables are those that the real package made (upstream/networking-bgpvpn-25.0.0.sql).
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from neutron_lib import context as neutron_context

from isthmus.neutron.commands.upstream import write
from isthmus.neutron.ovn.reconciler import Reconciler
from isthmus.neutron.words import exceptions
from isthmus.neutron.words.conf import Settings
from tests.eventually import eventually
from tests.neutron.cloud import V4, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
SCHEMA = Path(__file__).parent / "upstream/networking-bgpvpn-25.0.0.sql"
TABLES = (
    "bgpvpn_port_association_routes",
    "bgpvpn_port_associations",
    "bgpvpn_router_associations",
    "bgpvpn_network_associations",
    "bgpvpns",
)


class Upstream:
    """Rows as networking-bgpvpn writes them."""

    def __init__(self, cloud: Cloud, owner: User) -> None:
        self.cloud, self.owner = cloud, owner

    def _insert(self, table: str, **columns: Any) -> str:
        identity = str(uuid.uuid4())
        columns = {"id": identity} | columns
        marks = ", ".join(["%s"] * len(columns))
        self.cloud.sql(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *columns.values())
        return identity

    def _standard(self, table: str) -> int:
        columns = "resource_type, description, revision_number, created_at, updated_at"
        values = "%s, 'as it was', 4, '2019-05-01 10:00:00', '2020-06-02 11:00:00'"
        self.cloud.sql(f"INSERT INTO standardattributes ({columns}) VALUES ({values})", table)
        [(number,)] = self.cloud.sql("SELECT MAX(id) FROM standardattributes")
        return int(number)

    def bgpvpn(self, **columns: Any) -> str:
        plain = {"project_id": self.owner.project, "name": "blue", "type": "l3", "route_targets": "64512:1"}
        return self._insert("bgpvpns", **plain | columns, standard_attr_id=self._standard("bgpvpns"))

    def bind(self, kind: str, target: str, bgpvpn: str, **columns: Any) -> str:
        table = f"bgpvpn_{kind}_associations"
        plain = {"project_id": self.owner.project, "bgpvpn_id": bgpvpn, f"{kind}_id": target}
        return self._insert(table, **plain | columns, standard_attr_id=self._standard(table))

    def route(self, association: str, **columns: Any) -> None:
        self._insert("bgpvpn_port_association_routes", port_association_id=association, **columns)

    def rows(self) -> dict[str, Any]:
        return {table: sorted(self.cloud.sql(f"SELECT * FROM {table}"), key=str) for table in TABLES}


@pytest.fixture
def upstream(cloud: Cloud, owner: User) -> Iterator[Upstream]:
    statements = SCHEMA.read_text().replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")
    client = ["mariadb", "--no-defaults", f"--socket={cloud.sockets['mysql']}", "--user=root", "neutron"]
    subprocess.run(client, input=statements, text=True, check=True)
    yield Upstream(cloud, owner)
    for bgpvpn in cloud.admin.get(BGPVPNS, project_id=owner.project):
        cloud.admin.delete(f"{BGPVPNS}/{bgpvpn['id']}")
    for table in TABLES:
        cloud.sql(f"DROP TABLE {table}")
    cloud.sql("DELETE FROM standardattributes WHERE resource_type LIKE 'bgpvpn%%'")


@pytest.fixture
def bring(settings: Settings) -> Any:
    """The command's work, without starting a program each time."""

    def run(*, drop_shared_vnis: bool = False, settings: Settings = settings) -> Any:
        return write.carry_out(neutron_context.get_admin_context(), drop_shared_vnis, settings)

    return run


def counted(cloud: Cloud) -> dict[str, int]:
    """Rows in every table of ours, and Neutron's of them."""
    [*names] = [name for (name,) in cloud.sql("SHOW TABLES LIKE 'isthmus\\_%%'")]
    found = {name: cloud.sql(f"SELECT COUNT(*) FROM {name}")[0][0] for name in names}
    ours = "SELECT COUNT(*) FROM standardattributes WHERE resource_type LIKE 'isthmus\\_%%'"
    return found | {"standardattributes": cloud.sql(ours)[0][0]}


def test_everything_survives(
    cloud: Cloud, owner: User, upstream: Upstream, bring: Any, reconciler: Reconciler, settings: Settings
) -> None:
    router, behind, lone = owner.make("routers", name="r")["id"], owner.network(V4), owner.network(V4)
    assert owner.plug(router, behind["subnet_ids"][0]).status == 200
    port = owner.make("ports", network_id=lone["id"])["id"]
    other = upstream.bgpvpn(name="other", route_targets="", import_targets="1:1,1:2,1:1", local_pref=0)
    blue = upstream.bgpvpn(
        export_targets="64512:2,10.0.0.1:3", route_distinguishers="64512:9", vni=70001, local_pref=200
    )
    stretched = upstream.bgpvpn(name=None, type="l2")
    by_router = upstream.bind("router", router, blue, advertise_extra_routes=0)
    by_network = upstream.bind("network", lone["id"], blue)
    by_port = upstream.bind("port", port, blue, advertise_fixed_ips=0)
    upstream.route(by_port, type="bgpvpn", bgpvpn_id=other)
    upstream.route(by_port, type="prefix", prefix="10.9.0.1/16", local_pref=7)
    before, theirs = counted(cloud), upstream.rows()

    plan = write.look(neutron_context.get_admin_context(), False, settings)
    assert plan.is_clean
    assert (counted(cloud), upstream.rows()) == (before, theirs), "looking changes nothing"
    assert (bring(), upstream.rows()) == (plan, theirs), "done what was said, and theirs are only read"

    shown = cloud.admin.get(f"{BGPVPNS}/{blue}")
    expected = {
        "name": "blue",
        "project_id": owner.project,
        "route_targets": ["64512:1"],
        "import_targets": [],
        "export_targets": ["64512:2", "10.0.0.1:3"],
        "route_distinguishers": ["64512:9"],
        "vni": 70001,
        "local_pref": 200,
        "networks": [lone["id"]],
        "routers": [router],
        "ports": [port],
        "description": "as it was",
        "revision_number": 4,
        "created_at": "2019-05-01T10:00:00Z",
        "updated_at": "2020-06-02T11:00:00Z",
    }
    assert {key: shown[key] for key in expected} == expected
    assert cloud.admin.get(f"{BGPVPNS}/{other}")["import_targets"] == ["1:1", "1:2"]
    assert cloud.admin.get(f"{BGPVPNS}/{stretched}")["name"] == ""
    one = f"{BGPVPNS}/{blue}"
    assert owner.get(f"{one}/router_associations/{by_router}")["advertise_extra_routes"] is False
    assert owner.get(f"{one}/network_associations/{by_network}")["revision_number"] == 4
    bound = owner.get(f"{one}/port_associations/{by_port}")
    assert (bound["port_id"], bound["advertise_fixed_ips"]) == (port, False)
    assert bound["routes"] == [
        {"type": "prefix", "prefix": "10.9.0.1/16", "local_pref": 7},
        {"type": "bgpvpn", "bgpvpn_id": other, "local_pref": None},
    ]

    reconciler.full_pass()
    for place, kind in ((router, "router"), (lone["id"], "network")):
        intent = cloud.northbound.intent(place)
        assert intent.attachment == f"{kind}:{place}"
        assert {(a.bgpvpn, a.vni) for a in intent.associations} == {(blue, 70001)}

    again = bring()
    assert (again.bgpvpns, again.associations, again.same, again.is_clean) == ((), (), 6, True)


def test_what_changes_there_afterwards_is_said_and_left(
    cloud: Cloud, owner: User, upstream: Upstream, bring: Any
) -> None:
    blue = upstream.bgpvpn()
    bring()
    cloud.sql("UPDATE bgpvpns SET name = 'red', route_targets = '64512:1,64512:5' WHERE id = %s", blue)
    later = upstream.bind("network", owner.network(V4)["id"], blue)
    plan = bring()
    assert plan.differs == (
        f"BGPVPN {blue} (red): name is red there, blue here, route_targets are 64512:1 64512:5 there, 64512:1 here",
    )
    assert [a.id for a in plan.associations] == [later], "what is new there comes too"
    shown = cloud.admin.get(f"{BGPVPNS}/{blue}")
    assert (shown["name"], shown["route_targets"]) == ("blue", ["64512:1"])


def test_what_the_api_refuses_here_stays_there(
    cloud: Cloud, owner: User, upstream: Upstream, bring: Any, admin: User
) -> None:
    router, network = owner.make("routers", name="r")["id"], owner.network(V4)
    assert owner.plug(router, network["subnet_ids"][0]).status == 200
    wired = {"provider:network_type": "vlan", "provider:physical_network": "public"}
    vlan = admin.make("networks", name="v", project_id=owner.project, **wired)["id"]
    port = admin.make("ports", network_id=vlan, project_id=owner.project)["id"]
    one, two = upstream.bgpvpn(vni=70002), upstream.bgpvpn(vni=70002)
    good = upstream.bgpvpn()
    by_router = upstream.bind("router", router, good)
    refused = [
        upstream.bind("network", network["id"], good),
        upstream.bind("network", vlan, good),
        upstream.bind("port", port, good),
        upstream.bind("network", network["id"], one),
    ]
    plan = bring()
    assert ([b.id for b in plan.bgpvpns], [a.id for a in plan.associations]) == ([good], [by_router])
    for left_out in (one, two, *refused):
        assert [line for line in plan.refused if left_out in line.split(":")[0]], (left_out, plan.refused)
    assert next(line for line in plan.refused if "its type is vlan" in line).count(vlan) == 2
    assert cloud.admin.call("GET", f"{BGPVPNS}/{one}").status == 404
    plan = bring(drop_shared_vnis=True)
    assert sorted(b.id for b in plan.bgpvpns) == sorted([one, two])
    assert {cloud.admin.get(f"{BGPVPNS}/{b}")["vni"] for b in (one, two)} == {None}


def test_nothing_is_half_done(cloud: Cloud, upstream: Upstream, bring: Any, settings: Settings) -> None:
    """The second of two BGPVPNs gets no VNI: the first is not there either."""
    upstream.bgpvpn()
    upstream.bgpvpn(name="second")
    before = counted(cloud)
    narrow = replace(settings, vni_min=16000001, vni_max=16000001)
    with pytest.raises(exceptions.BGPVPNNoVniLeft):
        bring(settings=narrow)
    assert counted(cloud) == before


def test_the_way_back_stays_open(cloud: Cloud, owner: User, upstream: Upstream, bring: Any) -> None:
    """What is deleted here takes nothing of theirs with it, their standard attributes neither."""
    blue = upstream.bgpvpn()
    upstream.bind("network", owner.network(V4)["id"], blue)
    theirs = upstream.rows()
    bring()
    cloud.admin.delete(f"{BGPVPNS}/{blue}")
    assert upstream.rows() == theirs
    assert theirs["bgpvpns"] != []


def test_the_command(cloud: Cloud, owner: User, upstream: Upstream) -> None:
    blue = upstream.bgpvpn()
    network = owner.network(V4)["id"]
    association = upstream.bind("network", network, blue)
    lines = [
        f"BGPVPN {blue} (blue)",
        f"network association {association} (network {network} in BGPVPN {blue})",
    ]
    counts = "0 here already, 0 differ, 0 cannot be imported"
    done = cloud.command("isthmus-import-bgpvpn")
    said = [f"would be imported: {line}" for line in lines]
    assert done.stdout.splitlines() == [*said, f"1 BGPVPNs and 1 associations would be imported, {counts}"]
    assert done.returncode == 0
    assert cloud.admin.call("GET", f"{BGPVPNS}/{blue}").status == 404
    done = cloud.command("isthmus-import-bgpvpn", "import")
    assert done.stdout.splitlines()[:3] == [
        *(f"imported: {line}" for line in lines),
        f"1 BGPVPNs and 1 associations imported, {counts}",
    ]
    assert done.returncode == 0
    repaired = cloud.command("isthmus-db-sync", "repair")
    assert repaired.returncode == 0, repaired.stdout
    eventually(lambda: _circuit_of(cloud, network))
    cloud.sql("UPDATE bgpvpns SET vni = 5 WHERE id = %s", blue)
    done = cloud.command("isthmus-import-bgpvpn", "import")
    assert done.returncode == 1
    assert f"differs, left as it is here: {lines[0]}: vni is 5 there, None here" in done.stdout.splitlines()


def _circuit_of(cloud: Cloud, network: str) -> None:
    assert f"isthmus-ac-{network}" in cloud.northbound.switch(f"isthmus-ts-{network}")


def test_without_their_tables_there_is_nothing_to_import(cloud: Cloud) -> None:
    done = cloud.command("isthmus-import-bgpvpn")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == (
        "the database has no tables of networking-bgpvpn: there is nothing to import"
    )
