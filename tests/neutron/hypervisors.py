"""Hypervisors for a test cloud that has none: the rows that ovn-controller and our agent would write."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

from isthmus.model.report import (
    IN_SYNC,
    SB_CFG_KEY,
    UP,
    AgentReport,
    AttachmentReport,
    NodeReport,
    PeerReport,
    to_external_ids,
)
from tests.eventually import eventually
from tests.neutron.cloud import Cloud, User

PEER = PeerReport("192.0.2.250", UP, 1700000000, "", ("l2vpn evpn",), 12, 3)
AGENT = AgentReport("0.1.0", 1700000000, "192.0.2.1", 64512, "192.0.2.1", "in use", IN_SYNC, IN_SYNC, (PEER,))


_numbers = itertools.count(1)
"""An address is one chassis' only."""


class Southbound:
    """The southbound database of a test cloud, changed by `ovn-sbctl`."""

    def __init__(self, cloud: Cloud) -> None:
        self._path: Path = cloud.sockets["sb"]
        self.cloud = cloud

    def run(self, *words: str) -> str:
        command = ["ovn-sbctl", f"--db=unix:{self._path}", "--timeout=40", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout.strip()

    def nb_cfg(self) -> int:
        return int(self.run("get", "SB_Global", ".", "nb_cfg"))


class Hypervisor:
    """One chassis with an agent."""

    def __init__(self, southbound: Southbound, name: str) -> None:
        self._southbound, self.name = southbound, name
        self._kept: set[str] = set()
        # In two steps, as ovn-controller does it: the private row refers to the other.
        southbound.run("chassis-add", f"c-{name}", "geneve", f"198.18.0.{next(_numbers)}")
        southbound.run("set", "Chassis", f"c-{name}", f"hostname={name}")
        chassis = southbound.run("get", "Chassis", f"c-{name}", "_uuid")
        southbound.run("create", "Chassis_Private", f"name=c-{name}", f"chassis={chassis}", "nb_cfg_timestamp=1")
        self.controller_answers()

    def gone(self) -> None:
        self._southbound.run("--if-exists", "chassis-del", f"c-{self.name}")
        if left := self._uuid():
            self._southbound.run("destroy", "Chassis_Private", left)

    def _uuid(self) -> str:
        return self._southbound.run("--bare", "--columns=_uuid", "find", "Chassis_Private", f"name=c-{self.name}")

    def set(self, *words: str) -> None:
        self._southbound.run("set", "Chassis_Private", self._uuid(), *words)

    def controller_answers(self) -> None:
        """ovn-controller follows Neutron's question."""
        self.set(f"nb_cfg={self._southbound.nb_cfg()}")

    def answers(self) -> None:
        """So does our agent."""
        self.set(f'external_ids:"{SB_CFG_KEY}"="{self._southbound.nb_cfg()}"')

    def reports(self, *attachments: AttachmentReport, agent: AgentReport = AGENT) -> None:
        """Exactly this, and that it lives."""
        wanted = to_external_ids(NodeReport(agent, attachments)) | {SB_CFG_KEY: str(self._southbound.nb_cfg())}
        for key in self._kept - wanted.keys():
            self._southbound.run("remove", "Chassis_Private", self._uuid(), "external_ids", f'"{key}"')
        self.set(*(f'external_ids:"{key}"={json.dumps(value)}' for key, value in wanted.items()))
        self._kept = set(wanted)

    def plug(self, admin: User, port: dict[str, Any]) -> None:
        """As Nova and ovn-controller do: the port is bound here and up."""
        admin.put(f"ports/{port['id']}", {"port": {"binding:host_id": self.name, "device_owner": "compute:nova"}})
        self._southbound.run("lsp-bind", port["id"], f"c-{self.name}")
        self._southbound.run("set", "Port_Binding", port["id"], "up=true")
        eventually(lambda: _is_up(admin, port["id"]))


def _is_up(admin: User, port: str) -> None:
    shown = admin.get(f"ports/{port}")
    assert (shown["status"], shown["binding:vif_type"]) == ("ACTIVE", "ovs"), shown
