"""Streams of numbered UDP packets between VMs, a hundred a second each, and what became of them.

    python -m isthmus.lab.chaos.traffic '[{"name": …, "source": NODE, "address": …, "target": NODE, "to": …}, …]'

One process has the sockets of all VMs (a socket belongs to the namespace it was made in), so one clock numbers what
is sent and ticks off what arrives. On standard input `mark` begins a window, and `look` asks for it: a second later,
when what was under way has arrived, a line of JSON says of each stream how many packets since the mark were sent and
lost, and the longest run of lost ones. Standard library only.

Rules: packets leave on a fixed schedule; one that could not leave is lost. A packet counts by its number, so a late one
is not lost and one that comes twice is one.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypedDict

from isthmus.lab.ladder.probe import inside

PACE_S = 0.01
PORT = 7100
GRACE_S = 1.0
"""What is under way at the end of a window has arrived by then, or never will."""
BEHIND_MAX = 20
"""More packets than these are never sent at once, however late this process is: they are left out, not lost."""

_NUMBER = struct.Struct("!Q")


class Flow(TypedDict):
    """One stream: from a VM's address to another's."""

    name: str
    source: str
    address: str
    target: str
    to: str


class Count(TypedDict):
    """What became of one stream in one window."""

    name: str
    sent: int
    lost: int
    gap: int
    """The longest run of lost packets."""


@dataclass(slots=True)
class Stream:
    """The two ends of a flow; `arrived` has an octet for each packet that was sent."""

    name: str
    out: socket.socket
    into: socket.socket
    arrived: bytearray = field(default_factory=bytearray)
    begin: int = 0

    @classmethod
    def open(cls, flow: Flow, port: int) -> Stream:
        family = socket.AF_INET6 if ":" in flow["to"] else socket.AF_INET

        def bound(address: str, at: int) -> socket.socket:
            made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.bind((address, at))
            return made

        into = inside(flow["target"], lambda: bound(flow["to"], port))
        out = inside(flow["source"], lambda: bound(flow["address"], 0))
        inside(flow["source"], lambda: out.connect((flow["to"], port)))
        return cls(flow["name"], out, into)

    def send(self) -> None:
        self.arrived.append(0)
        with suppress(OSError):  # no way, or an error that an earlier packet met: this one is lost
            self.out.send(_NUMBER.pack(len(self.arrived) - 1))

    def take(self) -> None:
        """Everything that has arrived."""
        with suppress(OSError):
            while True:
                data = self.into.recv(64)
                number = _NUMBER.unpack(data)[0] if len(data) == _NUMBER.size else len(self.arrived)
                if number < len(self.arrived):
                    self.arrived[number] = 1


def count(name: str, arrived: bytes | bytearray) -> Count:
    """Of a window's packets."""
    runs = [len(run) for run in bytes(arrived).split(b"\1")]
    return Count(name=name, sent=len(arrived), lost=sum(runs), gap=max(runs))


class Traffic:
    """All streams."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._streams = [Stream.open(flow, PORT + number) for number, flow in enumerate(flows)]
        self._selector = selectors.DefaultSelector()
        for stream in self._streams:
            self._selector.register(stream.into, selectors.EVENT_READ, stream)
        self._selector.register(sys.stdin, selectors.EVENT_READ, None)
        self._looks: list[tuple[float, list[tuple[int, int]]]] = []
        """When to answer, and where the window of each stream begins and ends."""

    def run(self) -> None:
        """Until standard input ends."""
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= due:
                due = max(due + PACE_S, now - BEHIND_MAX * PACE_S)
                for stream in self._streams:
                    stream.send()
            for key, _ in self._selector.select(max(0.0, due - time.monotonic())):
                if key.data is not None:
                    key.data.take()
                elif not self._told(os.read(sys.stdin.fileno(), 4096)):
                    return
            self._answer()

    def _told(self, said: bytes) -> bool:
        """Whether to go on. Whoever asks writes whole lines."""
        for word in said.split():
            if word == b"mark":
                for stream in self._streams:
                    stream.begin = len(stream.arrived)
            elif word == b"look":
                ends = [(stream.begin, len(stream.arrived)) for stream in self._streams]
                self._looks.append((time.monotonic() + GRACE_S, ends))
        return bool(said)

    def _answer(self) -> None:
        while self._looks and time.monotonic() >= self._looks[0][0]:
            _, ends = self._looks.pop(0)
            counts = [
                count(stream.name, stream.arrived[begin:end])
                for stream, (begin, end) in zip(self._streams, ends, strict=True)
            ]
            print(json.dumps(counts), flush=True)


def main() -> None:
    traffic = Traffic(json.loads(sys.argv[1]))
    print("ready", flush=True)
    traffic.run()


if __name__ == "__main__":
    main()
