"""What keeps flows that track connections from a switch whose kernel cannot.

Debian's User-Mode Linux has no zones of conntrack, and Open vSwitch refuses a flow that names one, and with it the
whole bundle it came in. OVN writes such flows for every logical switch, met or not. This stands between ovn-controller
and the switch and leaves them out; all else it hands on, octet for octet. So such a hypervisor has no security groups
and no NAT: what would meet a flow that is not there meets the next.

In the guest, by itself (standard library only): untracked.py LISTEN SWITCH, two unix sockets.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HEADER, BUNDLED = 8, 16
"""Octets before the body of a message, and before the message that is part of a bundle (OpenFlow 1.5, 7.3.9.6)."""
FLOW_MOD, BUNDLE_ADD = 14, 34
TRACKS = re.compile(rb"\xff\xff..\x00\x00\x23\x20\x00\x23", re.DOTALL)
"""The head of Nicira's action `ct`: experimenter, length, vendor, subtype 35."""
CHUNK = 1 << 16


def kept(message: bytes) -> bool:
    """Whether the switch may see this message."""
    inner = message[BUNDLED:] if message[1] == BUNDLE_ADD else message
    if len(inner) < HEADER or inner[1] != FLOW_MOD:
        return True
    return not any(found.start() % 8 == 0 for found in TRACKS.finditer(inner))


def messages(source: socket.socket) -> Iterator[bytes]:
    """One by one, by the length that each has in its header."""
    with source.makefile("rb") as octets:
        while len(head := octets.read(HEADER)) == HEADER:
            yield head + octets.read(int.from_bytes(head[2:4], "big") - HEADER)


def between(controller: socket.socket, switch: socket.socket) -> None:
    """Until one of them has ended."""
    back = threading.Thread(target=_pour, args=(switch, controller))
    back.start()
    with suppress(OSError):
        for message in messages(controller):
            if kept(message):
                switch.sendall(message)
    with suppress(OSError):
        switch.shutdown(socket.SHUT_RDWR)
    back.join()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def _serve(connection: socket.socket, path: str) -> None:
    with connection, socket.socket(socket.AF_UNIX) as switch:
        try:
            switch.connect(path)
        except OSError:
            return  # whoever wants it comes again
        between(connection, switch)


def main(listen: Path, switch: str) -> None:
    listen.parent.mkdir(exist_ok=True)
    listen.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(listen))
        listener.listen()
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, switch), daemon=True).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
