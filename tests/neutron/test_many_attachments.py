"""A request that concerns very many attachments writes ten of them; the worker writes the others."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest
from neutron.db import models_v2
from neutron_lib import context as neutron_context
from neutron_lib.db import api as db_api

from isthmus.model.intent import bgpvpn_port, read_attachment, read_bgpvpn, resolve
from isthmus.neutron.callbacks.marks import Marks
from isthmus.neutron.ovn.reconciler import BATCH, Reconciler
from isthmus.neutron.rows import numbers
from isthmus.neutron.words import exceptions
from tests.eventually import eventually
from tests.neutron.cloud import Cloud, User
from tests.neutron.test_sharing import share

pytestmark = [pytest.mark.neutron, pytest.mark.usefixtures("form_1")]

BGPVPNS = "bgpvpn/bgpvpns"
MANY, AT_ONCE = 40, 10


class Scene:
    """One BGPVPN with many networks."""

    def __init__(self, cloud: Cloud, owner: User) -> None:
        self.cloud, self.owner = cloud, owner
        bodies = [{"name": "n", "project_id": owner.project} for _ in range(MANY)]
        made = owner.call("POST", "networks", {"networks": bodies})
        assert made.status == 201, made.message
        self.networks = sorted(network["id"] for network in made.body["networks"])
        subnets = [
            {"network_id": network, "ip_version": 4, "cidr": f"10.{number}.0.0/24", "project_id": owner.project}
            for number, network in enumerate(self.networks)
        ]
        assert owner.call("POST", "subnets", {"subnets": subnets}).status == 201
        self.path = f"{BGPVPNS}/{cloud.admin.make(BGPVPNS, project_id=owner.project, route_targets=['1:1'])['id']}"

    def associate(self) -> None:
        bodies = [
            {"network_association": {"network_id": network, "project_id": self.owner.project}}
            for network in self.networks
        ]
        path = f"{self.path}/network_associations"
        made = self.owner.call("POST", path, {"network_associations": {"network_associations": bodies}})
        if made.status != 201:
            for network in self.networks:
                self.owner.make(path, network_id=network)

    def with_target(self, target: str) -> set[str]:
        """The networks of which nodes read so, whatever the form of the rows: a worker that is started decides it."""
        ports = self.cloud.northbound.tables("Logical_Switch_Port")["Logical_Switch_Port"]
        rows = {p["name"]: p["external_ids"] for p in ports if p["name"].startswith("isthmus-")}
        found = set()
        for network in self.networks:
            if (row := rows.get(f"isthmus-ac-{network}")) is not None:
                read = read_attachment(row)
                vpns = {b: read_bgpvpn(rows[bgpvpn_port(b)]) for b in read.bgpvpns if bgpvpn_port(b) in rows}
                imports = {str(t) for a in resolve(read, vpns).associations for t in a.imports}
                found |= {network} if target in imports else set()
        return found

    def marked(self) -> set[str]:
        return {name.split(":")[1] for (name,) in self.cloud.sql("SELECT attachment_id FROM isthmus_dirty")}

    def target(self, target: str) -> None:
        self.cloud.admin.put(self.path, {"bgpvpn": {"route_targets": [target]}})


@pytest.fixture(scope="module")
def built(cloud: Cloud, reconciler: Reconciler) -> Iterator[Scene]:
    made = Scene(cloud, cloud.user(uuid.uuid4().hex))
    made.associate()
    yield made
    cloud.admin.call("DELETE", made.path)
    reconciler.drain()
    reconciler.full_pass()


@pytest.fixture
def scene(built: Scene, reconciler: Reconciler) -> Scene:
    """Everything is as the database says, and the BGPVPN has the target 1:1."""
    built.target("1:1")
    reconciler.drain()
    all_told(built, "1:1")()
    return built


def all_told(scene: Scene, target: str) -> Callable[[], None]:
    def check() -> None:
        assert scene.with_target(target) == set(scene.networks)
        assert scene.marked() == set()

    return check


def test_a_put_writes_ten_and_marks_the_others_which_the_worker_writes_at_once(scene: Scene) -> None:
    scene.target("1:2")
    written = scene.with_target("1:2")
    assert (len(written), scene.marked()) == (AT_ONCE, set(scene.networks) - written)
    assert scene.owner.get(scene.path)["status"] == "BUILD"
    associations = scene.owner.get(f"{scene.path}/network_associations")
    assert {a["network_id"] for a in associations if a["status"] == "BUILD"} == scene.marked()
    worker = scene.cloud.periodic_workers(reconcile_interval_s=3600)
    try:
        eventually(all_told(scene, "1:2"))
        scene.target("1:3")  # long before the next full pass
        eventually(all_told(scene, "1:3"), within=20)
    finally:
        worker.stop()
    assert scene.owner.get(scene.path)["status"] == "DOWN", "no port of it is up, and nothing else is wrong"


def test_a_put_of_what_no_node_needs_to_know_writes_and_marks_nothing(scene: Scene) -> None:
    scene.cloud.admin.put(scene.path, {"bgpvpn": {"name": "other"}})
    assert scene.marked() == set()


def test_a_worker_that_is_killed_leaves_the_marks_and_the_next_goes_on(scene: Scene) -> None:
    cloud = scene.cloud
    last = f"network:{scene.networks[-1]}"
    with contextlib.closing(
        pymysql.connect(unix_socket=str(cloud.sockets["mysql"]), user="root", database="neutron")
    ) as connection:
        connection.cursor().execute("SELECT * FROM isthmus_attachments WHERE id = %s FOR UPDATE", (last,))
        scene.target("1:2")
        before = scene.marked()
        worker = cloud.periodic_workers(reconcile_interval_s=3600)
        cloud.until_one_waits()
        worker.stop()
        assert scene.marked() == before
    assert scene.with_target("1:2") == set(scene.networks) - before
    worker = cloud.periodic_workers(reconcile_interval_s=3600)
    try:
        eventually(all_told(scene, "1:2"))
    finally:
        worker.stop()


def test_what_is_marked_again_while_it_is_written_is_written_again(
    scene: Scene, northbound: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[set[str]] = []
    apply = northbound.apply

    def and_marked_again(wanted: Any) -> Any:
        done = apply(wanted)
        if not written:
            scene.target("1:3")
        written.append({name.split(":")[1] for name in wanted})
        return done

    scene.target("1:2")
    marked = scene.marked()
    monkeypatch.setattr(northbound, "apply", and_marked_again)
    Reconciler(northbound, settings).drain()
    assert written[0] == marked, f"all in one transaction: at most {BATCH}"
    assert set().union(*written[1:]) == marked
    all_told(scene, "1:3")()


def test_the_next_full_pass_writes_what_no_worker_has(scene: Scene, reconciler: Reconciler) -> None:
    scene.target("1:2")
    reconciler.full_pass()
    all_told(scene, "1:2")()


def test_one_that_cannot_be_settled_keeps_its_mark_and_nobody_else(
    scene: Scene, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.target("1:2")
    [broken, *others] = sorted(scene.marked())
    assign = numbers.assign

    def none_left(session: Any, wanted: Any, numbered: bool) -> Any:
        if f"network:{broken}" in wanted:
            raise exceptions.BGPVPNNoNumberLeft(low=16, high=65535)
        return assign(session, wanted, numbered)

    with monkeypatch.context() as patch:
        patch.setattr(numbers, "assign", none_left)
        assert not reconciler.drain()
    assert scene.marked() == {broken}
    assert scene.with_target("1:2") >= set(others)
    assert reconciler.drain()
    all_told(scene, "1:2")()


def test_the_gateway_of_an_external_subnet_marks_its_routers_with_the_change(
    cloud: Cloud, owner: User, settings: Any, reconciler: Reconciler
) -> None:
    flat = {"provider:network_type": "flat", "provider:physical_network": "other"}
    subnet = {"ip_version": 4, "cidr": "192.0.2.0/24", "gateway_ip": None}
    subnet |= {"allocation_pools": [{"start": "192.0.2.10", "end": "192.0.2.200"}]}
    outside = cloud.admin.network(subnet, **{"router:external": True}, **flat)
    one = f"{BGPVPNS}/{cloud.admin.make(BGPVPNS, project_id=owner.project)['id']}"
    routers = [
        owner.make("routers", name="r", external_gateway_info={"network_id": outside["id"]})["id"] for _ in range(12)
    ]
    for number, router in enumerate(routers):
        assert owner.plug(router, owner.network({"ip_version": 4, "cidr": f"10.{number}.0.0/24"})["subnet_ids"][0])
        owner.make(f"{one}/router_associations", router_id=router)
    cloud.sql("DELETE FROM isthmus_dirty")

    def defaults() -> int:
        rows = cloud.northbound.tables("Logical_Router_Static_Route")["Logical_Router_Static_Route"]
        ours = [r for r in rows if r["external_ids"].get("isthmus:kind") == "route" and r["ip_prefix"] == "0.0.0.0/0"]
        return sum(any(router in r["external_ids"]["isthmus:attachment"] for router in routers) for r in ours)

    def marked() -> int:
        return int(cloud.sql("SELECT COUNT(*) FROM isthmus_dirty")[0][0])

    try:
        assert defaults() == 12
        path = f"subnets/{outside['subnet_ids'][0]}"
        cloud.admin.put(path, {"subnet": {"gateway_ip": "192.0.2.1"}})
        assert (defaults(), marked()) == (2, 2), "ten were written"
        reconciler.drain()
        assert (defaults(), marked()) == (0, 0)
        Marks(AT_ONCE)  # in this process too
        context = neutron_context.get_admin_context()
        with contextlib.suppress(ZeroDivisionError), db_api.CONTEXT_WRITER.using(context):
            context.session.get(models_v2.Subnet, outside["subnet_ids"][0]).gateway_ip = None
            context.session.flush()
            _ = 1 / 0
        assert marked() == 0, "the change was not made"
        with db_api.CONTEXT_WRITER.using(context):
            context.session.get(models_v2.Subnet, outside["subnet_ids"][0]).gateway_ip = None
        assert marked() == 2
        reconciler.full_pass()
        assert (defaults(), marked()) == (12, 0)
    finally:
        cloud.admin.delete(one)
        for router in routers:
            owner.call("PUT", f"routers/{router}", {"router": {"external_gateway_info": None}})
        cloud.admin.delete(f"networks/{outside['id']}")


# ---------------------------------------------------------------------------------------- rows that are full


def test_a_guest_who_fills_its_row_does_not_keep_the_owner_from_a_change(
    cloud: Cloud, admin: User, owner: User
) -> None:
    """The surplus association, the guest's own, is left out and says so; everything else goes on."""
    guest = cloud.user(uuid.uuid4().hex)
    shared = admin.make(BGPVPNS, project_id=owner.project, route_targets=["64512:42"])["id"]
    share(owner, f"{BGPVPNS}/{shared}", guest.project)
    network = guest.network({"ip_version": 4, "cidr": "10.79.0.0/24"})["id"]
    first = guest.make(f"{BGPVPNS}/{shared}/network_associations", network_id=network)["id"]
    own, answer = [], None
    while answer is None or answer.status == 201:
        targets = [f"64512:{30000 + 64 * len(own) + n}" for n in range(64)]
        own.append(admin.make(BGPVPNS, project_id=guest.project, route_targets=targets)["id"])
        body = {"network_association": {"network_id": network}}
        answer = guest.call("POST", f"{BGPVPNS}/{own[-1]}/network_associations", body)
    assert (answer.status, answer.kind) == (400, "BGPVPNTooManyAssociations"), "a request of one's own may be refused"
    full = own.pop()
    admin.delete(f"{BGPVPNS}/{full}")

    def told() -> set[str]:
        row = cloud.northbound.switch(f"isthmus-ts-{network}")[f"isthmus-ac-{network}"]["external_ids"]
        return {b for b in [shared, *own] if b in str(row)}

    assert told() == {shared, *own}
    many = [f"64512:{50000 + n}" for n in range(64)]
    changed = admin.call("PUT", f"{BGPVPNS}/{shared}", {"bgpvpn": {"import_targets": many, "export_targets": many}})
    assert changed.status == 200, changed.message
    assert told() == set(own), "the guest's association with the shared one, not its own BGPVPNs"
    path = f"{BGPVPNS}/{shared}/network_associations"
    for shown in (guest.get(f"{path}/{first}"), guest.get(path)[0], guest.get(f"{BGPVPNS}/{shared}")):
        assert (shown["status"], "more BGPVPNs" in shown["status_reason"]) == ("DOWN", True), shown
    for bgpvpn in own:
        assert "more BGPVPNs" not in guest.get(f"{BGPVPNS}/{bgpvpn}")["status_reason"]
    guest.delete(
        f"{BGPVPNS}/{own[0]}/network_associations/{guest.get(f'{BGPVPNS}/{own[0]}/network_associations')[0]['id']}"
    )
    admin.put(f"{BGPVPNS}/{shared}", {"bgpvpn": {"import_targets": [], "export_targets": []}})
    assert told() == {shared, *own[1:]}
    assert "more BGPVPNs" not in guest.get(f"{path}/{first}")["status_reason"]


# ------------------------------------------------------------------------- the last: nothing of the scene is left


def test_a_delete_takes_ten_away_and_the_worker_the_others(scene: Scene, reconciler: Reconciler) -> None:
    scene.cloud.admin.delete(scene.path)
    assert len(scene.with_target("1:1")) == MANY - AT_ONCE
    reconciler.drain()
    assert scene.with_target("1:1") == set()
    ours = " ".join(scene.cloud.northbound.ours())
    assert not [network for network in scene.networks if network in ours]
