"""A whole small world for the agent: a private Open vSwitch, a private OVN, and its configuration file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from isthmus.cli.ask import NotAnswered, ask
from isthmus.model.intent import AttachmentIntent, to_external_ids
from tests.contract.switches import Central, Switch


class AgentProcess:
    """`isthmus-agent` as a process of its own, as systemd would start it."""

    def __init__(
        self,
        switch: Switch,
        central: Central,
        reflector_port: int,
        *,
        reflector: str = "127.0.0.1",
        held: bool = False,
        release: Path | None = None,
        families: Sequence[str] = ("evpn",),
    ) -> None:
        """`held`: under the holder, which keeps its connections. `release`: where another release is installed."""
        self._held = held
        self.release = release
        self.directory = Path(switch.run_dir)
        self.socket = self.directory / "agent.sock"
        self.file = self.directory / "agent.toml"
        self.log = self.directory / "agent.log"
        self.notified = self.directory / "notify.sock"
        self.file.write_text(
            f"""
            agent = {{ vtep = "127.0.0.9", as = 64512 }}
            reflectors = [{{ address = "{reflector}", as = 64512, port = {reflector_port} }}]
            {f"bgp = {{ families = {json.dumps(families)} }}" if tuple(families) != ("evpn",) else ""}
            [ovsdb]
            endpoint = "{switch.db}"
            run_dir = "{switch.run_dir}"
            [southbound]
            endpoints = ["{central.sb}"]
            [show]
            socket = "{self.socket}"
            [metrics]
            listen = ""
            [state]
            directory = "{self.directory}/state"
            """
        )

        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self.notified))
        self._notify.settimeout(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Again, after it ended."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *((sys.executable, "-m", "isthmus.shell.holder", "--") if self._held else ()),
                    *(sys.executable, "-m", "isthmus.shell.agent", "--config", str(self.file)),
                ],
                stderr=log,
                stdout=log,
                env=dict(os.environ)
                | {"NOTIFY_SOCKET": str(self.notified)}
                | ({"PYTHONPATH": str(self.release)} if self.release else {}),
            )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._notify.close()
        if self.process.poll() is None and self._held:
            self.process.terminate()  # it ends its program with it
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)

    def ready(self) -> bytes:
        """What systemd is told."""
        return self._notify.recv(100)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(how)
        return self.process.wait(10)

    def get(self, what: str) -> bytes:
        """As the operator's command asks."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return ask(self.socket, what)
        except NotAnswered as why:
            raise AssertionError(str(why)) from why

    def status(self) -> Any:
        return json.loads(self.get("/status"))


def attach(central: Central, circuit: str, network: str, intent: AttachmentIntent) -> None:
    """One attachment, and a VM on host-1 that it concerns."""
    central.sbctl("chassis-add", "host-1", "geneve", "192.0.2.1")
    central.nbctl("ls-add", "net")
    write_row(central, circuit, to_external_ids(intent))
    bind(central, "vm", "10.1.0.5", network)


def write_row(central: Central, name: str, values: Mapping[str, str]) -> None:
    """A row as the plugin writes it, in place of the one there was."""
    central.nbctl(
        *("--may-exist", "lsp-add", "net", name, "--", "lsp-set-type", name, "localport"),
        *("--", "clear", "Logical_Switch_Port", name, "external_ids"),
        *("--", "set", "Logical_Switch_Port", name),
        *(f'external_ids:"{key}"={json.dumps(value)}' for key, value in values.items()),
    )


def bind(central: Central, name: str, address: str, network: str) -> None:
    """A VM on host-1."""
    central.nbctl(
        *("lsp-add", "net", name, "--", "lsp-set-addresses", name, f"fa:16:3e:00:00:{address[-1]:0>2} {address}"),
        *("--", "set", "Logical_Switch_Port", name, f'external_ids:"neutron:network_name"="{network}"'),
        *(f'external_ids:"neutron:cidrs"="{address}/24"', 'external_ids:"neutron:revision_number"="3"'),
    )
    central.sbctl("lsp-bind", name, "host-1")
