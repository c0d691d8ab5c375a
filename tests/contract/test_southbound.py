"""The southbound watcher against a real OVN central: rows made with its own tools, northd between."""

from __future__ import annotations

import socket
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import (
    BadIntent,
    UnknownSchema,
    to_external_ids,
)
from isthmus.model.net import IpAddress, Mac
from isthmus.model.port import Gateway
from isthmus.model.reason import NotAnnounced
from isthmus.node.facts import IntentLost, IntentRead
from isthmus.shell.bindings import HOLD_S
from isthmus.shell.idl import use_certificates
from tests.certificates import certificates
from tests.contract.switches import Central, installed
from tests.contract.watched import AC, INTENT, NETWORK, VM, Watched, add_circuit, add_vm, row_ids, vm
from tests.eventually import eventually
from tests.shell.background import Background

pytestmark = [pytest.mark.contract, pytest.mark.skipif(not installed(), reason="OVN is not installed")]

GATEWAY_MAC = "fa:16:3e:00:00:fe"


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
        *("--", "set", "Logical_Router_Port", name, *row_ids(ids)),
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


def test_a_machine_that_migrates_is_heard_of_before_it_is_bound(central: Central, background: Background) -> None:
    add_vm(central, 1, "host-2")
    watched = Watched(central, background)
    watched.ports()
    here = central.sbctl("--bare", "--columns=_uuid", "find", "Chassis", "name=host-1")
    central.sbctl("set", "Port_Binding", "vm-1", f"additional_chassis={here}")
    watched.ports(replace(VM, why_not=NotAnnounced.ARRIVING))
    central.sbctl("set", "Port_Binding", "vm-1", f"chassis={here}", "additional_chassis=[]")
    watched.ports(VM)


def test_a_virtual_address_follows_the_machine_that_has_it(central: Central, background: Background) -> None:
    """As ovn-controller binds it when the machine has sent a gratuitous ARP; never "up"."""
    add_vm(central, 2, "host-1")
    virtual = {"type": "virtual", "options:virtual-ip": "10.1.0.1", "options:virtual-parents": "vm-2"}
    central.nbctl(
        *("lsp-add", "net", "vm-1", "--", "lsp-set-addresses", "vm-1", f"{VM.mac} 10.1.0.1"),
        *("--", "set", "Logical_Switch_Port", "vm-1", *(f"{key}={value}" for key, value in virtual.items())),
        *row_ids(
            {
                "neutron:network_name": NETWORK,
                "neutron:cidrs": "10.1.0.1/24 2001:db8::1/64",
                "neutron:revision_number": "12",
                "neutron:device_id": "instance-1",
            }
        ),
    )
    watched = Watched(central, background)
    watched.ports(vm(2))
    chassis = {
        name: central.sbctl("--bare", "--columns=_uuid", "find", "Chassis", f"name={name}")
        for name in ("host-1", "host-2")
    }
    central.sbctl("set", "Port_Binding", "vm-1", f"chassis={chassis['host-1']}", "virtual_parent=vm-2")
    watched.ports(replace(VM, is_virtual=True), vm(2))
    central.sbctl("set", "Port_Binding", "vm-1", f"chassis={chassis['host-2']}", "virtual_parent=vm-3")
    watched.ports(vm(2))


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
    eventually(lambda: watched.count(2))


def test_a_lost_server_freezes_and_comes_back(central: Central, background: Background) -> None:
    add_vm(central)
    watched = Watched(central, background)
    watched.ports(VM)
    central.end_sb()
    watched.lost("does not answer")
    told = len(watched.heard)
    central.start_sb()
    add_vm(central, 2)
    eventually(lambda: watched.count(2))
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
