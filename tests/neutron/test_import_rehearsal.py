"""The switch of docs/operator/migrate.md, with the real networking-bgpvpn 25.0.0 in a Neutron of its own.

Its migrations make the tables, its API makes what is imported, and ours answers the same afterwards; then the way back.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.neutron.cloud import V4, Cloud, User, missing_tools

pytestmark = [pytest.mark.neutron, pytest.mark.long]

ROOT = Path(__file__).parents[2]
UPSTREAM = ROOT / ".venv-upstream/bin"
SCHEMA = Path(__file__).parent / "upstream/networking-bgpvpn-25.0.0.sql"
BGPVPNS = "bgpvpn/bgpvpns"
DIFFERENT = {"created_at", "updated_at", "revision_number", "description", "tags", "shared", "tenant_id"}
"""What their API does not show or ours adds; their `tenant_id` is missing until a process has seen some requests."""


class Old(Cloud):
    """The cloud as it was, with networking-bgpvpn's own database-only driver."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, processes=1, bin_=UPSTREAM)

    def settings(self, isthmus: dict[str, Any]) -> dict[str, dict[str, Any]]:
        provider = "BGPVPN:Dummy:benchmarks.upstream_driver.EveryExtension:default"
        return super().settings(isthmus) | {"service_providers": {"service_provider": provider}}


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    missing = missing_tools() or ([] if UPSTREAM.exists() else [str(UPSTREAM)])
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    made = Path(tempfile.mkdtemp(prefix="isthmus-rehearsal-"))
    yield made
    shutil.rmtree(made)


class Furnished:
    """What tenants have when the day of the switch comes."""

    def __init__(self, admin: User, owner: User) -> None:
        project = {"project_id": owner.project}
        self.router, behind, lone = owner.make("routers", name="r")["id"], owner.network(V4), owner.network(V4)
        assert owner.plug(self.router, behind["subnet_ids"][0]).status == 200
        self.lone, self.port = lone["id"], owner.make("ports", network_id=lone["id"])["id"]
        self.source = admin.make(BGPVPNS, name="source", route_targets=["64512:7"], **project)["id"]
        self.blue = admin.make(
            BGPVPNS, name="blue", route_targets=["64512:1"], import_targets=["10.0.0.1:2"], vni=70001, **project
        )["id"]
        one = f"{BGPVPNS}/{self.blue}"
        self.by_router = owner.make(f"{one}/router_associations", router_id=self.router)["id"]
        owner.put(
            f"{one}/router_associations/{self.by_router}", {"router_association": {"advertise_extra_routes": False}}
        )
        self.by_network = owner.make(f"{one}/network_associations", network_id=self.lone)["id"]
        routes = [
            {"type": "prefix", "prefix": "10.9.0.0/16", "local_pref": 100},
            {"type": "bgpvpn", "bgpvpn_id": self.source},
        ]
        self.by_port = owner.make(
            f"{one}/port_associations", port_id=self.port, advertise_fixed_ips=False, routes=routes
        )["id"]

    def shown(self, who: User) -> dict[str, Any]:
        """Everything that the API answers, as it can be compared."""
        paths = [f"{BGPVPNS}/{self.blue}", f"{BGPVPNS}/{self.source}"]
        paths += [
            f"{BGPVPNS}/{self.blue}/{kind}_associations/{association}"
            for kind, association in (
                ("router", self.by_router),
                ("network", self.by_network),
                ("port", self.by_port),
            )
        ]
        return {path: _comparable(who.get(path)) for path in paths}


def _comparable(answer: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in answer.items() if key not in DIFFERENT}
    if "routes" in found:
        found["routes"] = sorted(found["routes"], key=str)
    return found


def test_the_switch_and_the_way_back(home: Path) -> None:
    old = Old(home)
    try:
        old.start()
        owner = old.user(uuid.uuid4().hex)
        things = Furnished(old.admin, owner)
        before = things.shown(old.admin)
        _is_the_committed_schema(old)
        old.kill_api()

        new = Cloud(home, processes=1)
        try:
            new.write_configuration({})
            new.manage("upgrade", "heads")
            dry = new.command("isthmus-import-bgpvpn")
            assert dry.returncode == 0, dry.stdout + dry.stderr
            done = new.command("isthmus-import-bgpvpn", "import")
            assert done.returncode == 0, done.stdout + done.stderr
            assert (
                done.stdout.replace("imported", "would be imported", 5).splitlines()[:5] == dry.stdout.splitlines()[:5]
            )
            new.start_api()
            after = things.shown(new.admin)
            for path, answer in before.items():
                assert {key: after[path].get(key) for key in answer} == answer, path
            repaired = new.command("isthmus-db-sync", "repair")
            assert repaired.returncode == 0, repaired.stdout
            for place in (things.router, things.lone):
                assert [a.vni for a in new.northbound.intent(place).associations] == [70001]
            again = new.command("isthmus-import-bgpvpn", "import")
            assert again.stdout.splitlines()[-1].startswith("0 BGPVPNs and 0 associations imported, 5 here already")
            new.admin.delete(f"{BGPVPNS}/{things.blue}")
        finally:
            new.stop()

        old.write_configuration({})
        old.start_api()
        for path, answer in things.shown(old.admin).items():
            assert answer == before[path], "the way back"
    finally:
        old.stop()


def _is_the_committed_schema(cloud: Cloud) -> None:
    made = []
    committed = SCHEMA.read_text().split("\n\n")[1:]
    for statement in committed:
        name = statement.split("`")[1]
        [(_name, text)] = cloud.sql(f"SHOW CREATE TABLE {name}")
        made.append(f"{text};")
    assert made == [statement.rstrip("\n") for statement in committed]
