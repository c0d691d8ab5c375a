"""Whether the tunnel endpoints are there, asked five times a second through the tunnels themselves.

A probe is a small frame that the far switch sends back by a flow (flows/layout.py): what answers is what forwards, and
it answers while its agent is away, is exchanged or has crashed. Probes leave by packet-out and answers come by
packet-in, on an OpenFlow connection of their own.

Rules: only an endpoint that has answered can fall silent, because another maker's PE knows no probes. Silence is
counted in probes, never in seconds: what this process was too busy to read is read before the next moment counts. While
there is no connection, or the switch does not answer on it, nobody is asked and nobody is blamed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from isthmus.flows.layout import ANSWER_MAC, ASK_LABEL, PROBE_MAC, PROBE_TYPE
from isthmus.model.net import IpAddress
from isthmus.node.effects import SetProbes
from isthmus.node.facts import Answer, AnswersRead
from isthmus.shell.openflow import Line, packet_out
from isthmus.shell.turns import MOMENTS, Turns

PROBE_S = 0.2
MOMENT_S = PROBE_S / MOMENTS

LOST = 3
"""Probes without an answer, and an endpoint is silent."""

AGAIN = 9
"""Moments after which one that has not answered is asked again, and after the last of LOST probes held for silent,
whenever its turn would be. That an endpoint has died is known LOST * 0.18 s after the first probe that it does not
answer: 0.54 to 0.74 s later, when each has a turn in every round."""

ASKED_A_ROUND = 500
"""With more endpoints not all have a turn in each round (turns.py): of 1,000 of one VPN in every other, and a death is
known within 0.4 + 0.54 = 0.94 s. Every turn leads to LOST probes at most, so however many fall silent together, nobody
waits for them. Measured on a userspace datapath: 333 probes a second cost one per cent of a core in ovs-vswitchd and
one and a half here."""

BURST = 50
"""At most so many at once: the switch queues a hundred answers for a connection and drops what is more."""

RECONNECT_S = 0.1

_PROBE_HEAD = PROBE_MAC + ANSWER_MAC + PROBE_TYPE.to_bytes(2, "big")
_MPLS = b"\x88\x47"
_LABEL_HEAD = bytes(12) + _MPLS + (ASK_LABEL << 12 | 1 << 8 | 64).to_bytes(4, "big")
"""Its Ethernet header stays here. One label, the bottom of its stack (RFC 3032)."""
_SECRET_BYTES = 8


class Watch:
    """Who answers. Pure: moments and answers in, news out."""

    def __init__(self) -> None:
        self.answers: dict[IpAddress, Answer] = {}
        self._lost: dict[IpAddress, int] = {}
        """Probes since the last sign of life."""
        self._turns = Turns(ASKED_A_ROUND)
        self._moment = 0
        self._asked_at: dict[IpAddress, int] = {}
        """The moment of the last probe."""
        self._asked: deque[list[IpAddress]] = deque([[]] * AGAIN)
        """At each of the last moments."""

    def ask(self, endpoints: Mapping[IpAddress, Answer], shares: Mapping[IpAddress, float] | None = None) -> None:
        """These and no others, with what is known of each, and what share of the turns; all alike if nothing is
        said."""
        for endpoint in self._lost.keys() - endpoints.keys():
            del self._lost[endpoint]
            self._asked_at.pop(endpoint, None)
        self._lost |= dict.fromkeys(endpoints.keys() - self._lost.keys(), 0)
        self.answers = dict(endpoints)
        self._turns.share(shares or dict.fromkeys(endpoints, 1.0))

    def forgive(self) -> None:
        """There was no way to the switch: what was not answered says nothing."""
        self._lost = dict.fromkeys(self._lost, 0)

    def turn(self) -> tuple[list[IpAddress], bool]:
        """A moment later: who is to be asked, and whether somebody has just fallen silent."""
        self._moment += 1
        asked, news = [], False
        for endpoint in self._asked.popleft():
            if self._asked_at.get(endpoint) != self._moment - AGAIN or not self._is_suspect(endpoint):
                continue
            if self._lost[endpoint] < LOST:
                asked.append(endpoint)
            else:
                self.answers[endpoint] = Answer.SILENT
                news = True
        asked += self._turns.next()
        for endpoint in asked:
            self._turns.asked(endpoint)
            self._asked_at[endpoint] = self._moment
            self._lost[endpoint] += 1
        self._asked.append(asked)
        return asked, news

    def pass_over(self) -> int:
        """Let those moments pass, of the next round, at which there is nothing to do; how many."""
        passed = 0
        while passed < MOMENTS and not self._asked[0] and not self._turns.may_be_next:
            self.turn()
            passed += 1
        return passed

    def _is_suspect(self, endpoint: IpAddress) -> bool:
        return self._lost[endpoint] > 0 and self.answers[endpoint] is Answer.ANSWERS

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
        """Of this run: an answer that does not follow from it is none of ours."""

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
        """Moment by moment, in bursts. Each waits until the switch has taken the one before: what a switch that hangs
        has not sent is nobody's silence, and no more than a burst is ever written to it."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            endpoints, news = self._watch.turn()
            if news:
                self._tell()
            quiet_s = self._watch.pass_over() * MOMENT_S
            bursts = [endpoints[at : at + BURST] for at in range(0, len(endpoints), BURST)] or [[]]
            for left, burst in enumerate(bursts, 1 - len(bursts)):
                taken = self._write(line, burst)
                pause = MOMENT_S / len(bursts) + (0 if left else quiet_s)
                due = max(due, clock() - PROBE_S) + pause  # what a burst costs is made up for, a little each time
                await asyncio.sleep(max(due - clock(), pause * 3 / 4))
                if taken is not None and not taken.done():
                    await taken
                    await asyncio.sleep(pause)  # the far ends have as long as ever

    def _write(self, line: Line, burst: Sequence[IpAddress]) -> asyncio.Future[None] | None:
        """Some may not be asked any more. Done when the switch has taken it; None: there was nothing to write."""
        probes = b"".join(self._probe(endpoint) for endpoint in burst if endpoint in self._watch.answers)
        if not probes:
            return None
        line.write(probes)
        return line.echo()

    def _probe(self, endpoint: IpAddress) -> bytes:
        """By the way that leads there; nothing while it has no port."""
        head, port = (_LABEL_HEAD, self._gre) if endpoint in self._labelled else (_PROBE_HEAD, self._tunnel)
        frame = (head + self._word(endpoint) + endpoint).ljust(60, b"\0")
        return b"" if port is None else packet_out(frame, endpoint, port)

    def _answered(self, frame: bytes) -> None:
        """An answer is the probe as it went, but for its destination or its label."""
        head = len(_LABEL_HEAD if frame[12:14] == _MPLS else _PROBE_HEAD)
        begin = head + _SECRET_BYTES
        word, endpoint = frame[head:begin], frame[begin : begin + 4]
        if word == self._word(endpoint) and self._watch.came_from(IpAddress(endpoint)):
            self._tell()

    def _word(self, endpoint: bytes) -> bytes:
        """What nobody else knows of a probe: whoever was asked knows his own and no other's."""
        return hashlib.blake2b(endpoint, key=self._secret, digest_size=_SECRET_BYTES).digest()

    def _tell(self) -> None:
        self._hear(AnswersRead(dict(self._watch.answers)))
