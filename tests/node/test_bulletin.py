"""What the node tells its cloud: a revision when the switch has it, and what is wrong in words."""

from __future__ import annotations

from dataclasses import replace

from isthmus.flows.layout import OUTWARD, Table
from isthmus.model.intent import AttachmentIntent, BadIntent, UnknownSchema
from isthmus.model.reason import NotAccepted, NotAnnounced, Note, NotInstalled
from isthmus.model.report import DOWN, IN_SYNC, UP, AttachmentReport, NodeReport
from isthmus.node import facts
from isthmus.node.bulletin import UNREADABLE_MAX, About, bulletin
from isthmus.node.config import Limits
from isthmus.node.order import LOOK_WAIT_S, PATIENCE_S
from isthmus.node.report import status
from tests.build import SITE, association, attachment, attributes, circuit, ip, net, nlri, path, port, uuid
from tests.world import World

A, B = "neutron-a", "neutron-b"
RT = "64512:1"
ABOUT = About("0.1.0", 5000, 4000.0)
NAME = f"router:{uuid(1)}"
ALONE = {uuid(1016): "no route of another site is known"}


def intent(revision: int = 4, **more: object) -> AttachmentIntent:
    one = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A, B))
    return replace(one, revision=revision, **more)  # type: ignore[arg-type]


def world() -> World:
    """Two machines behind one router, one of them in the VPN."""
    made = World()
    made.switch_on()
    made.intent({circuit(1): intent()}, (port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")))
    made.end_of_rib()
    return made


def told(world: World, before: NodeReport | None = None) -> NodeReport:
    report = bulletin(world.node, ABOUT, world.now, before)
    assert report is not None
    return report


def one(report: NodeReport) -> AttachmentReport:
    (found,) = report.attachments
    return found


def test_an_attachment_with_workload_is_told_with_its_revision() -> None:
    report = told(world())
    assert one(report) == AttachmentReport(NAME, 4, "ACTIVE", 1, details=ALONE)
    assert one(report).is_well
    agent = report.agent
    assert (agent.version, agent.started, agent.asn, agent.drain) == ("0.1.0", 5000, 64512, "in use")
    assert (agent.southbound, agent.switch) == (IN_SYNC, IN_SYNC)
    (peer,) = agent.peers
    assert (peer.state, peer.reason, peer.since, peer.announced) == (UP, "", 5000, 1)


def test_routes_that_cannot_be_used_are_counted_by_reason_and_nobody_elsewhere_is_said() -> None:
    """ACTIVE, and not one route of the other site: the operator reads why."""
    w = world()
    w.says(
        path("10.9.0.1/32", attributes(RT, as_path=(64513, 64512))),
        *(path(f"10.9.1.{n}/32", attributes(RT, router_mac=None)) for n in range(1, 13)),
        path("10.9.0.2/32", attributes("64512:9", router_mac=None)),
    )
    words = "10 routes or more are not used: it has no Router's MAC, so nothing could be encapsulated; "
    words += "1 route is not used: our AS is in its path; no route of another site is known"
    assert one(told(w)).details == {uuid(1016): words} and one(told(w)).is_well
    assert {view.alone for view in status(w.node, w.now).views} == {True}
    w.says(path("10.9.2.1/32", attributes(RT)))
    assert not one(told(w)).details[uuid(1016)].endswith("no route of another site is known")
    w.says(
        withdraw=[nlri("10.9.0.1/32"), *(nlri(f"10.9.1.{n}/32") for n in range(1, 13))],
    )
    assert one(told(w)).details == {}
    w.says(withdraw=[nlri("10.9.2.1/32")])
    assert one(told(w)).details == ALONE


def two_vpns_of_one_network() -> World:
    """Their routes are in one view."""
    w = World()
    w.switch_on()
    both = association(16, networks=(A,), both=(RT,)), association(17, networks=(A,), both=("64512:2",))
    w.intent({circuit(1): attachment(1, *both, networks=(A,))}, (port("p", A, "10.1.0.5"),))
    return w


def test_routes_that_cannot_be_used_are_told_of_the_bgpvpn_that_imports_them() -> None:
    w = two_vpns_of_one_network()
    w.says(path("10.9.0.1/32", attributes(RT, router_mac=None)), path("10.9.0.2/32", attributes("64512:2")))
    w.end_of_rib()
    assert list(one(told(w)).details) == [uuid(1016)]


def test_a_next_hop_that_nobody_answers_for_is_told_of_the_bgpvpn_that_imports_its_routes() -> None:
    """The other one's owner has no part in it, and his status is another's to change."""
    w = two_vpns_of_one_network()
    w.says(*(path(f"10.9.0.{n}/32", attributes(RT, next_hop=f"172.30.2.{n}")) for n in range(1, 9)))
    w.says(path("10.9.1.1/32", attributes("64512:2", next_hop="172.30.3.1")))
    w.end_of_rib()
    nobody = frozenset(ip(f"172.30.2.{n}") for n in range(1, 9))
    w.tell(facts.NeighboursRead(nobody | {ip("172.30.3.1")}, nobody))
    assert one(told(w)).bgpvpns == {uuid(1016): f"routes are {Note.BLIND.value}"}
    where = "nobody answers for 172.30.2.1, 172.30.2.2, 172.30.2.3 and others"
    assert one(told(w)).details == {uuid(1016): where}


def test_a_bgpvpn_of_two_networks_is_told_what_is_in_either_view() -> None:
    w = World()
    w.switch_on()
    of_both = association(16, networks=(A, B), both=(RT,)), association(17, networks=(B,), both=("64512:2",))
    w.intent(
        {circuit(1): attachment(1, *of_both, networks=(A, B))}, (port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5"))
    )
    w.says(path("10.9.0.1/32", attributes(RT, router_mac=None)), path("10.9.0.2/32", attributes("64512:2")))
    w.end_of_rib()
    said = one(told(w)).details
    assert list(said) == [uuid(1016)] and "1 route is not used" in said[uuid(1016)]
    assert said[uuid(1016)].endswith("no route of another site is known"), "of those that its other network sees"


def test_a_route_of_another_hypervisor_of_this_cloud_is_no_other_site() -> None:
    w = world()
    w.says(path("10.9.2.1/32", attributes(RT, site=SITE, as_path=())))
    assert one(told(w)).details == ALONE


def test_a_vpn_that_floods_says_so_where_it_is_asked_for() -> None:
    w = World(limits=Limits(routes_per_target=2))
    w.switch_on()
    w.intent({circuit(1): intent()}, (port("p", A, "10.1.0.5"),))
    w.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in range(1, 40)))
    w.end_of_rib()
    assert one(told(w)).details == {uuid(1016): f"10 routes or more are not used: {NotAccepted.TARGET_FULL.value}"}


def test_an_attachment_without_workload_is_not_told() -> None:
    w = world()
    w.intent({circuit(1): intent()}, (port("q", B, "10.2.0.5"),))
    w.wait(PATIENCE_S)
    assert told(w).attachments == ()


def test_a_revision_that_the_switch_does_not_take_is_not_told() -> None:
    w = world()
    before = told(w)
    w.obedient = False
    more = attachment(1, association(16, networks=(A, B), both=(RT,)), networks=(A, B))
    w.intent({circuit(1): replace(more, revision=5)}, w.node.asked.ports.values())
    report = told(w, before)
    assert one(report).revision == 4
    assert report.agent.switch == "refuses flows: the switch says no"
    w.obedient = True
    w.wait(5.0)
    assert one(told(w, report)) == AttachmentReport(NAME, 5, "ACTIVE", 2, details=ALONE)


def test_before_it_is_computed_a_revision_is_not_told() -> None:
    w = world()
    before = told(w)
    more = attachment(1, association(16, networks=(A, B), both=(RT,)), networks=(A, B))
    w.node.handle(facts.IntentRead({circuit(1): replace(more, revision=5)}, tuple(w.node.asked.ports.values())), w.now)
    assert one(told(w, before)).revision == 4
    w.settle()
    assert one(told(w, before)).revision == 5


def test_a_revision_of_the_same_content_is_told_without_a_bundle() -> None:
    w = world()
    before, bundles = told(w), w.node.switch.bundles
    w.intent({circuit(1): intent(5)}, w.node.asked.ports.values())
    assert one(told(w, before)).revision == 5
    assert w.node.switch.bundles == bundles


def test_a_database_from_a_backup_is_told_as_it_is() -> None:
    w = world()
    before = told(w)
    w.intent({circuit(1): intent(2)}, w.node.asked.ports.values())
    assert one(told(w, before)).revision == 2


def test_nothing_is_told_before_the_cloud_has_spoken() -> None:
    w = World()
    w.switch_on()
    assert bulletin(w.node, ABOUT, w.now, None) is None


def test_after_a_start_the_switch_gets_a_moment() -> None:
    w = world().crashed()
    w.frozen = True
    w.circuits = {}
    w.switch_on()
    w.readable = False
    w.node.handle(facts.SwitchLost("it is busy"), w.now)
    w.node.handle(facts.IntentRead({circuit(1): intent()}, (port("p", A, "10.1.0.5"),)), w.now)
    w.settle()
    assert bulletin(w.node, ABOUT, w.now, None) is None
    w.wait(LOOK_WAIT_S)
    report = told(w)
    assert (one(report).state, one(report).revision) == ("PLUGGING", 0)
    assert report.agent.switch == "it is busy"


def test_a_row_that_turns_to_nonsense_keeps_its_revision_and_says_why() -> None:
    w = world()
    w.intent({circuit(1): BadIntent("isthmus:site", "missing")}, w.node.asked.ports.values())
    report = one(told(w))
    assert (report.revision, report.state, report.why) == (4, "BAD_ROW", "isthmus:site: missing")
    assert not report.is_well


def test_rows_never_read_are_told_by_their_circuit_but_not_thousands() -> None:
    w = World()
    w.switch_on()
    newer = UnknownSchema("isthmus:schema", "this agent reads schema 1, not '2'")
    w.intent({circuit(n): newer for n in range(100)}, (port("p", A, "10.1.0.5"),))
    report = told(w)
    assert len(report.attachments) == UNREADABLE_MAX
    assert report.attachments[0].attachment == circuit(0)
    assert {a.state for a in report.attachments} == {"UNKNOWN_SCHEMA"}


def test_one_too_many_is_told_with_the_reason() -> None:
    w = World(limits=Limits(circuits=1))
    w.switch_on()
    second = attachment(2, association(17, networks=(B,), both=(RT,)), networks=(B,))
    w.intent({circuit(1): intent(), circuit(2): second}, (port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")))
    states = {a.attachment: (a.state, a.revision) for a in told(w).attachments}
    assert states == {NAME: ("ACTIVE", 4), f"router:{uuid(2)}": ("TOO_MANY", 0)}


def test_what_is_wrong_with_one_bgpvpn_is_told_of_that_one() -> None:
    w = World()
    w.switch_on()
    # Two BGPVPNs that are to share a VNI: the second cannot announce what the first has.
    both = (association(16, networks=(A,), both=(RT,)), association(17, networks=(A,), both=("64512:2",), vni=5016))
    w.intent({circuit(1): attachment(1, *both, networks=(A,))}, (port("p", A, "10.1.0.5"),))
    report = one(told(w))
    assert report.bgpvpns == {uuid(1017): f"1 address is not announced: {NotAnnounced.NUMBER_CLASH.value}"}
    assert report.is_well, "the other one works"


def test_a_default_route_of_the_vpn_and_a_route_of_the_routers_own_that_hides_it_are_told() -> None:
    """Nothing is wrong with either; their owners did so."""
    w = world()
    hiding = intent(5, routes=(net("10.9.0.0/16"), net("10.8.0.0/16")))
    w.intent({circuit(1): hiding}, (port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")))
    w.says(path("10.9.0.1/32", attributes(RT)), path("0.0.0.0/0", attributes(RT)), path("10.7.0.0/16", attributes(RT)))
    said = one(told(w))
    assert said.is_well
    assert said.bgpvpns == {}
    assert said.notes == {
        uuid(1016): "0.0.0.0/0 is a default route: what no longer prefix covers follows it into the VPN; "
        "the router's own route 10.9.0.0/16 hides routes of this VPN"
    }
    shown = {r.prefix: (r.why, r.note) for r in status(w.node, w.now).routes if r.peer}
    assert shown["10.9.0.1/32"][0] == NotInstalled.HIDDEN_BY_ROUTER.value
    assert shown["0.0.0.0/0"] == ("", Note.DEFAULT_ROUTE.value)


def test_a_default_route_in_pieces_is_one_however_many_there_are() -> None:
    w = world()

    def said() -> list[str]:
        return one(told(w)).notes.get(uuid(1016), "").replace(Note.DEFAULT_ROUTE.value, "one").split("; ")

    quarters = [path(f"{n}.0.0.0/2", attributes(RT)) for n in (0, 64, 128, 192)]
    w.says(*quarters, path("2000::/4", attributes(RT)))
    assert said() == [
        *(f"{n}.0.0.0/2 is one" for n in (0, 64, 128, 192)),
        "and 1 more shorter than /8",
    ]
    w.says(withdraw=[quarter.nlri for quarter in quarters[1:]])
    assert said() == ["0.0.0.0/2 is one", "2000::/4 is one"]
    w.says(*(path(f"{n}.0.0.0/7", attributes(RT)) for n in range(0, 256, 2)))
    assert len("; ".join(said())) < 300, "a report has little room"


def test_a_floating_ip_that_comes_and_goes_changes_a_flow() -> None:
    w = world()
    w.says(path("0.0.0.0/0", attributes(RT)))

    def by_the_router() -> list[str]:
        marks = f"set_field:{OUTWARD:#x}->reg0"
        return [key.match for key, flow in w.flows.items() if key.table == Table.SOURCE and marks in flow.actions]

    assert by_the_router() == []
    plain = port("p", A, "10.1.0.5")
    for floating, flows in ((True, [f"ip,in_port={w.circuits[circuit(1)]},nw_src=10.1.0.5"]), (False, [])):
        w.intent({circuit(1): intent()}, (replace(plain, floating=floating), port("q", B, "10.2.0.5")))
        assert by_the_router() == flows


def test_a_full_view_is_told_of_its_bgpvpns() -> None:
    w = World(limits=Limits(routes_per_view=2))
    w.switch_on()
    w.intent({circuit(1): intent()}, (port("p", A, "10.1.0.5"),))
    w.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in range(5)))
    assert one(told(w)).bgpvpns == {uuid(1016): NotInstalled.VIEW_FULL.value}


def test_a_session_that_ended_is_told_once_however_often_it_is_tried() -> None:
    w = world()
    w.cut()
    report = told(w)
    (peer,) = report.agent.peers
    assert (peer.state, peer.reason) == (DOWN, "the connection was closed: connection reset by peer")
    w.wait(7.0)
    once = told(w, report)
    w.wait(100.0)
    assert told(w, once).agent.steady == once.agent.steady, "what only time changes is not told"


def test_drained_is_told() -> None:
    w = world()
    w.tell(facts.DrainWanted(True))
    w.wait(10.0)
    assert told(w).agent.drain == "drained"
