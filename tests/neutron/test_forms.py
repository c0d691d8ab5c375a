"""Rows in two forms: what each BGPVPN's own row carries, who decides the form, and the way from one to the other."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from isthmus.model.intent import UnknownSchema, from_external_ids, read_attachment
from isthmus.neutron.attachments.desired import Unserved
from isthmus.neutron.commands.sync.drift import Sync
from isthmus.neutron.ovn.northbound import Northbound, Outcome
from isthmus.neutron.ovn.reconciler import Reconciler
from tests.eventually import eventually
from tests.neutron.cloud import V4, Cloud, User
from tests.neutron.hypervisors import AGENT, Hypervisor, Southbound
from tests.neutron.test_sharing import share

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"


class Scene:
    """Networks without router, each in the BGPVPN by itself; and a router in it."""

    def __init__(self, cloud: Cloud, owner: User, many: int = 3) -> None:
        self.cloud, self.owner = cloud, owner
        self.id = cloud.admin.make(BGPVPNS, project_id=owner.project, route_targets=["64512:1"])["id"]
        self.path = f"{BGPVPNS}/{self.id}"
        self.places = [owner.network({**V4, "cidr": f"10.{n}.0.0/24"})["id"] for n in range(1, many)]
        self.bound = {place: self.bind("network", place) for place in self.places}
        router, behind = owner.make("routers", name="r")["id"], owner.network({**V4, "cidr": "10.99.0.0/24"})
        assert owner.plug(router, behind["subnet_ids"][0]).status == 200
        self.bound[router] = self.bind("router", router)
        self.places.append(router)

    def bind(self, kind: str, target: str, path: str = "") -> str:
        path = f"{path or self.path}/{kind}_associations"
        return f"{path}/{self.owner.make(path, **{f'{kind}_id': target})['id']}"

    def ports(self) -> dict[str, dict[str, Any]]:
        rows = self.cloud.northbound.tables("Logical_Switch_Port")["Logical_Switch_Port"]
        ours = {f"isthmus-ac-{place}" for place in self.places} | {f"isthmus-vpn-{self.id}"}
        return {row["name"]: row for row in rows if row["name"] in ours}

    def rows(self) -> dict[str, dict[str, str]]:
        """All that is written for nodes."""
        return {name: row["external_ids"] for name, row in self.ports().items()}

    def targets(self) -> set[tuple[str, ...]]:
        intents = [self.cloud.northbound.intent(place) for place in self.places]
        return {tuple(str(t) for t in a.imports) for intent in intents for a in intent.associations}


@pytest.fixture
def scene(cloud: Cloud, owner: User, reconciler: Reconciler) -> Iterator[Scene]:
    reconciler.full_pass()
    made = Scene(cloud, owner)
    yield made
    cloud.admin.call("DELETE", made.path)
    eventually(lambda: _nothing_to_do(reconciler))


def _nothing_to_do(reconciler: Reconciler) -> None:
    assert reconciler.full_pass() == []


def test_a_bgpvpn_has_a_row_that_carries_no_packets(scene: Scene, reconciler: Reconciler) -> None:
    row = scene.ports()[f"isthmus-vpn-{scene.id}"]
    assert row["external_ids"] | {"isthmus:vni": "", "isthmus:revision": ""} == {
        "isthmus:kind": "vpn",
        "isthmus:schema": "2",
        "isthmus:written-by": "2",
        "isthmus:revision": "",
        "isthmus:bgpvpn": scene.id,
        "isthmus:vni": "",
        "isthmus:imports": "64512:1",
        "isthmus:exports": "64512:1",
    }
    assert (row["type"], row["addresses"], row["enabled"]) == ("localport", [], False)
    assert f"isthmus-vpn-{scene.id}" in scene.cloud.northbound.switch(f"isthmus-vpns-{scene.id[0]}")
    assert scene.targets() == {("64512:1",)}
    _nothing_to_do(reconciler)


def test_a_change_of_targets_writes_one_row_whatever_the_number_of_attachments(
    scene: Scene, reconciler: Reconciler
) -> None:
    before = scene.rows()
    scene.cloud.admin.put(scene.path, {"bgpvpn": {"route_targets": ["64512:2"]}})
    after = scene.rows()
    assert {name for name in after if after[name] != before[name]} == {f"isthmus-vpn-{scene.id}"}
    assert scene.targets() == {("64512:2",)}
    _nothing_to_do(reconciler)
    assert scene.rows() == after


def test_a_revision_is_above_those_of_all_the_rows_that_are_read_with_it(scene: Scene) -> None:
    """A node reports one revision for an attachment: the highest of its rows."""
    place, told = scene.places[0], scene.cloud.northbound.intent
    other = scene.cloud.admin.make(BGPVPNS, project_id=scene.owner.project)
    seen = [told(place).revision]
    for number in range(3):
        scene.cloud.admin.put(scene.path, {"bgpvpn": {"route_targets": [f"64512:{10 + number}"]}})
        seen.append(told(place).revision)
        bound = scene.bind("network", place, f"{BGPVPNS}/{other['id']}")
        seen.append(told(place).revision)
        scene.cloud.admin.put(f"{BGPVPNS}/{other['id']}", {"bgpvpn": {"local_pref": number}})
        seen.append(told(place).revision)
        scene.owner.delete(bound)
        seen.append(told(place).revision)
    assert seen == sorted(set(seen)), "each change is a higher one"


def test_a_row_of_a_bgpvpn_goes_with_the_last_reference(scene: Scene, owner: User) -> None:
    vpn = f"isthmus-vpn-{scene.id}"
    for place in scene.places:
        assert vpn in scene.rows()
        owner.delete(scene.bound[place])
    assert scene.rows() == {}
    scene.bind("network", scene.places[0])
    assert vpn in scene.rows()
    scene.cloud.admin.delete(scene.path)
    assert scene.rows() == {}
    assert scene.cloud.sql("SELECT * FROM isthmus_bgpvpn_rows WHERE bgpvpn_id = %s", scene.id) == []


def test_rows_of_bgpvpns_changed_by_hand_come_back(
    scene: Scene, reconciler: Reconciler, northbound: Northbound, settings: Any
) -> None:
    vpn, switch, run = f"isthmus-vpn-{scene.id}", f"isthmus-vpns-{scene.id[0]}", scene.cloud.northbound.run
    name, whole = f"bgpvpn:{scene.id}", northbound.rows(f"bgpvpn:{scene.id}")
    sync = Sync(northbound, settings)
    assert whole and sync.look() == []
    for harm, words in [
        (("lsp-del", vpn), f"{name}: Logical_Switch_Port {vpn} of {switch} is missing"),
        (("lsp-set-enabled", vpn, "enabled"), f"{name}: Logical_Switch_Port {vpn} of {switch} differs in enabled"),
        (
            ("clear", "Logical_Switch_Port", vpn, "external_ids"),
            f"{name}: Logical_Switch_Port {vpn} of {switch} differs in external_ids",
        ),
        (("ls-del", switch), f"bgpvpns: Logical_Switch {switch} is missing"),
    ]:
        run(*harm)
        eventually(lambda words=words: _found(sync, words))
        assert sync.repair().left == []
        assert northbound.rows(name) == whole, harm
        _nothing_to_do(reconciler)
    orphan = "isthmus-vpn-00000000-0000-4000-8000-00000000dead"
    run("lsp-add", switch, orphan, "--", "lsp-set-type", orphan, "localport")
    words = f"bgpvpn:{orphan.removeprefix('isthmus-vpn-')}: nothing is associated, but OVN has Logical_Switch_Port"
    eventually(lambda: _found(sync, words))
    assert sync.repair().left == []


def _found(sync: Sync, words: str) -> None:
    lines = sync.look()
    assert any(line.startswith(words) for line in lines), lines


def test_from_one_form_to_the_other_and_back_nodes_read_the_same(
    scene: Scene, reconciler: Reconciler, northbound: Northbound
) -> None:
    def read() -> list[Any]:
        """All but the numbers, which only form 1 must have, and what only form 2 has keys for: lanes, own addresses."""
        only_2 = {"lanes": (), "addresses": ()}
        intents = [replace(scene.cloud.northbound.intent(place), revision=0, **only_2) for place in scene.places]
        return [replace(i, associations=tuple(replace(a, number=None) for a in i.associations)) for i in intents]

    def numbers() -> list[int | None]:
        return [a.number for place in scene.places for a in scene.cloud.northbound.intent(place).associations]

    before = read()
    assert set(numbers()) == {None}
    scene.cloud.write_in_form(1)
    eventually(lambda: _settles(reconciler))
    assert read() == before
    given = numbers()
    assert None not in given
    keys = scene.rows()
    assert f"isthmus-vpn-{scene.id}" not in keys
    assert all(from_external_ids(row) for row in keys.values()) and {k["isthmus:schema"] for k in keys.values()} == {
        "1"
    }
    assert not [row for row in scene.cloud.northbound.ours() if "isthmus-vpns-" in row]
    scene.cloud.admin.put(scene.path, {"bgpvpn": {"route_targets": ["64512:3"]}})
    assert scene.targets() == {("64512:3",)}
    scene.cloud.write_in_form(2)
    eventually(lambda: _settles(reconciler))
    assert {k["isthmus:schema"] for k in scene.rows().values()} == {"2"}
    assert scene.targets() == {("64512:3",)}
    assert numbers() == given, "what stands keeps its number"
    assert all(northbound.rows(f"bgpvpn:{b}") for b in [scene.id])


def _converge(reconciler: Reconciler, name: str) -> Outcome:
    [result] = reconciler.converge([name])
    return result.outcome


def _settles(reconciler: Reconciler) -> None:
    reconciler.full_pass()
    _nothing_to_do(reconciler)


def test_while_one_attachment_is_still_in_form_2_its_bgpvpn_keeps_its_row(scene: Scene, reconciler: Reconciler) -> None:
    """Whoever meets the change in the middle: nothing may refer to what is not there."""
    scene.cloud.write_in_form(1)
    first, *others = scene.places
    names = {place: f"router:{place}" if place == scene.places[-1] else f"network:{place}" for place in scene.places}
    _converge(reconciler, names[first])
    _converge(reconciler, f"bgpvpn:{scene.id}")
    assert scene.targets() == {("64512:1",)} and f"isthmus-vpn-{scene.id}" in scene.rows()
    for place in others:
        _converge(reconciler, names[place])
        assert scene.targets() == {("64512:1",)}
    _converge(reconciler, f"bgpvpn:{scene.id}")
    assert f"isthmus-vpn-{scene.id}" not in scene.rows()
    scene.cloud.write_in_form(2)
    scene.cloud.northbound.run("ls-del", f"isthmus-vpns-{scene.id[0]}")
    eventually(lambda: _waits(reconciler, names[first]))
    assert scene.targets() == {("64512:1",)}, "it has no place for its row yet, so nothing refers to it"
    reconciler.full_pass()
    assert scene.targets() == {("64512:1",)} and f"isthmus-vpn-{scene.id}" in scene.rows()


def _waits(reconciler: Reconciler, name: str) -> None:
    assert _converge(reconciler, name) is Outcome.WAITING


def test_what_a_newer_release_has_written_is_left_alone(scene: Scene, reconciler: Reconciler) -> None:
    place = scene.places[0]
    row = f"isthmus-ac-{place}"
    scene.cloud.northbound.run("set", "Logical_Switch_Port", row, 'external_ids:"isthmus:written-by"=3')
    eventually(lambda: _is_left(reconciler, f"network:{place}"))
    before = scene.rows()
    reconciler.full_pass()
    scene.bind("network", place, f"{BGPVPNS}/{scene.cloud.admin.make(BGPVPNS, project_id=scene.owner.project)['id']}")
    assert scene.rows() == before
    scene.cloud.northbound.run("set", "Logical_Switch_Port", row, 'external_ids:"isthmus:written-by"=2')
    eventually(lambda: _settles(reconciler))
    assert scene.rows() != before
    digest = "3:" + "0" * 62
    scene.cloud.sql("UPDATE isthmus_attachments SET digest = %s WHERE id = %s", digest, f"network:{place}")
    assert _converge(reconciler, f"network:{place}") is Outcome.LEFT, "what it settled is not settled anew"
    scene.cloud.sql("UPDATE isthmus_attachments SET digest = '' WHERE id = %s", f"network:{place}")
    scene.cloud.sql("REPLACE INTO isthmus_intent_forms (id, form) VALUES (1, 3)")
    try:
        assert reconciler.full_pass() == []
        assert _converge(reconciler, f"network:{place}") is Outcome.LEFT
    finally:
        scene.cloud.write_in_form(2)


def _is_left(reconciler: Reconciler, name: str) -> None:
    assert _converge(reconciler, name) in (Outcome.LEFT, Outcome.UNCHANGED)
    assert _converge(reconciler, name) is Outcome.LEFT


@pytest.mark.usefixtures("form_1")
def test_a_guest_does_not_hold_up_the_owner_and_the_surplus_says_so(
    cloud: Cloud, admin: User, owner: User, reconciler: Reconciler
) -> None:
    """The guest has filled the row of its network; the owner of a shared BGPVPN gives it more targets."""
    guest = cloud.user(uuid.uuid4().hex)
    network = guest.network(V4)["id"]
    fill = [f"4294967295:{n}" for n in range(64)]
    own = [admin.make(BGPVPNS, project_id=guest.project, import_targets=fill, export_targets=fill) for _ in range(6)]
    shared = admin.make(BGPVPNS, project_id=owner.project, route_targets=["64512:1"])
    share(owner, f"{BGPVPNS}/{shared['id']}", guest.project)
    bound = [guest.make(f"{BGPVPNS}/{b['id']}/network_associations", network_id=network) for b in (*own, shared)]
    more = {"import_targets": fill, "export_targets": fill, "route_targets": [f"4294967294:{n}" for n in range(64)]}
    answer = admin.call("PUT", f"{BGPVPNS}/{shared['id']}", {"bgpvpn": more})
    assert answer.status == 200
    told = {a.association for a in cloud.northbound.intent(network).associations}
    assert told == {b["id"] for b in bound} - {bound[-1]["id"]}, "who came last has no place"
    shown = guest.get(f"{BGPVPNS}/{shared['id']}/network_associations/{bound[-1]['id']}")
    assert (shown["status"], shown["status_reason"]) == ("DOWN", Unserved.TOO_LARGE.value)
    cloud.write_in_form(2)
    eventually(lambda: _settles(reconciler))
    assert {a.association for a in cloud.northbound.intent(network).associations} == {b["id"] for b in bound}


def test_the_worker_writes_what_every_living_agent_reads(cloud: Cloud, scene: Scene, reconciler: Reconciler) -> None:
    southbound = Southbound(cloud)
    old, new = Hypervisor(southbound, "old-agent"), Hypervisor(southbound, "new-agent")
    worker = cloud.periodic_workers(reconcile_interval_s=0.5)
    try:
        new.reports()
        old.reports(agent=replace(AGENT, reads=1))
        eventually(lambda: _all_in(scene, "1"), within=60)
        assert scene.targets() == {("64512:1",)}
        old.reports()
        eventually(lambda: _all_in(scene, "2"), within=60)
        assert scene.targets() == {("64512:1",)}
        assert cloud.form == 2
    finally:
        worker.stop()
        old.gone()
        new.gone()


def _all_in(scene: Scene, form: str) -> None:
    keys = scene.rows()
    assert {name: k["isthmus:schema"] for name, k in keys.items() if name.startswith("isthmus-ac-")} == {
        f"isthmus-ac-{place}": form for place in scene.places
    }
    assert (f"isthmus-vpn-{scene.id}" in keys) == (form == "2")


def test_an_old_agent_finds_in_form_2_a_schema_that_it_does_not_know(scene: Scene) -> None:
    """It keeps what stands; that is what `isthmus:schema` is for."""
    for name, keys in scene.rows().items():
        assert keys["isthmus:schema"] == "2", name
        with pytest.raises(UnknownSchema):
            read_attachment(json.loads(json.dumps(keys)) | {"isthmus:schema": "3"})
