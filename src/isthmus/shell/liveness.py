"""Whether the tunnel endpoints are there, asked five times a second through the tunnels themselves.

A probe is a small frame that the far switch sends back by a flow (flows/layout.py): what answers is what forwards, and
it answers while its agent is away, is exchanged or has crashed. Probes leave by packet-out and answers come by
packet-in, on an OpenFlow connection of their own.

Rules: only an endpoint that has answered can fall silent, because another maker's PE knows no probes. Silence is
counted in probes, never in seconds: what this process was too busy to read is read before the next round counts. While
there is no connection, or the switch does not answer on it, nobody is asked and nobody is blamed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from isthmus.flows.layout import ANSWER_MAC, ASK_LABEL, PROBE_MAC, PROBE_TYPE
from isthmus.model.net import IpAddress
from isthmus.node.effects import SetProbes
from isthmus.node.facts import Answer, AnswersRead
from isthmus.shell.openflow import Line, packet_out
from isthmus.shell.turns import Turns

PROBE_S = 0.2
LOST = 3
"""Probes without an answer: that an endpoint has died is known 0.6 to 0.8 s later."""

ASKED_A_ROUND = 500
"""With more endpoints not all have a turn in each round (turns.py), but one that has not answered is asked again in the
next: known is its death then after the pause between its turns and three rounds, with 1,000 endpoints of one VPN within
0.4 + 3 * 0.2 = 1 s. Measured on a userspace datapath: 333 probes a second cost one per cent of a core in
ovs-vswitchd and one and a half here."""

SUSPECTS_A_ROUND = 1000
"""When very many do not answer, so many of them are asked at once."""

BURST = 50
"""At most so many at once: the switch queues a hundred answers for a connection and drops what is more."""

RECONNECT_S = 0.1

_PROBE_HEAD = PROBE_MAC + ANSWER_MAC + PROBE_TYPE.to_bytes(2, "big")
_MPLS = b"\x88\x47"
_LABEL_HEAD = bytes(12) + _MPLS + (ASK_LABEL << 12 | 1 << 8 | 64).to_bytes(4, "big")
"""Its Ethernet header stays here. One label, the bottom of its stack (RFC 3032)."""
_SECRET_BYTES = 8


class Watch:
    """Who answers. Pure: rounds and answers in, news out."""

    def __init__(self) -> None:
        self.answers: dict[IpAddress, Answer] = {}
        self._lost: dict[IpAddress, int] = {}
        """Probes since the last sign of life."""
        self._turns = Turns(ASKED_A_ROUND)

    def ask(self, endpoints: Mapping[IpAddress, Answer], shares: Mapping[IpAddress, float] | None = None) -> None:
        """These and no others, with what is known of each, and what share of the turns; 1 if nothing is said."""
        self._lost = {e: self._lost.get(e, 0) for e in sorted(endpoints)}
        self.answers = dict(endpoints)
        self._turns.share({e: (shares or {}).get(e, 1.0) for e in endpoints})

    def forgive(self) -> None:
        """There was no way to the switch: what was not answered says nothing."""
        self._lost = dict.fromkeys(self._lost, 0)

    def turn(self) -> list[IpAddress]:
        """Who is to be asked in the next round: in turn, and whoever has not answered the last time."""
        asked = dict.fromkeys(self._turns.next())
        doubtful = (e for e, lost in self._lost.items() if lost and e not in asked)
        suspects = [e for e in doubtful if self.answers[e] is Answer.ANSWERS]
        return [*asked, *suspects[:SUSPECTS_A_ROUND]]

    def round(self, endpoints: Iterable[IpAddress]) -> bool:
        """These are about to be asked; whether one of them has just fallen silent."""
        news = False
        for endpoint in endpoints:
            if self._lost[endpoint] >= LOST and self.answers[endpoint] is Answer.ANSWERS:
                self.answers[endpoint] = Answer.SILENT
                news = True
            self._lost[endpoint] += 1
        return news

    def came_from(self, endpoint: IpAddress) -> bool:
        """A sign of life; whether it is news."""
        if endpoint not in self.answers:
            return False
        self._lost[endpoint] = 0
        news = self.answers[endpoint] is not Answer.ANSWERS
        self.answers[endpoint] = Answer.ANSWERS
        return news


class Prober:
    """Asks, and tells what changes. `hear` is called in the loop's thread."""

    def __init__(self, socket: Path, hear: Callable[[AnswersRead], None]) -> None:
        self._socket, self._hear = socket, hear
        self._watch = Watch()
        self._tunnel: int | None = None
        self._gre: int | None = None
        self._labelled: frozenset[IpAddress] = frozenset()
        self._secret = os.urandom(_SECRET_BYTES)
        """Of this run: an answer without it is none of ours."""

    def ask(self, wish: SetProbes) -> None:
        """From the next round on."""
        self._watch.ask(wish.endpoints, wish.shares)
        self._tunnel, self._gre, self._labelled = wish.tunnel, wish.gre, wish.labelled

    async def run(self) -> None:
        """Until cancelled: connect, ask; and again."""
        while True:
            try:
                line = await Line.open(self._socket, self._answered)
            except (OSError, TimeoutError):
                await asyncio.sleep(RECONNECT_S)  # others say that there is no switch
                continue
            self._watch.forgive()
            asking = asyncio.create_task(self._rounds(line), name="probes")
            try:
                await asyncio.wait((asking, line.ended), return_when=asyncio.FIRST_COMPLETED)
                if asking.done():
                    asking.result()
            finally:
                asking.cancel()
                line.close()
            await asyncio.sleep(RECONNECT_S)

    async def _rounds(self, line: Line) -> None:
        """In bursts, spread over the time of a round. Each waits until the switch has taken the one before: what a
        switch that hangs has not sent is nobody's silence, and no more than a burst is ever written to it."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            endpoints = self._watch.turn()
            bursts = [endpoints[at : at + BURST] for at in range(0, len(endpoints), BURST)] or [[]]
            pause = PROBE_S / len(bursts)
            for burst in bursts:
                there = [endpoint for endpoint in burst if endpoint in self._watch.answers]
                if self._watch.round(there):
                    self._tell()
                line.write(b"".join(map(self._probe, there)))
                echo = line.echo()
                due = max(due, clock() - PROBE_S) + pause  # what a burst costs is made up for, a little each time
                await asyncio.sleep(max(due - clock(), pause * 3 / 4))
                if not echo.done():
                    await echo
                    await asyncio.sleep(pause)  # the far ends have as long as ever

    def _probe(self, endpoint: IpAddress) -> bytes:
        """By the way that leads there; nothing while it has no port."""
        head, port = (_LABEL_HEAD, self._gre) if endpoint in self._labelled else (_PROBE_HEAD, self._tunnel)
        frame = (head + self._secret + endpoint).ljust(60, b"\0")
        return b"" if port is None else packet_out(frame, endpoint, port)

    def _answered(self, frame: bytes) -> None:
        """An answer is the probe as it went, but for its destination or its label."""
        head = len(_LABEL_HEAD if frame[12:14] == _MPLS else _PROBE_HEAD)
        begin = head + _SECRET_BYTES
        if frame[head:begin] == self._secret and self._watch.came_from(IpAddress(frame[begin : begin + 4])):
            self._tell()

    def _tell(self) -> None:
        self._hear(AnswersRead(dict(self._watch.answers)))
