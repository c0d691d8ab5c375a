"""Descriptors in safe keeping while the process is exchanged: given to whoever started us, had back at the next start.

The protocol is systemd's, sd_notify(3) and sd_listen_fds(3): a datagram on NOTIFY_SOCKET with the descriptor beside it,
and at the start LISTEN_FDS and LISTEN_FDNAMES. The unit's FileDescriptorStoreMax allows it. Where there is no systemd
(containers, the lab) holder.py does the same.

Rules: what was taken back is forgotten there at once, or the connection would outlive its end here. No colons in names.
"""

from __future__ import annotations

import array
import os
import select
import socket
from collections.abc import Sequence

BARRIER_S = 5.0
_FIRST = 3
"""SD_LISTEN_FDS_START."""


def notify(state: str, descriptors: Sequence[int] = ()) -> bool:
    """Whether somebody is there to be told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors).tobytes())] if descriptors else []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.sendmsg([state.encode()], ancillary)
        except OSError:
            return False
    return True


def keep(name: str, descriptor: int) -> bool:
    """Into safe keeping, under a name; whether that was possible."""
    assert ":" not in name, "systemd separates names by colons"
    return notify(f"FDSTORE=1\nFDNAME={name}", [descriptor])


def forget(name: str) -> None:
    """We have it back."""
    notify(f"FDSTOREREMOVE=1\nFDNAME={name}")


def taken() -> bool:
    """Whether everything told so far has been taken note of: who ends before that may be told to nobody
    (sd_notify_barrier(3))."""
    here, there = os.pipe()
    try:
        try:
            if not notify("BARRIER=1", [there]):
                return False
        finally:
            os.close(there)
        poll = select.poll()
        poll.register(here, 0)
        return bool(poll.poll(BARRIER_S * 1000))
    finally:
        os.close(here)


def kept() -> dict[str, socket.socket]:
    """The sockets that were kept for us, by name; to be asked once, before anything else is opened."""
    count, names = os.environ.pop("LISTEN_FDS", "0"), os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()) or not count.isdigit() or len(names) != int(count):
        return {}
    found: dict[str, socket.socket] = {}
    for number, name in enumerate(names, _FIRST):
        os.set_inheritable(number, False)
        try:
            one = socket.socket(fileno=number)
        except OSError:  # no socket: nothing of ours
            os.close(number)
            continue
        if name in found:
            one.close()
        else:
            found[name] = one
    return found
