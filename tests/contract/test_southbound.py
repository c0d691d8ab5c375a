"""The southbound watcher against a real OVN central: rows made with its own tools, northd between."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import (
    AssociationIntent,
    AssociationKind,
    AttachmentIntent,
    BadIntent,
    BgpvpnIntent,
    UnknownSchema,
    bgpvpn_external_ids,
    bgpvpn_port,
    to_external_ids,
)
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.port import Gateway, LocalPort
from isthmus.model.vpn import RouteTarget, SiteOfOrigin
from isthmus.node.facts import IntentLost, IntentRead
from isthmus.shell.bindings import HOLD_S
from isthmus.shell.idl import conditions_met, use_certificates
from isthmus.shell.southbound import Southbound
from tests.certificates import certificates
from tests.contract.slow import LongWay
from tests.contract.switches import Central, installed
from tests.eventually import eventually
from tests.shell.background import Background

pytestmark = [pytest.mark.contract, pytest.mark.skipif(not installed(), reason="OVN is not installed")]

NETWORK = f"neutron-{uuid.UUID(int=7)}"
AC = "isthmus-ac-1"
GATEWAY_MAC = "fa:16:3e:00:00:fe"
INTENT = AttachmentIntent(
    attachment=f"router:{uuid.UUID(int=1)}",
    revision=4,
    site=SiteOfOrigin.parse("64512:1"),
    networks=(NETWORK,),
    subnets=(Prefix.parse("10.1.0.0/24"),),
    associations=(),
)


def vm(number: int, name: str = "") -> LocalPort:
    """What is expected of the port that `add_vm` makes."""
    return LocalPort(
        name=name or f"vm-{number}",
        mac=Mac.parse(f"fa:16:3e:00:00:0{number}"),
        addresses=(IpAddress.parse(f"10.1.0.{number}"), IpAddress.parse(f"2001:db8::{number}")),
        network=NETWORK,
        revision=12,
        up=True,
        device=f"instance-{number}",
    )


VM = vm(1)


@pytest.fixture
def central() -> Iterator[Central]:
    with Central() as central:
        central.nbctl("ls-add", "net")
        central.sbctl("chassis-add", "host-1", "geneve", "192.0.2.1")
        central.sbctl("chassis-add", "host-2", "geneve", "192.0.2.2")
        yield central


@pytest.fixture
def background() -> Iterator[Background]:
    with Background() as background:
        yield background


def _ids(values: dict[str, str]) -> list[str]:
    return [f'external_ids:"{key}"={json.dumps(value)}' for key, value in values.items()]


def add_vm(central: Central, number: int = 1, chassis: str = "host-1", network: str = NETWORK, **more: str) -> None:
    """A virtual machine's port as Neutron writes it, bound as ovn-controller would."""
    port = vm(number)
    ids = {
        "neutron:network_name": network,
        "neutron:cidrs": f"10.1.0.{number}/24 2001:db8::{number}/64 fe80::{number}/64",
        "neutron:revision_number": "12",
        "neutron:device_id": port.device,
        "neutron:device_owner": "compute:nova",
    } | {f"neutron:{key}": value for key, value in more.items()}
    address = f"{port.mac} 10.1.0.{number} 2001:db8::{number}"
    central.nbctl(
        *("lsp-add", "net", port.name, "--", "lsp-set-addresses", port.name, address),
        *("--", "set", "Logical_Switch_Port", port.name, *_ids(ids)),
    )
    central.sbctl("lsp-bind", port.name, chassis)
    eventually(lambda: _is_up(central, port.name))


def _is_up(central: Central, name: str) -> None:
    """northd has seen the binding, so no change of its own comes later."""
    assert central.nbctl("get", "Logical_Switch_Port", name, "up") == "true"


def add_circuit(central: Central, values: dict[str, str], name: str = AC) -> None:
    central.nbctl(
        *("lsp-add", "net", name, "--", "lsp-set-type", name, "localport"),
        *("--", "set", "Logical_Switch_Port", name, *_ids(values)),
    )


class Watched:
    """The watcher, and everything it said."""

    def __init__(self, central: Central, background: Background, chassis: str = "host-1", *remotes: str) -> None:
        self.heard: list[Any] = []
        self.received = set[str]()
        """The name of every row of Port_Binding that was ever sent to us."""
        self.held = frozenset[str]()
        """Of those that are here."""
        self.under_way: list[bool] = []
        """Look by look, whether the server has yet to acknowledge what we ask for."""
        self.part = Southbound(remotes or (central.sb,), self.heard.append)
        self._spy()
        self.part.set_chassis(chassis)
        background.start(self.part.run())

    def _spy(self) -> None:
        looker = self.part._looker
        opened, looked = looker.open, looker.look

        def open_() -> Any:
            idl = opened()
            notified = idl.notify

            def notify(event: str, row: Any, updates: Any = None) -> None:
                if hasattr(row, "logical_port"):
                    self.received.add(row.logical_port)
                notified(event, row, updates)

            idl.notify = notify
            return idl

        def look(idl: Any, now: float) -> float | None:
            deadline = looked(idl, now)
            self.under_way.append(not conditions_met(idl, "Port_Binding"))
            self.held = frozenset(row.logical_port for row in idl.tables["Port_Binding"].rows.values())
            return deadline

        looker.open, looker.look = open_, look  # type: ignore[method-assign]

    @property
    def latest(self) -> Any:
        facts = [f for f in self.heard if isinstance(f, IntentRead | IntentLost)]
        assert facts, "nothing yet"
        return facts[-1]

    def ports(self, *expected: LocalPort) -> None:
        """Until the latest snapshot has exactly these."""

        def right() -> None:
            assert isinstance(self.latest, IntentRead) and self.latest.ports == expected, self.latest

        eventually(right, every=0.01)

    def lost(self, word: str) -> None:
        def right() -> None:
            assert isinstance(self.latest, IntentLost) and word in self.latest.why, self.latest

        eventually(right, every=0.01)


def test_a_snapshot_has_this_chassis_ports_and_their_circuits(central: Central, background: Background) -> None:
    add_circuit(central, to_external_ids(INTENT))
    add_vm(central)
    add_vm(central, 2, "host-2")
    add_vm(central, 3, device_owner="network:dhcp")
    watched = Watched(central, background)
    watched.ports(VM)
    assert watched.latest.circuits == {CircuitName(AC): INTENT}
    assert not any(isinstance(fact, IntentRead) for fact in watched.heard[:-1]), "one whole snapshot, no halves"


def test_changes_follow(central: Central, background: Background) -> None:
    watched = Watched(central, background)
    watched.ports()
    add_circuit(central, to_external_ids(INTENT))
    add_vm(central)
    watched.ports(VM)
    central.nbctl("set", "Logical_Switch_Port", AC, 'external_ids:"isthmus:revision"="5"')

    def newer() -> None:
        assert watched.latest.circuits[AC].revision == 5

    eventually(newer)
    central.nbctl("lsp-del", AC)

    def gone() -> None:
        assert watched.latest.circuits == {}

    eventually(gone)


def add_gateway(central: Central, name: str, router: str, address: str, ids: dict[str, str]) -> None:
    """A router's port and its end on the switch, as Neutron and Isthmus write them."""
    central.nbctl(
        *("--may-exist", "lr-add", router, "--", "lrp-add", router, name, GATEWAY_MAC, address),
        *("--", "set", "Logical_Router_Port", name, *_ids(ids)),
        *("--", "lsp-add", "net", f"{name}-s", "--", "lsp-set-type", f"{name}-s", "router"),
        *("--", "lsp-set-options", f"{name}-s", f"router-port={name}"),
        *("--", "lsp-set-addresses", f"{name}-s", "router"),
    )


def test_gateways_of_attachments_that_have_a_port_here(central: Central, background: Background) -> None:
    network, router = INTENT.networks[0].removeprefix("neutron-"), uuid.UUID(int=1)
    mark = {"neutron:network_name": NETWORK, "neutron:is_ext_gw": "False"}
    add_gateway(central, "lrp-1", "r", "10.1.0.1/24", mark | {"neutron:router_name": f"neutron-{router}"})
    add_gateway(central, "lrp-2", "s", "10.1.0.2/24", mark | {"neutron:router_name": "neutron-in-no-vpn"})
    add_circuit(central, to_external_ids(INTENT))
    watched = Watched(central, background)
    watched.ports()
    assert watched.latest.gateways == (), "nobody is here to have one"
    add_vm(central)
    watched.ports(VM)
    theirs = Gateway(NETWORK, Mac.parse(GATEWAY_MAC), (IpAddress.parse("10.1.0.1"),))

    def seen(*expected: Gateway) -> None:
        assert watched.latest.gateways == expected

    eventually(lambda: seen(theirs))
    central.nbctl("set", "Logical_Switch_Port", AC, 'external_ids:"isthmus:revision"="many"')

    def unreadable() -> None:
        assert isinstance(watched.latest.circuits[AC], BadIntent)

    eventually(unreadable)
    seen(theirs)
    central.nbctl("lsp-del", AC, "--", "lsp-del", "lrp-1-s", "--", "lrp-del", "lrp-1")
    add_circuit(central, to_external_ids(replace(INTENT, attachment=f"network:{network}")))
    ours = {"isthmus:kind": "gw", "isthmus:attachment": f"network:{network}"}
    add_gateway(central, "isthmus-gw", "own", "10.1.0.1/24", ours)
    eventually(lambda: seen(replace(theirs, ours=True)))


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
        *("--", "set", "Logical_Switch_Port", name, *_ids(values)),
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
    eventually(lambda: _count(watched, 2))
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
    eventually(lambda: _count(watched, 3))
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
                *("--", "set", "Logical_Switch_Port", port, *_ids(ids)),
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


def test_nonsense_costs_one_row(central: Central, background: Background) -> None:
    add_circuit(central, to_external_ids(INTENT))
    add_circuit(central, to_external_ids(INTENT) | {"isthmus:revision": "many"}, "isthmus-ac-2")
    add_circuit(central, to_external_ids(INTENT, 2) | {"isthmus:schema": "3"}, "isthmus-ac-3")
    add_vm(central)
    add_vm(central, 2, revision_number="twelve")
    watched = Watched(central, background)
    watched.ports(VM)
    circuits = watched.latest.circuits
    assert circuits[AC] == INTENT
    assert isinstance(circuits["isthmus-ac-2"], BadIntent) and "isthmus:revision" in str(circuits["isthmus-ac-2"])
    assert isinstance(circuits["isthmus-ac-3"], UnknownSchema)
    assert watched.latest.skipped == {"vm-2": "neutron:revision_number: 'twelve' is not a number"}
    central.nbctl("set", "Logical_Switch_Port", "vm-2", 'external_ids:"neutron:revision_number"="13"')

    def mended() -> None:
        assert watched.latest.skipped == {}

    eventually(mended)
    assert len(watched.latest.ports) == 2


def test_a_deleted_port_goes_at_once(central: Central, background: Background) -> None:
    add_vm(central)
    watched = Watched(central, background)
    watched.ports(VM)
    central.nbctl("lsp-del", "vm-1")
    eventually(lambda: watched.ports(), within=HOLD_S / 2)


def test_a_port_that_moved_goes_at_once(central: Central, background: Background) -> None:
    add_vm(central)
    watched = Watched(central, background)
    watched.ports(VM)
    central.sbctl("lsp-unbind", "vm-1", "--", "lsp-bind", "vm-1", "host-2")
    eventually(lambda: watched.ports(), within=HOLD_S / 2)


@pytest.mark.parametrize("first", ["the switch", "OVN"])
def test_a_port_that_is_unplugged_goes_at_once(central: Central, background: Background, first: str) -> None:
    add_vm(central)
    watched = Watched(central, background)
    watched.part.set_plugged(frozenset({"vm-1"}))
    watched.ports(VM)
    if first == "the switch":
        watched.part.set_plugged(frozenset())
        watched.ports(VM)
    central.sbctl("lsp-unbind", "vm-1")
    watched.part.set_plugged(frozenset())
    eventually(lambda: watched.ports(), within=HOLD_S / 2)


def test_a_port_without_a_chassis_is_held_for_a_moment(central: Central, background: Background) -> None:
    add_vm(central)
    add_vm(central, 2)
    watched = Watched(central, background)
    watched.ports(VM, vm(2))
    told = len(watched.heard)
    central.sbctl("lsp-unbind", "vm-1", "--", "lsp-unbind", "vm-2")
    central.sbctl("lsp-bind", "vm-2", "host-1")
    watched.ports(vm(2))
    for fact in watched.heard[told:]:
        assert isinstance(fact, IntentRead) and fact.ports[-1].name == "vm-2", "the one that came back never left"


def test_a_new_chassis_row_of_the_same_name_is_followed(central: Central, background: Background) -> None:
    add_vm(central)
    watched = Watched(central, background)
    watched.ports(VM)
    central.sbctl("chassis-del", "host-1")
    watched.lost("chassis 'host-1' is not registered")
    told = len(watched.heard)
    central.sbctl("chassis-add", "host-1", "geneve", "192.0.2.1")
    central.sbctl("lsp-bind", "vm-1", "host-1")
    watched.ports(VM)
    assert all(f.ports for f in watched.heard[told:] if isinstance(f, IntentRead)), "never told without its port"
    add_vm(central, 2)
    eventually(lambda: _count(watched, 2))


def _count(watched: Watched, expected: int) -> None:
    latest = watched.latest
    assert isinstance(latest, IntentRead) and len(latest.ports) == expected, latest


def test_a_lost_server_freezes_and_comes_back(central: Central, background: Background) -> None:
    add_vm(central)
    watched = Watched(central, background)
    watched.ports(VM)
    central.end_sb()
    watched.lost("does not answer")
    told = len(watched.heard)
    central.start_sb()
    add_vm(central, 2)
    eventually(lambda: _count(watched, 2))
    assert all(f.ports for f in watched.heard[told:] if isinstance(f, IntentRead))


def test_a_database_made_anew_is_no_wish_of_the_cloud(central: Central, background: Background) -> None:
    """ovn-controller registers itself before northd has filled it."""
    add_circuit(central, to_external_ids(INTENT))
    add_vm(central)
    watched = Watched(central, background)
    watched.ports(VM)
    told = len(watched.heard)
    central.end_northd()
    central.lose_sb()
    central.start_sb()
    central.sbctl("chassis-add", "host-1", "geneve", "192.0.2.1")
    watched.lost("made anew, and northd has not filled it yet")
    central.start_northd()
    eventually(lambda: central.sbctl("lsp-bind", "vm-1", "host-1"))
    watched.ports(VM)
    for fact in watched.heard[told:]:
        assert isinstance(fact, IntentLost) or (fact.ports == (VM,) and fact.circuits == {CircuitName(AC): INTENT})


def test_an_older_northbound_is_not_followed_at_once(central: Central, background: Background) -> None:
    add_vm(central)
    watched = Watched(central, background)
    watched.ports(VM)
    central.nbctl("set", "NB_Global", ".", "nb_cfg=0", "--", "lsp-del", "vm-1", wait="none")
    watched.lost("says less than before (nb_cfg 0 after")


def test_a_chassis_that_is_not_there_is_named(central: Central, background: Background) -> None:
    Watched(central, background, chassis="host-9").lost("chassis 'host-9' is not registered")


def test_another_endpoint_is_taken_when_one_does_not_answer(central: Central, background: Background) -> None:
    add_vm(central)
    Watched(central, background, "host-1", "tcp:127.0.0.1:9", central.sb, "unix:/nonexistent").ports(VM)


def test_over_tls_with_certificates(central: Central, background: Background, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "strange").mkdir()
    ours, strange = certificates(tmp_path / "ours"), certificates(tmp_path / "strange")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    central.end_sb()
    central.start_sb(
        *(f"--remote=pssl:{port}:127.0.0.1", f"--private-key={ours.private_key}"),
        *(f"--certificate={ours.certificate}", f"--ca-cert={ours.ca_cert}"),
    )
    add_vm(central)
    use_certificates(strange)
    Watched(central, background, "host-1", f"ssl:127.0.0.1:{port}").lost("does not answer")
    use_certificates(ours)
    Watched(central, background, "host-1", f"ssl:127.0.0.1:{port}").ports(VM)
