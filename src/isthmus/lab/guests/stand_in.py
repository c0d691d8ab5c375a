"""What stands outside for something that is in a guest, so that the lab need not know where that is.

    python -m isthmus.lab.guests.stand_in hold -- CMD...               a process: its output, its end, signals to it;
                                                                       killed, it takes the other with it
    python -m isthmus.lab.guests.stand_in sockets PATH... PORT=PATH... unix sockets of the guest, at the same paths
                                                                       here; and for the guest, ports of the lab's end
                                                                       of the cable that lead to unix sockets here

Runs in the namespace of the guest's cables.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from isthmus.lab.guests import channel

HOLD = (sys.executable, "-m", __name__, "hold", "--")
SOCKETS = (sys.executable, "-m", __name__, "sockets")
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def hold(argv: Sequence[str]) -> int:
    """Until it ends; with which code."""
    with _guest({"hold": list(argv), "env": dict(os.environ)}) as connection:
        for number in PASSED_ON:
            signal.signal(number, lambda which, _: connection.sendall(b"%d\n" % which))
        for line in connection.makefile("rb"):
            said = json.loads(line)
            for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
                if name in said:
                    stream.write(said[name])
                    stream.flush()
            if "code" in said:
                code = int(said["code"])
                return code if code >= 0 else 128 - code
    print("the guest has ended", file=sys.stderr)
    return 1


def sockets(wishes: Sequence[str]) -> None:
    """For ever."""
    for wish in wishes:
        port, _, path = wish.rpartition("=")
        listener = socket.create_server((channel.LAB, int(port))) if port else _listen(Path(path))
        there = _here(path) if port else _inside(path)
        threading.Thread(target=_lead, args=(listener, there)).start()


def _lead(listener: socket.socket, there: Callable[[], socket.socket]) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_joined, args=(connection, there), daemon=True).start()


def _joined(connection: socket.socket, there: Callable[[], socket.socket]) -> None:
    with connection, suppress(OSError), there() as other:
        channel.splice(connection, other)


def _here(path: str) -> Callable[[], socket.socket]:
    def connect() -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.connect(path)
        return made

    return connect


def _inside(path: str) -> Callable[[], socket.socket]:
    return lambda: _guest({"join": path})


def _guest(words: dict[str, object]) -> socket.socket:
    connection = socket.create_connection((channel.GUEST, channel.PORT))
    channel.say(connection, words)
    return connection


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)
    return listener


def main() -> int:
    match sys.argv[1:]:
        case ["hold", "--", *argv]:
            return hold(argv)
        case ["sockets", *wishes]:
            sockets(wishes)
            return 0
    return 2


if __name__ == "__main__":
    sys.exit(main())
