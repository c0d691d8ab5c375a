"""Commands into a guest, over a cable that nobody else is on.

The lab connects and says one line of JSON (`argv`, `stdin`), the guest answers one (`code`, `out`, `err`) when the
command has ended. In the guest this file is run by itself, as its first process: standard library only. An open root
shell, so it listens on that cable's address alone.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

LAB, GUEST = "169.254.200.1", "169.254.200.2"
"""The two ends of the cable, the same for each guest: each has a namespace of its own."""
PREFIX_LENGTH = 30
PORT = 99


def ask(connection: socket.socket, argv: Sequence[str], stdin: str = "") -> dict[str, Any]:
    """What the guest answers. Raises OSError, TimeoutError with it."""
    connection.sendall(json.dumps({"argv": list(argv), "stdin": stdin}).encode() + b"\n")
    line = connection.makefile("rb").readline()
    if not line:
        raise ConnectionError("the guest has closed the connection")
    answer: dict[str, Any] = json.loads(line)
    return answer


def serve() -> None:
    """For ever. Each connection has a process of its own; nobody is waited for, so no dead process stays."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.create_server((GUEST, PORT), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                with suppress(OSError, ValueError):
                    _answer(connection)
                os._exit(0)
            connection.close()


def _answer(connection: socket.socket) -> None:
    asked = json.loads(connection.makefile("rb").readline())
    try:
        done = subprocess.run(asked["argv"], input=asked["stdin"], capture_output=True, text=True, errors="replace")
        said = {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    except OSError as error:
        said = {"code": 127, "out": "", "err": str(error)}
    connection.sendall(json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    serve()
