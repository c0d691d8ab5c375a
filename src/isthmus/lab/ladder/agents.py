"""What the agents of the lab say: the same door that `isthmus show` uses."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from isthmus.lab.lab import Lab


class _Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("agent", timeout=5)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def status(lab: Lab, node: str) -> dict[str, Any]:
    """Everything the agent of that hypervisor says. Raises OSError when it does not answer."""
    connection = _Unix(lab.places.agent_socket(node))
    try:
        connection.request("GET", "/status")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()
