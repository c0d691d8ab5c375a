"""What of a cloud is sent to a hypervisor, and what it is told while answers are under way: a real OVN central."""

from __future__ import annotations

import itertools
import threading
import uuid
from dataclasses import replace
from types import TracebackType
from typing import Self

import pytest

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import (
    AssociationIntent,
    AssociationKind,
    AttachmentIntent,
    BgpvpnIntent,
    bgpvpn_external_ids,
    bgpvpn_port,
    to_external_ids,
)
from isthmus.model.vpn import RouteTarget
from isthmus.node.facts import IntentRead
from tests.contract.slow import LongWay
from tests.contract.switches import Central, installed
from tests.contract.watched import INTENT, VM, Watched, add_vm, row_ids, vm
from tests.eventually import eventually
from tests.shell.background import Background

pytestmark = [pytest.mark.contract, pytest.mark.skipif(not installed(), reason="OVN is not installed")]


def bgpvpn(number: int, target: str = "64512:1", revision: int = 1) -> BgpvpnIntent:
    targets = (RouteTarget.parse(target),)
    return BgpvpnIntent(str(uuid.UUID(int=100 + number)), revision, 5000 + number, targets, targets)


def network(number: int) -> str:
    return f"neutron-{uuid.UUID(int=number)}"


def router(number: int, *vpns: BgpvpnIntent, form: int = 2, central: Central | None = None) -> AttachmentIntent:
    """In these BGPVPNs, with network `number` behind it; written if there is where to."""
    associations = (
        AssociationIntent(
            *(str(uuid.UUID(int=1000 * number + v.vni)), AssociationKind.ROUTER, v.bgpvpn, 16 + number, v.vni),
            *(v.imports, v.exports, (network(number),), v.local_pref),
        )
        for v in vpns
    )
    intent = replace(
        INTENT,
        attachment=f"router:{uuid.UUID(int=number)}",
        networks=(network(number),),
        associations=tuple(sorted(associations, key=lambda a: a.association)),
    )
    if central is not None:
        write(central, circuit(number), to_external_ids(intent, form))
    return intent


def circuit(number: int) -> CircuitName:
    return CircuitName(f"isthmus-ac-{number}")


def write(central: Central, name: str, values: dict[str, str]) -> None:
    """A row as the plugin writes it, in place of the one there was."""
    central.nbctl(
        *("--may-exist", "lsp-add", "net", name, "--", "lsp-set-type", name, "localport"),
        *("--", "lsp-set-enabled", name, "disabled" if name.startswith("isthmus-vpn-") else "enabled"),
        *("--", "clear", "Logical_Switch_Port", name, "external_ids"),
        *("--", "set", "Logical_Switch_Port", name, *row_ids(values)),
    )


def write_vpn(central: Central, vpn: BgpvpnIntent) -> None:
    write(central, bgpvpn_port(vpn.bgpvpn), bgpvpn_external_ids(vpn))


RED, BLUE = bgpvpn(1), bgpvpn(2, "64512:2")


def test_only_rows_that_concern_a_machine_here_are_received(central: Central, background: Background) -> None:
    for vpn in (RED, BLUE):
        write_vpn(central, vpn)
    ours = router(7, RED, central=central)
    theirs = router(8, RED, BLUE, central=central)
    add_vm(central)
    add_vm(central, 2, "host-2", network(8))
    watched = Watched(central, background)
    watched.ports(VM)
    assert watched.latest.circuits == {circuit(7): ours}
    assert watched.received == {"vm-1", circuit(7), bgpvpn_port(RED.bgpvpn)}
    router(8, BLUE, central=central)
    write_vpn(central, replace(BLUE, revision=2))
    add_vm(central, 3, "host-2", network(8))
    told = watched.latest
    add_vm(central, 4, "host-1", network(9))
    eventually(lambda: watched.count(2))
    assert watched.received == {"vm-1", "vm-4", circuit(7), bgpvpn_port(RED.bgpvpn)}, "nothing of router 8 ever came"
    assert watched.latest.circuits[circuit(7)] is told.circuits[circuit(7)], "an unchanged row is the same object"
    central.sbctl("lsp-unbind", "vm-2", "--", "lsp-bind", "vm-2", "host-1")
    router(8, RED, BLUE, central=central)

    def both() -> None:
        assert watched.latest.circuits == {circuit(7): ours, circuit(8): theirs}

    eventually(both)
    central.nbctl("lsp-del", "vm-2")
    watched.ports(VM, replace(vm(4), network=network(9)))
    assert watched.latest.circuits == {circuit(7): ours}
    let_go(watched, circuit(8), bgpvpn_port(BLUE.bgpvpn))


def let_go(watched: Watched, *names: str) -> None:
    """The rows are not here any more."""

    def gone() -> None:
        assert not watched.held & set(names), watched.held

    eventually(gone)


def test_a_bgpvpns_row_alone_changes_all_its_attachments(central: Central, background: Background) -> None:
    write_vpn(central, RED)
    write_vpn(central, BLUE)
    router(7, RED, central=central)
    router(8, RED, BLUE, central=central)
    other = router(9, BLUE, central=central)
    for number in (7, 8, 9):
        add_vm(central, number - 6, "host-1", network(number))
    watched = Watched(central, background)
    watched.ports(*(replace(vm(n - 6), network=network(n)) for n in (7, 8, 9)))
    before = watched.latest.circuits
    newer = replace(bgpvpn(1, "64512:77", revision=2), local_pref=50)
    write_vpn(central, newer)

    def changed() -> None:
        assert watched.latest.circuits == {
            circuit(7): router(7, newer),
            circuit(8): router(8, newer, BLUE),
            circuit(9): other,
        }

    eventually(changed)
    assert watched.latest.circuits[circuit(9)] is before[circuit(9)]
    central.nbctl("lsp-del", bgpvpn_port(RED.bgpvpn))

    def without() -> None:
        intent = watched.latest.circuits[circuit(8)]
        assert [bgpvpn for bgpvpn, _ in intent.unresolved] == [RED.bgpvpn]
        assert intent.associations == router(8, BLUE).associations

    eventually(without)


def test_both_forms_and_the_way_between_them(central: Central, background: Background) -> None:
    write_vpn(central, RED)
    router(7, RED, form=1, central=central)
    router(8, RED, central=central)
    add_vm(central)
    add_vm(central, 2, "host-1", network(8))
    watched = Watched(central, background)
    watched.ports(VM, replace(vm(2), network=network(8)))
    before = watched.latest
    assert before.circuits == {circuit(7): router(7, RED), circuit(8): router(8, RED)}
    told = len(watched.heard)
    router(7, RED, form=2, central=central)
    router(8, RED, form=1, central=central)
    add_vm(central, 3)
    eventually(lambda: watched.count(3))
    for fact in watched.heard[told:]:
        assert isinstance(fact, IntentRead) and fact.circuits == before.circuits, "a form is no change"


class Churn:
    """Machines on networks of their own that come and go without a pause, in a thread."""

    def __init__(self, central: Central, numbers: range) -> None:
        self._central, self._numbers, self._ending = central, numbers, threading.Event()
        self._thread = threading.Thread(target=self._work, name="churn")
        for number in numbers:
            ids = {"neutron:network_name": network(number), "neutron:revision_number": "1"}
            port = f"churn-{number}"
            central.nbctl(
                *("lsp-add", "net", port, "--", "lsp-set-addresses", port, "fa:16:3e:00:01:01"),
                *("--", "set", "Logical_Switch_Port", port, *row_ids(ids)),
                wait="none",
            )
        central.nbctl("sync")

    def _work(self) -> None:
        for number in itertools.cycle(self._numbers):
            if self._ending.is_set():
                return
            self._central.sbctl("lsp-bind", f"churn-{number}", "host-1")
            self._central.sbctl("lsp-unbind", f"churn-{number}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()


def test_constant_churn_of_ports_starves_nobody(central: Central, background: Background) -> None:
    """The server is so far away that there is always something that it has yet to acknowledge."""
    write_vpn(central, RED)
    router(7, RED, central=central)
    add_vm(central)
    way = LongWay(central.dir.path / "far.sock", central.dir.path / "sb.sock", delay_s=0.3)
    background.start(way.run())
    watched = Watched(central, background, "host-1", way.remote)
    watched.ports(VM)
    with Churn(central, range(20, 40)):
        eventually(lambda: came(watched, "churn-20"))
        watched.under_way.clear()
        for revision in (2, 3):
            newer = bgpvpn(1, f"64512:{revision}", revision)
            write_vpn(central, newer)

            def changed(newer: BgpvpnIntent = newer) -> None:
                assert watched.latest.circuits[circuit(7)] == router(7, newer)

            eventually(changed, within=10.0)
        share = sum(watched.under_way) / len(watched.under_way)
    assert share > 0.8, f"answers were under way in {share:.0%} of the looks only: this proves nothing"
    facts = [fact for fact in watched.heard if isinstance(fact, IntentRead)]
    assert all(VM in fact.ports and circuit(7) in fact.circuits for fact in facts), "who has not moved never left"


def came(watched: Watched, name: str) -> None:
    assert name in watched.received
