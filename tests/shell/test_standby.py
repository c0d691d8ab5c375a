"""A process that waits: with a program that gives back what it is given."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from pathlib import Path

from isthmus.shell.standby import Standby
from tests.eventually import eventually
from tests.shell.background import Background


async def told(process: Process, what: bytes) -> bytes:
    out, _ = await process.communicate(what)
    return out


def cats() -> set[int]:
    """Our children that run it."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name, fields = (entry / "stat").read_text().rsplit(")", 1)
            except OSError:
                continue  # gone meanwhile
            if name.endswith("(cat") and fields.split()[1] == str(os.getpid()):
                found.add(int(entry.name))
    return found


def waiting(count: int) -> set[int]:
    there = cats()
    assert len(there) == count, f"{len(there)} wait"
    return there


def none_waits(standby: Standby) -> None:
    assert not standby.waits


def test_the_one_that_waits_is_taken_and_only_once() -> None:
    async def story() -> None:
        standby = Standby(("cat",), {})
        await standby.prepare()
        await standby.prepare()
        first, second = await standby.take(), await standby.take()
        assert first.pid != second.pid
        assert (await told(first, b"one"), await told(second, b"two")) == (b"one", b"two")
        await standby.close()

    asyncio.run(story())


def test_one_that_died_waiting_is_nobodys() -> None:
    with Background() as background:
        standby = Standby(("cat",), {})
        background.call(standby.prepare)
        [dead] = eventually(lambda: waiting(1))
        os.kill(dead, signal.SIGKILL)
        eventually(lambda: none_waits(standby))

        async def another() -> bytes:
            return await told(await standby.take(), b"alive")

        assert background.call(another) == b"alive"


def test_closed_it_leaves_no_process() -> None:
    with Background() as background:
        standby = Standby(("cat",), {})
        background.call(standby.prepare)
        eventually(lambda: waiting(1))
        background.call(standby.close)
        background.call(standby.close)
        eventually(lambda: waiting(0))
