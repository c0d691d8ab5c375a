"""The prober's real loop against a switch that is a socket: how soon it knows of a death among a thousand."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from collections.abc import Callable
from pathlib import Path

from isthmus.model.net import IpAddress
from isthmus.node.effects import SetProbes
from isthmus.node.facts import Answer, AnswersRead
from isthmus.shell.liveness import Prober
from tests.eventually import eventually
from tests.shell.background import Background

HEADER = struct.Struct("!BBHI")
HELLO, ECHO_REQUEST, ECHO_REPLY, PACKET_IN, PACKET_OUT = 0, 2, 3, 10, 13
FRAME_BYTES, ENDPOINT_AT = 60, 22
"""Of a probe; where in it the endpoint is: behind two MACs, the type and the run's secret."""


class Mirror:
    """Answers every probe but those to the dead."""

    def __init__(self) -> None:
        self.dead: frozenset[bytes] = frozenset()

    async def run(self, at: Path) -> None:
        async with await asyncio.start_unix_server(self._serve, at) as server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEADER.pack(6, HELLO, HEADER.size, 1))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            version, kind, length, xid = HEADER.unpack(await reader.readexactly(HEADER.size))
            body = await reader.readexactly(length - HEADER.size)
            if kind == ECHO_REQUEST:
                writer.write(HEADER.pack(version, ECHO_REPLY, length, xid) + body)
            elif kind == PACKET_OUT and (frame := body[-FRAME_BYTES:])[ENDPOINT_AT : ENDPOINT_AT + 4] not in self.dead:
                answer = bytes(16) + struct.pack("!HH4x", 1, 4) + bytes(2) + frame
                writer.write(HEADER.pack(version, PACKET_IN, HEADER.size + len(answer), 0) + answer)


def test_among_a_thousand_a_death_is_known_in_a_second(tmp_path: Path) -> None:
    many = [IpAddress(bytes((10, 0, n // 250, n % 250 + 1))) for n in range(1000)]
    heard: list[AnswersRead] = []
    with Background() as background:
        mirror = Mirror()
        background.start(mirror.run(tmp_path / "mgmt"))

        async def made() -> Prober:
            return Prober(tmp_path / "mgmt", heard.append)

        prober = background.call(made)
        background.start(prober.run())
        background.do(prober.ask, SetProbes(dict.fromkeys(many, Answer.UNKNOWN), 1))

        def silent_are(wanted: set[IpAddress]) -> Callable[[], None]:
            def said() -> None:
                assert heard and Answer.UNKNOWN not in heard[-1].answers.values()
                assert {e for e, a in heard[-1].answers.items() if a is Answer.SILENT} == wanted

            return said

        eventually(silent_are(set()))
        dead = many[::100]
        mirror.dead = frozenset(bytes(e) for e in dead)
        since = time.monotonic()
        eventually(silent_are(set(dead)), every=0.005)
        took = time.monotonic() - since
    print(f"1,000 endpoints: ten that died are known after {took:.2f} s")
    assert took < 1.0 + 0.2, "the time between two of its turns and three probes; and this machine's delays"
