"""Numbered packets between VMs, two hundred a second in each stream, and the moment each of them arrived.

The moment is the kernel's (SO_TIMESTAMPNS), so it is right however late this process reads it. A thread sends and
collects; whoever measures asks it for the first arrival since a moment, or the last one. All clocks here are the wall
clock, because the kernel, tcpdump and the databases stamp with it too.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from isthmus.lab.chaos.traffic import Flow, Stream
from isthmus.lab.fault import PartFailed

PACE_S = 0.005
PORT = 7300
SO_TIMESTAMPNS = 35
"""asm-generic/socket.h; the socket module has no name for it."""
POLL_S = 0.02
_TIMESPEC = struct.Struct("@qq")


class Packets:
    """Sends in every stream for as long as the block lasts."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self.names = tuple(flow["name"] for flow in flows)
        self._streams = [Stream.open(flow, PORT + number) for number, flow in enumerate(flows)]
        self._arrivals: dict[str, list[float]] = {name: [] for name in self.names}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="packets")
        for stream in self._streams:
            stream.into.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        for stream in self._streams:
            stream.into.close()
            stream.out.close()

    def forget(self) -> None:
        """What has arrived so far."""
        with self._lock:
            for arrivals in self._arrivals.values():
                arrivals.clear()

    def first(self, name: str, since: float) -> float | None:
        with self._lock:
            return next((at for at in self._arrivals[name] if at >= since), None)

    def last(self, name: str) -> float | None:
        with self._lock:
            return self._arrivals[name][-1] if self._arrivals[name] else None

    def until_all(self, names: Sequence[str], since: float, within_s: float = 30.0) -> dict[str, float]:
        """When a packet of each of these first arrived."""
        deadline = time.time() + within_s
        while True:
            found = {name: at for name in names if (at := self.first(name, since)) is not None}
            if len(found) == len(names):
                return found
            if time.time() > deadline:
                missing = ", ".join(name for name in names if name not in found)
                raise PartFailed("packets", f"every stream to arrive within {within_s:.0f} s", f"{missing} did not")
            time.sleep(POLL_S)

    def until_silent(
        self, names: Sequence[str], since: float, for_s: float, within_s: float = 30.0
    ) -> dict[str, float]:
        """When the last packet of each of these arrived, once none has for that long; `since` if there was none."""
        deadline = time.time() + within_s
        while True:
            last = {name: max(since, self.last(name) or since) for name in names}
            if time.time() - max(last.values()) > for_s:
                return last
            if time.time() > deadline:
                raise PartFailed(
                    "packets", f"silence within {within_s:.0f} s", f"they still arrive: {', '.join(names)}"
                )
            time.sleep(POLL_S)

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for stream in self._streams:
                selector.register(stream.into, selectors.EVENT_READ, stream)
            due = time.monotonic()
            while not self._over.is_set():
                if time.monotonic() >= due:
                    due = max(due + PACE_S, time.monotonic() - PACE_S)
                    for stream in self._streams:
                        stream.send()
                for key, _ in selector.select(max(0.0, due - time.monotonic())):
                    self._take(key.data)

    def _take(self, stream: Stream) -> None:
        with suppress(OSError):  # nothing more to read, or an error that an earlier packet met
            while True:
                _, said, _, _ = stream.into.recvmsg(64, socket.CMSG_SPACE(_TIMESPEC.size))
                for level, kind, data in said:
                    if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                        seconds, nanoseconds = _TIMESPEC.unpack(data[: _TIMESPEC.size])
                        with self._lock:
                            self._arrivals[stream.name].append(seconds + nanoseconds / 1e9)
