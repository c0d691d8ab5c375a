"""What is told while the server's answers are under way: plain rows, and a monitor that takes its time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import (
    MISSING,
    AssociationIntent,
    AssociationKind,
    AttachmentIntent,
    BadIntent,
    BgpvpnIntent,
    UnknownSchema,
    bgpvpn_external_ids,
    to_external_ids,
)
from isthmus.model.reason import NotAnnounced
from isthmus.model.vpn import SiteOfOrigin
from isthmus.node.facts import IntentRead
from isthmus.shell.bindings import HOLD_S, Row
from isthmus.shell.clauses import bound_to, mark
from isthmus.shell.snapshots import Snapshots
from tests.build import rts, uuid
from tests.shell.monitored import Monitor

OWN, OTHER = "chassis-own", "chassis-other"


def network(number: int) -> str:
    return f"neutron-{uuid(number)}"


def vpn(number: int, target: str = "64512:1", revision: int = 1) -> BgpvpnIntent:
    return BgpvpnIntent(uuid(900 + number), revision, 5000 + number, rts(target), rts(target))


def attachment(number: int, *vpns: BgpvpnIntent, networks: tuple[int, ...] = ()) -> AttachmentIntent:
    """Router `number`, with the network of the same number unless told otherwise, in these BGPVPNs."""
    names = tuple(map(network, networks or (number,)))
    associations = tuple(
        AssociationIntent(
            uuid(v.vni + 10000 * number), AssociationKind.ROUTER, v.bgpvpn, None, v.vni, v.imports, v.exports, names
        )
        for v in vpns
    )
    return AttachmentIntent(f"router:{uuid(number)}", 1, SiteOfOrigin.parse("64512:1"), names, (), associations)


def circuit(number: int) -> CircuitName:
    return CircuitName(f"isthmus-ac-{uuid(number)}")


class Hypervisor:
    """Rows as a cloud has them, and what this chassis is told of them."""

    def __init__(self) -> None:
        self.server, self.snapshots = Monitor(), Snapshots()
        self.told: list[IntentRead] = []
        self.now = 100.0
        self.server.ask(self.snapshots.conditions(""))
        self.server.acknowledge()

    def put(self, intent: AttachmentIntent, form: int = 2, **ids: str) -> None:
        name = f"isthmus-ac-{intent.attachment.partition(':')[2]}"
        more = {f"isthmus:{key}": value for key, value in ids.items()}
        self.server.rows[name] = Row(name, "localport", (), "", False, to_external_ids(intent, form) | more)

    def put_vpn(self, vpn: BgpvpnIntent, **ids: str) -> None:
        name = f"isthmus-vpn-{vpn.bgpvpn}"
        more = {f"isthmus:{key}": value for key, value in ids.items()}
        self.server.rows[name] = Row(name, "localport", (), "", False, bgpvpn_external_ids(vpn) | more)

    def boot(self, name: str, number: int, chassis: str = OWN) -> None:
        """A machine on a network."""
        ids = {
            "neutron:network_name": network(number),
            "neutron:cidrs": "10.1.0.5/24",
            "neutron:revision_number": "1",
        }
        self.server.rows[name] = Row(name, "", ("fa:16:3e:00:00:05 10.1.0.5",), chassis, True, ids)

    def add_gateway(self, number: int) -> None:
        ids = {
            "neutron:router_name": f"neutron-{uuid(number)}",
            "neutron:network_name": network(number),
            "neutron:is_ext_gw": "False",
        }
        name = f"lrp-{number}"
        self.server.rows[name] = Row(name, "patch", ("fa:16:3e:00:00:fe 10.1.0.1/24",), "", False, ids)

    def remove(self, *names: str) -> None:
        for name in names:
            del self.server.rows[name]

    def look(self) -> None:
        """What the server has sent; then what we ask, for which it sends rows before it acknowledges."""
        self._read()
        self.server.ask(self.snapshots.conditions(OWN))
        self._read()

    def _read(self) -> None:
        covered = self.server.covered()
        if mark(bound_to(OWN)) not in covered:
            return
        self.snapshots.rows.change(self.server.deliver())
        self.snapshots.look(OWN, covered, None, self.now)
        told = self.snapshots.tell(covered)
        if told is not None and (not self.told or told != self.told[-1]):
            self.told.append(told)

    def turn(self) -> None:
        """One round trip."""
        self.look()
        self.server.acknowledge()

    def settle(self) -> IntentRead:
        for _ in range(6):
            self.turn()
        self.look()
        assert self.server.requested is None, "there is no end of asking"
        return self.told[-1]


RED, BLUE = vpn(1), vpn(2, "64512:2")


@pytest.fixture
def here() -> Hypervisor:
    """A machine on network 1, whose router is in RED; router 2, in BLUE, has none here."""
    made = Hypervisor()
    made.put_vpn(RED)
    made.put_vpn(BLUE)
    made.put(attachment(1, RED))
    made.put(attachment(2, BLUE))
    made.boot("vm-1", 1)
    made.boot("vm-2", 2, OTHER)
    made.add_gateway(1)
    made.add_gateway(2)
    return made


def test_what_concerns_a_machine_here_is_told_and_nothing_else_is_sent(here: Hypervisor) -> None:
    told = here.settle()
    assert told.circuits == {circuit(1): attachment(1, RED)}
    assert [port.name for port in told.ports] == ["vm-1"]
    assert [gateway.network for gateway in told.gateways] == [network(1)]
    assert here.told == [told], "one whole snapshot, no halves"
    assert here.server.ever == {"vm-1", "lrp-1", circuit(1), f"isthmus-vpn-{RED.bgpvpn}"}


def test_a_machine_on_a_new_network_brings_its_rows_and_takes_them_away(here: Hypervisor) -> None:
    before = here.settle()
    here.boot("vm-2", 2)
    told = here.settle()
    assert told.circuits == {circuit(1): attachment(1, RED), circuit(2): attachment(2, BLUE)}
    assert [port.name for port in told.ports] == ["vm-1", "vm-2"]
    assert here.told == [before, told], "the machine came with its circuit"
    here.boot("vm-2", 2, OTHER)
    assert here.settle() == before
    assert set(here.server.sent) == {"vm-1", "lrp-1", circuit(1), f"isthmus-vpn-{RED.bgpvpn}"}


def test_a_bgpvpn_alone_changes_every_attachment_that_refers_to_it(here: Hypervisor) -> None:
    here.put(attachment(2, RED, BLUE))
    here.put(attachment(3, BLUE))
    here.boot("vm-2", 2)
    here.boot("vm-3", 3)
    before = here.settle()
    newer = vpn(1, "64512:7", revision=2)
    here.put_vpn(newer)
    told = here.settle()
    assert told.circuits[circuit(1)] == replace(attachment(1, newer), revision=2)
    assert told.circuits[circuit(2)] == replace(attachment(2, newer, BLUE), revision=2)
    assert told.circuits[circuit(3)] is before.circuits[circuit(3)], "whom it does not concern is the same object"
    here.put_vpn(replace(newer))
    again = here.settle()
    assert all(again.circuits[name] is told.circuits[name] for name in told.circuits), "it says the same"


def test_rows_of_form_1_beside_those_of_form_2(here: Hypervisor) -> None:
    old = attachment(4, replace(RED, vni=7))
    numbered = replace(old, associations=tuple(replace(a, number=16) for a in old.associations))
    here.put(numbered, form=1)
    here.put(replace(numbered, attachment=f"router:{uuid(5)}", networks=(network(5),)), form=1)
    here.boot("vm-4", 4)
    before = here.settle()
    assert before.circuits == {circuit(1): attachment(1, RED), circuit(4): numbered}
    here.put_vpn(replace(RED, vni=7))
    here.put(numbered)
    told = here.settle()
    assert told.circuits[circuit(4)] is before.circuits[circuit(4)], "another form, the same intent"
    here.put(numbered, form=1)
    assert here.settle() == told


def test_a_row_of_a_newer_form_is_found_and_refused(here: Hypervisor) -> None:
    before = here.settle()
    here.put(attachment(1, RED), schema="3")
    told = here.settle()
    assert isinstance(told.circuits[circuit(1)], UnknownSchema)
    assert told.ports == before.ports and told.gateways == before.gateways
    here.put(attachment(1, RED))
    assert here.settle() == before


def test_a_bgpvpn_without_a_row_or_with_nonsense_costs_its_associations(here: Hypervisor) -> None:
    here.put(attachment(1, RED, BLUE))
    here.settle()
    here.remove(f"isthmus-vpn-{BLUE.bgpvpn}")
    intent = here.settle().circuits[circuit(1)]
    assert isinstance(intent, AttachmentIntent) and intent.unresolved == ((BLUE.bgpvpn, MISSING),)
    assert intent.associations == attachment(1, RED).associations
    here.put_vpn(BLUE, vni="many")
    intent = here.settle().circuits[circuit(1)]
    assert isinstance(intent, AttachmentIntent) and intent.unread == (attachment(1, BLUE).associations[0].association,)
    assert intent.unresolved == ((BLUE.bgpvpn, "isthmus:vni: 'many' is not a number"),)


def test_nonsense_that_does_not_say_whom_it_concerns_is_told_to_everybody(here: Hypervisor) -> None:
    here.server.rows["isthmus-ac-x"] = Row(
        "isthmus-ac-x", "localport", (), "", False, {"isthmus:kind": "ac", "isthmus:schema": "1"}
    )
    told = here.settle()
    assert isinstance(told.circuits[CircuitName("isthmus-ac-x")], BadIntent)
    assert told.circuits[circuit(1)] == attachment(1, RED)


def test_an_attachment_stays_as_it_was_told_until_its_new_bgpvpn_is_here(here: Hypervisor) -> None:
    before = here.settle()
    here.put(attachment(1, RED, BLUE))
    told = here.settle()
    assert told.circuits == {circuit(1): attachment(1, RED, BLUE)}
    assert here.told == [before, told], "never with half of it"


def test_churn_starves_nobody(here: Hypervisor) -> None:
    """Conditions are always under way, and what has nothing to do with them is told all the same."""
    here.settle()
    for number in range(10, 40):
        here.put(attachment(number, BLUE))
        here.boot(f"churn-{number}", number)
        if number >= 12:
            here.remove(f"churn-{number - 2}")
        if number == 20:
            here.put_vpn(vpn(1, "64512:7"))
        here.turn()
        here.look()
        assert here.server.requested is not None, "the churn is constant"
        intent = here.told[-1].circuits[circuit(1)]
        assert isinstance(intent, AttachmentIntent)
        assert (intent == attachment(1, vpn(1, "64512:7"))) == (number >= 20), number
    told = here.settle()
    assert [port.name for port in told.ports] == ["churn-38", "churn-39", "vm-1"]


def test_the_first_snapshot_waits_for_who_was_here_and_not_for_who_comes() -> None:
    here = Hypervisor()
    here.put_vpn(RED)
    here.put(attachment(1, RED))
    here.boot("vm-1", 1)
    for number in range(10, 30):
        here.boot(f"churn-{number}", number)
        here.turn()
        here.look()
    assert here.told[0].circuits == {circuit(1): attachment(1, RED)}
    assert "vm-1" in [port.name for port in here.told[0].ports]
    assert len(here.told[0].ports) < 10


def test_a_port_that_was_never_told_is_not_missed(here: Hypervisor) -> None:
    before = here.settle()
    here.boot("vm-9", 9)
    here.look()
    here.remove("vm-9")
    assert here.settle() == before and here.told == [before]


def test_a_port_that_leaves_is_held_until_it_is_clear_what_became_of_it(here: Hypervisor) -> None:
    before = here.settle()
    here.boot("vm-1", 1, "")
    assert here.settle() == before, "no chassis: for a moment"
    here.now += HOLD_S
    told = here.settle()
    assert told.ports == () and told.circuits == {} and told.gateways == ()


def test_a_new_connection_object_tells_nothing_emptier(here: Hypervisor) -> None:
    before = here.settle()
    server, here.server = here.server, Monitor()
    here.server.rows = server.rows
    here.snapshots.rows = type(here.snapshots.rows)()
    here.server.ask(here.snapshots.conditions(""))
    here.server.acknowledge()
    assert here.settle() == before
    assert here.told == [before]


steps = st.lists(
    st.tuples(st.sampled_from(["boot", "move", "delete", "associate", "leave", "retarget"]), st.integers(1, 4)),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.lists(st.booleans(), max_size=60))
def test_whatever_happens_it_ends_where_a_fresh_look_would_and_no_machine_is_missed(
    happens: list[tuple[str, int]], answers: list[bool]
) -> None:
    here, targets, rounds = Hypervisor(), dict.fromkeys(range(1, 5), 1), iter(answers)
    for number in targets:
        here.put_vpn(vpn(number))
    here.boot("always", 1)
    here.put(attachment(1, vpn(1)))
    here.settle()
    for what, number in happens:
        _happen(here, targets, what, number)
        here.look()
        if next(rounds, True):
            here.server.acknowledge()
        assert "always" in [port.name for port in here.told[-1].ports]
        _never_half(here.told[-1], targets)
    here.now += HOLD_S
    here.settle()
    here.now += 2 * HOLD_S
    fresh = Hypervisor()
    fresh.server.rows = here.server.rows
    assert here.settle() == fresh.settle()


def _happen(here: Hypervisor, targets: dict[int, int], what: str, number: int) -> None:
    if what in ("boot", "move"):
        here.boot(f"vm-{number}", number, OWN if what == "boot" else OTHER)
    elif what == "delete" and f"vm-{number}" in here.server.rows:
        here.remove(f"vm-{number}")
    elif what == "associate":
        here.put(attachment(number, *(vpn(n, f"64512:{targets[n]}") for n in {number, number % 4 + 1})))
    elif what == "leave" and number > 1 and circuit(number) in here.server.rows:
        here.remove(circuit(number))
    elif what == "retarget":
        targets[number] += 1
        here.put_vpn(vpn(number, f"64512:{targets[number]}"))


def _never_half(told: IntentRead, targets: dict[int, int]) -> None:
    """Every BGPVPN has a row, so no association may ever be told without."""
    for intent in told.circuits.values():
        assert isinstance(intent, AttachmentIntent) and not intent.unresolved
    assert isinstance(told.circuits[circuit(1)], AttachmentIntent), "its machine never left"


def test_a_machine_on_its_way_is_told_as_such_until_it_is_bound_here(here: Hypervisor) -> None:
    """Live migration: first only an additional chassis, then the chassis."""
    here.settle()
    row = here.server.rows["vm-2"]
    here.server.rows["vm-2"] = row._replace(additional=(OWN,))
    told = here.settle()
    assert {p.name: p.why_not for p in told.ports} == {"vm-1": None, "vm-2": NotAnnounced.ARRIVING}
    assert told.circuits == {circuit(1): attachment(1, RED), circuit(2): attachment(2, BLUE)}
    here.server.rows["vm-2"] = row._replace(chassis=OWN)
    assert {p.name: p.why_not for p in here.settle().ports} == {"vm-1": None, "vm-2": None}


def test_a_machine_that_did_not_come_after_all_is_gone(here: Hypervisor) -> None:
    here.settle()
    row = here.server.rows["vm-2"]
    here.server.rows["vm-2"] = row._replace(additional=(OWN,))
    here.settle()
    here.server.rows["vm-2"] = row
    assert [p.name for p in here.settle().ports] == ["vm-1"]


def test_a_virtual_address_goes_to_whoever_has_it(here: Hypervisor) -> None:
    here.boot("vip", 1)
    row = here.server.rows["vip"]._replace(type="virtual", up=False)
    here.server.rows["vip"] = row
    assert {p.name: p.up for p in here.settle().ports} == {"vip": True, "vm-1": True}
    here.server.rows["vip"] = row._replace(chassis=OTHER)
    assert [p.name for p in here.settle().ports] == ["vm-1"]
    here.server.rows["vip"] = row
    assert [p.name for p in here.settle().ports] == ["vip", "vm-1"]
