"""The southbound watcher as a test sees it, and the rows it looks at, made with OVN's own tools."""

from __future__ import annotations

import json
import uuid
from typing import Any

from isthmus.model.intent import AttachmentIntent
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.port import LocalPort
from isthmus.model.vpn import SiteOfOrigin
from isthmus.node.facts import IntentLost, IntentRead
from isthmus.shell.idl import conditions_met
from isthmus.shell.southbound import Southbound
from tests.contract.switches import Central
from tests.eventually import eventually
from tests.shell.background import Background

NETWORK = f"neutron-{uuid.UUID(int=7)}"
AC = "isthmus-ac-1"
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


def row_ids(values: dict[str, str]) -> list[str]:
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
        *("--", "set", "Logical_Switch_Port", port.name, *row_ids(ids)),
    )
    central.sbctl("lsp-bind", port.name, chassis)
    eventually(lambda: _is_up(central, port.name))


def _is_up(central: Central, name: str) -> None:
    """northd has seen the binding, so no change of its own comes later."""
    assert central.nbctl("get", "Logical_Switch_Port", name, "up") == "true"


def add_circuit(central: Central, values: dict[str, str], name: str = AC) -> None:
    central.nbctl(
        *("lsp-add", "net", name, "--", "lsp-set-type", name, "localport"),
        *("--", "set", "Logical_Switch_Port", name, *row_ids(values)),
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

    def count(self, expected: int) -> None:
        latest = self.latest
        assert isinstance(latest, IntentRead) and len(latest.ports) == expected, latest
