"""Level, not edge: whatever has happened to the rows, the next pass rights them, and the one after writes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from neutron_lib import context as neutron_context

from isthmus.neutron.attachments import settling
from isthmus.neutron.ovn.northbound import Northbound, Outcome, Unavailable
from isthmus.neutron.ovn.reconciler import Reconciler
from tests.eventually import eventually
from tests.neutron.cloud import V4, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"


class Scene:
    """A router and a router-less network, both in one BGPVPN."""

    def __init__(self, cloud: Cloud, owner: User) -> None:
        self.bgpvpn = cloud.admin.make(BGPVPNS, project_id=owner.project, route_targets=["64512:1"])
        one = f"{BGPVPNS}/{self.bgpvpn['id']}"
        behind, lone = owner.network(V4), owner.network({**V4, "cidr": "10.2.0.0/24"})
        self.router, self.network = owner.make("routers", name="r")["id"], lone["id"]
        for subnet in behind["subnet_ids"]:
            assert owner.plug(self.router, subnet).status == 200
        self.by_router = owner.make(f"{one}/router_associations", router_id=self.router)
        self.by_network = owner.make(f"{one}/network_associations", network_id=self.network)
        self.attachments = (f"router:{self.router}", f"network:{self.network}")


@pytest.fixture
def scene(cloud: Cloud, owner: User, reconciler: Reconciler) -> Any:
    reconciler.full_pass()
    made = Scene(cloud, owner)
    yield made
    cloud.admin.call("DELETE", f"{BGPVPNS}/{made.bgpvpn['id']}")
    eventually(lambda: _nothing_to_do(reconciler))


def _nothing_to_do(reconciler: Reconciler) -> None:
    assert reconciler.full_pass() == []


def test_what_the_api_wrote_needs_nothing_more(cloud: Cloud, scene: Scene, reconciler: Reconciler) -> None:
    eventually(lambda: _nothing_to_do(reconciler))
    before = cloud.northbound.ours()
    assert [r.outcome for r in reconciler.converge(scene.attachments)] == [Outcome.UNCHANGED] * 2
    assert cloud.northbound.ours() == before


def test_a_gateway_concerns_its_router_and_its_subnet_all_routers_on_it(
    cloud: Cloud, owner: User, settings: Any
) -> None:
    """An external network has very many routers: one that comes or goes must not touch the others."""
    flat = {"provider:network_type": "flat", "provider:physical_network": "other"}
    outside = cloud.admin.network({"ip_version": 4, "cidr": "192.0.2.0/24"}, **{"router:external": True}, **flat)["id"]
    one, gateway = cloud.admin.make(BGPVPNS, project_id=owner.project)["id"], {"network_id": outside}
    routers = [owner.make("routers", name="r", external_gateway_info=gateway)["id"] for _ in range(2)]
    for router in routers:
        owner.make(f"{BGPVPNS}/{one}/router_associations", router_id=router)
    context, both = neutron_context.get_admin_context(), {f"router:{router}" for router in routers}
    assert settling.around(context, [outside], routers[:1]) == {f"router:{routers[0]}"}
    assert settling.around(context, [outside], (), [outside]) == both
    for router in routers:
        owner.delete(f"routers/{router}")
    cloud.admin.delete(f"networks/{outside}")


def test_rows_removed_and_changed_by_hand_come_back(
    cloud: Cloud, scene: Scene, reconciler: Reconciler, northbound: Northbound
) -> None:
    nb, r, n = cloud.northbound, scene.router, scene.network
    whole = {a: eventually(lambda a=a: _present(northbound, a)) for a in scene.attachments}
    for harm in [
        ("lsp-del", f"isthmus-ac-{r}"),
        ("lsp-del", f"isthmus-gws-{n}"),
        ("ls-del", f"isthmus-ts-{r}"),
        ("lrp-del", f"isthmus-lrp-{r}"),
        ("lr-del", f"isthmus-lr-{n}"),
        ("lr-policy-del", f"neutron-{r}"),
        ("lr-route-del", f"neutron-{r}"),
        ("lsp-set-addresses", f"isthmus-ac-{r}", "unknown"),
        ("set", "Logical_Router_Port", f"isthmus-lrp-{r}", "networks=10.0.0.1/8"),
        ("clear", "Logical_Switch_Port", f"isthmus-ac-{r}", "external_ids"),
        ("clear", "Logical_Switch", f"isthmus-ts-{n}", "external_ids"),
    ]:
        nb.run(*harm)
        eventually(lambda: _differs(northbound, whole), within=5)
        assert {result.outcome for result in reconciler.full_pass()} == {Outcome.WRITTEN}, harm
        assert {a: northbound.rows(a) for a in scene.attachments} == whole, harm
        assert reconciler.full_pass() == []


def _present(northbound: Northbound, attachment: str) -> Any:
    rows = northbound.rows(attachment)
    assert rows, f"{attachment} has no rows"
    return rows


def _differs(northbound: Northbound, whole: dict[str, Any]) -> None:
    assert {a: northbound.rows(a) for a in whole} != whole, "the harm has not been seen yet"


def test_a_policy_that_lost_its_keys_is_found_again_and_a_doubled_one_removed(
    cloud: Cloud, scene: Scene, reconciler: Reconciler
) -> None:
    nb, router = cloud.northbound, f"neutron-{scene.router}"
    guard = next(p for p in nb.router(router)["policies"] if p["priority"] == 1090)
    nb.run("clear", "Logical_Router_Policy", guard["_uuid"], "external_ids")
    match = guard["match"].replace('"', '\\"')
    create = ["--", "--id=@new", "create", "Logical_Router_Policy", "priority=1090", f'match="{match}"', "action=drop"]
    nb.run(*create, "--", "add", "Logical_Router", router, "policies", "@new")
    foreign = nb.run("lr-policy-add", router, "900", "ip4.dst == 10.99.0.0/16", "drop")
    assert foreign == ""

    def healed() -> None:
        reconciler.full_pass()
        policies = nb.router(router)["policies"]
        assert sorted(p["priority"] for p in policies) == [900, 1000, 1000, 1080, 1090, 1100, 1100]
        [loop] = [p for p in policies if p["priority"] == 1090]
        assert loop["external_ids"]["isthmus:kind"] == "policy"

    eventually(healed)


def test_orphans_go(cloud: Cloud, scene: Scene, reconciler: Reconciler) -> None:
    """Rows of ours for which no association speaks: the database was changed behind everybody's back."""
    cloud.sql("DELETE FROM isthmus_router_associations WHERE id = %s", scene.by_router["id"])
    cloud.sql("DELETE FROM isthmus_network_associations WHERE id = %s", scene.by_network["id"])
    assert {r.attachment for r in reconciler.full_pass()} >= set(scene.attachments)
    left = [row for row in cloud.northbound.ours() if scene.router in row or scene.network in row]
    assert left == []
    assert cloud.sql("SELECT * FROM isthmus_numbers WHERE bgpvpn_id = %s", scene.bgpvpn["id"]) == []


def test_what_a_router_left_in_ovn_when_it_could_not_be_written_goes(
    cloud: Cloud, scene: Scene, reconciler: Reconciler
) -> None:
    """Deleted in Neutron while OVN was away: neither associations nor our own row of it are there any more."""
    for table in ("isthmus_router_associations", "isthmus_network_associations"):
        cloud.sql(f"DELETE FROM {table} WHERE bgpvpn_id = %s", scene.bgpvpn["id"])
    for attachment in scene.attachments:
        cloud.sql("DELETE FROM isthmus_attachments WHERE id = %s", attachment)
    reconciler.full_pass()
    assert [row for row in cloud.northbound.ours() if scene.router in row or scene.network in row] == []


def test_a_router_deleted_in_ovn_behind_our_back_is_waited_for(
    cloud: Cloud, scene: Scene, reconciler: Reconciler
) -> None:
    cloud.northbound.run("lr-del", f"neutron-{scene.router}")
    waiting = {r.attachment: r.outcome for r in reconciler.full_pass()}
    assert waiting[f"router:{scene.router}"] is Outcome.WAITING


def test_older_content_never_replaces_newer(scene: Scene, reconciler: Reconciler, northbound: Northbound) -> None:
    attachment = f"router:{scene.router}"
    eventually(lambda: _nothing_to_do(reconciler))
    rows, revision = northbound.rows(attachment), northbound.seen([attachment])[attachment].revision
    assert revision > 0
    applied = northbound.apply({attachment: ({}, revision - 1)})
    assert applied[attachment].outcome is Outcome.NEWER
    assert northbound.rows(attachment) == rows


def test_a_revision_rises_with_each_change_and_with_nothing_else(
    cloud: Cloud, scene: Scene, reconciler: Reconciler, northbound: Northbound
) -> None:
    attachment, one = f"router:{scene.router}", f"{BGPVPNS}/{scene.bgpvpn['id']}"
    eventually(lambda: _nothing_to_do(reconciler))
    first = _revision(northbound, attachment)
    cloud.admin.put(one, {"bgpvpn": {"name": "only the name"}})
    eventually(lambda: _nothing_to_do(reconciler))
    assert _revision(northbound, attachment) == first
    cloud.admin.put(one, {"bgpvpn": {"route_targets": ["64512:2"]}})
    eventually(lambda: _is_above(northbound, attachment, first))


def _is_above(northbound: Northbound, attachment: str, revision: int) -> None:
    assert _revision(northbound, attachment) > revision


def _revision(northbound: Northbound, attachment: str) -> int:
    """What a node reports once it has applied what is there."""
    return northbound.seen([attachment])[attachment].highest


def _revision_is(northbound: Northbound, attachment: str, expected: int) -> None:
    assert _revision(northbound, attachment) == expected


def test_a_database_restored_from_an_older_copy_goes_above_what_ovn_has(
    cloud: Cloud, scene: Scene, reconciler: Reconciler, northbound: Northbound
) -> None:
    attachment = f"router:{scene.router}"
    eventually(lambda: _nothing_to_do(reconciler))
    cloud.sql("UPDATE isthmus_attachments SET revision = 0, digest = '' WHERE id = %s", attachment)
    before = _revision(northbound, attachment)
    reconciler.full_pass()
    eventually(lambda: _revision_is(northbound, attachment, before + 1))


def test_a_northbound_database_that_is_not_there_is_said(reconciler: Reconciler) -> None:
    def nowhere() -> Any:
        raise Unavailable("not connected")

    with pytest.raises(Unavailable):
        Reconciler(Northbound(nowhere), reconciler._settings).full_pass()


def test_the_worker_heals_by_itself(cloud: Cloud, scene: Scene) -> None:
    nb = cloud.northbound
    worker = cloud.periodic_workers(reconcile_interval_s=0.5)
    try:
        for harm, name in [("lsp-del", f"isthmus-ac-{scene.router}"), ("lr-del", f"isthmus-lr-{scene.network}")]:
            before = nb.ours()
            nb.run(harm, name)
            assert nb.ours() != before
            eventually(lambda before=before: _ours_is(nb, before), within=30)
    finally:
        worker.stop()


def _ours_is(nb: Any, expected: list[str]) -> None:
    assert nb.ours() == expected
