"""Keeps a program running and its connections open while it is exchanged, where there is no systemd to do so: in a
container, in the lab. `python -m isthmus.shell.holder -- isthmus-agent …`

    SIGHUP    exchange: the program is told (SIGUSR2) to hand over and end, and is started again at once
    SIGTERM   the end for good: the program is told (SIGTERM), then we end as it ended

A program that ends by itself is started again after a second, one that cannot use its configuration (exit code 2) is
not: as etc/isthmus-agent.service has it. The protocol is systemd's; keeping.py is the other end.

Rules: only our own child is listened to. What it has given us it gets at its next start, whatever became of it; it
knows what is still of use. Standard library only, one thread, nothing that could fail while connections are held.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from types import FrameType

RESTART_S = 1.0
BAD_CONFIGURATION = 2
DESCRIPTORS_MAX = 64
_CREDENTIALS = struct.Struct("3i")


class Holder:
    """One program."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = list(argv)
        self._kept: list[tuple[str, int]] = []
        self._child = 0
        self._stopping = self._exchanging = False
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._ring, False)
        self._address = f"\0isthmus-holder-{os.getpid()}"
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._ear.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._ear.bind(self._address)

    def run(self) -> int:
        """Until the end for good; the program's exit code."""
        signal.set_wakeup_fd(self._ring)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._signalled)
        while True:
            self._start()
            if self._stopping:  # said while there was nobody to tell
                os.kill(self._child, signal.SIGTERM)
            code = self._wait()
            if self._stopping or code == BAD_CONFIGURATION:
                return code
            if not self._exchanging and self._sleep(RESTART_S):
                return code
            self._exchanging = False

    def _signalled(self, number: int, _: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stopping = True
        elif number == signal.SIGHUP:
            self._exchanging = True
        if self._child and number != signal.SIGCHLD:
            os.kill(self._child, signal.SIGTERM if self._stopping else signal.SIGUSR2)

    def _start(self) -> None:
        """The child gets what we keep as descriptors 3 and up, with their names. Ours stay until it has them."""
        self._child = os.fork()
        if self._child:
            return
        try:
            signal.set_wakeup_fd(-1)
            for one in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(one, signal.SIG_DFL)
            beyond = 3 + len(self._kept)  # first out of the way of the numbers that are meant
            spare = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, beyond) for _, descriptor in self._kept]
            for number, descriptor in enumerate(spare, 3):
                os.dup2(descriptor, number, inheritable=True)
            environment = dict(os.environ, NOTIFY_SOCKET="@" + self._address[1:])
            if spare:
                names = ":".join(name for name, _ in self._kept)
                environment |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(spare)), "LISTEN_FDNAMES": names}
            os.execvpe(self._argv[0], self._argv, environment)
        except OSError as error:
            print(f"{self._argv[0]}: {error.strerror}", file=sys.stderr, flush=True)
        finally:
            os._exit(127)

    def _wait(self) -> int:
        """Until the child has ended; what it says is heard, the last words too."""
        child = self._child
        while True:
            self._hear(child)
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                self._child = 0  # before it is reaped: no signal may look for it when its number is free
                self._hear(child)
                _, status = os.waitpid(child, 0)
                return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
            select.select([self._bell, self._ear.fileno()], [], [])
            self._silence()

    def _sleep(self, seconds: float) -> bool:
        """Unless somebody wants the end, or an exchange; whether it is the end."""
        until = time.monotonic() + seconds
        while not (self._stopping or self._exchanging) and (left := until - time.monotonic()) > 0:
            select.select([self._bell], [], [], left)
            self._silence()
        return self._stopping

    def _silence(self) -> None:
        if select.select([self._bell], [], [], 0)[0]:
            os.read(self._bell, 4096)

    def _hear(self, child: int) -> None:
        """Everything that waits; only the child is listened to."""
        room = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(DESCRIPTORS_MAX * 4)
        while True:
            try:
                data, ancillary, _, _ = self._ear.recvmsg(4096, room, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            descriptors, sender = array.array("i"), 0
            for level, kind, value in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    descriptors.frombytes(value[: len(value) - len(value) % descriptors.itemsize])
                elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                    sender = _CREDENTIALS.unpack(value)[0]
            if sender == child:
                lines = data.decode(errors="replace").splitlines()
                self._told({name: value for name, _, value in (line.partition("=") for line in lines)}, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)  # what is kept was copied; the end of a barrier's pipe is its answer

    def _told(self, words: dict[str, str], descriptors: Sequence[int]) -> None:
        name = words.get("FDNAME", "stored")
        if words.get("FDSTORE") == "1":
            room = DESCRIPTORS_MAX - len(self._kept)
            self._kept += [(name, os.dup(descriptor)) for descriptor in descriptors[:room]]
        if words.get("FDSTOREREMOVE") == "1":
            for kept, descriptor in self._kept:
                if kept == name:
                    os.close(descriptor)
            self._kept = [one for one in self._kept if one[0] != name]


def main() -> int:
    words = sys.argv[1:]
    if words[:1] == ["--"]:
        words = words[1:]
    if not words:
        print("usage: python -m isthmus.shell.holder -- PROGRAM ARGUMENT…", file=sys.stderr)
        return 2
    return Holder(words).run()


if __name__ == "__main__":
    sys.exit(main())
