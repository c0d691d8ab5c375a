"""The flows of our bridge through `ovs-ofctl`: read them, change them by one bundle, notice when they are lost.

Everything runs one after the other in one task, so there are never two bundles at once, and a dump is either before a
bundle or after it. While there is no connection nothing is queued: the dump on its return answers every wish.

Rules: what the node asks is served in its order, and before somebody who only wants to look; of those, however many
there are, one dump serves all. A bundle's answer is `FlowsApplied`, `FlowsRefused` (the switch said no, nothing of it
is there) or `SwitchLost` (nobody knows). A periodic dump finds what a foreign hand changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from isthmus.flows.parse import parse_dump
from isthmus.flows.render import add_line, delete_line
from isthmus.node.effects import ApplyFlows, ReadFlows
from isthmus.node.facts import FlowsApplied, FlowsRead, FlowsRefused, SwitchLost
from isthmus.shell.openflow import Line
from isthmus.shell.standby import Standby

log = logging.getLogger(__name__)

AUDIT_S = 30.0
"""Between two looks at flows that nobody asked for. A dump of 10,000 flows takes 0.1 s."""

LOOK_S = 1.0
"""How long somebody who asks to be shown the counters waits for fresh ones; then the last ones are shown."""

POLL_S = 0.1
"""Between two tries to reach a switch that is gone: how much of a restart we add to its own seconds."""

STANDBY_S = 0.02
"""When nothing was asked for so long, the `ovs-ofctl` of the next bundle is started. Not sooner: what follows from the
last bundle, an UPDATE perhaps, goes first."""

COMMAND_S = 60.0
"""No answer of `ovs-ofctl` takes so long but from a switch that hangs."""

WHY_CHARACTERS_MAX = 300

_UNREACHED = ("connecting to", "failed to connect", "Connection reset", "End of file", "Broken pipe", "timed out")
"""What `ovs-ofctl` prints when it was not answered; all else is the switch's or its parser's "no"."""

OFCTL = ("ovs-ofctl", "-O", "OpenFlow15")

Wish = ReadFlows | ApplyFlows
Wishes = asyncio.PriorityQueue[tuple[bool, int, Wish | None]]
"""The node's first, in its order. None: somebody only wants to look."""
Heard = FlowsRead | FlowsApplied | FlowsRefused | SwitchLost


class Unreached(Exception):
    """The switch did not answer; what it holds is unknown."""


class NotTaken(Exception):
    """The switch answered, and refused."""


class Ofctl:
    """`hear` is called in the loop's thread."""

    def __init__(self, run_dir: Path, bridge: str, hear: Callable[[Heard], None]) -> None:
        self._socket = run_dir / f"{bridge}.mgmt"
        self._environment = dict(os.environ) | {"OVS_RUNDIR": str(run_dir)}
        self._hear = hear
        self._wishes: Wishes | None = None
        self._number = itertools.count()
        self._again = asyncio.Event()
        self._lost = ""
        self._looked: asyncio.Future[None] | None = None
        """Done with the next dump; None when nobody looks."""
        # --no-names: else it connects two times more, for the names of ports and tables that we never use.
        self._bundles = Standby(
            (*OFCTL, "--no-names", "--bundle", "add-flows", self._target, "-"), environment=self._environment
        )

    def ask(self, wish: Wish) -> None:
        """To be answered in the order of asking. Without a connection the dump on its return is the answer."""
        if self._wishes is not None:
            self._wishes.put_nowait((False, next(self._number), wish))

    async def look(self) -> None:
        """Read the flows now, for somebody who wants their counters; a slow switch is not waited for."""
        if self._wishes is None:
            return
        if self._looked is None:
            self._looked = asyncio.get_running_loop().create_future()
            self._wishes.put_nowait((True, next(self._number), None))
        await asyncio.wait([self._looked], timeout=LOOK_S)

    def start_again(self) -> None:
        """The bridge was made or changed: whatever is known of its flows may be wrong."""
        self._again.set()

    async def run(self) -> None:
        """Until cancelled: connect, read, serve; and again."""
        self._lost = "not connected yet"
        self._hear(SwitchLost(self._lost))
        while True:
            self._again.clear()
            try:
                link = await Line.open(self._socket)
            except (OSError, TimeoutError) as error:
                self._gone(f"no OpenFlow at {self._socket}: {getattr(error, 'strerror', None) or error}")
                await asyncio.sleep(POLL_S)
                continue
            self._wishes = asyncio.PriorityQueue()
            try:
                self._gone(await self._until_lost(link))
            finally:
                self._wishes = None
                link.close()
                await self._bundles.close()
            await asyncio.sleep(POLL_S)

    def _gone(self, why: str) -> None:
        """Say it once."""
        if self._lost != why:
            log.warning("switch: %s", why)
            self._lost = why
            self._hear(SwitchLost(why))

    async def _until_lost(self, link: Line) -> str:
        """Serve until the connection ends or somebody wants to start again; why it was."""
        watch: set[asyncio.Future[str]] = {
            link.ended,
            asyncio.create_task(self._serve(), name="serve"),
            asyncio.create_task(self._changed(), name="again"),
        }
        try:
            done, _ = await asyncio.wait(watch, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in watch:
                task.cancel()
            await asyncio.gather(*watch, return_exceptions=True)

    async def _changed(self) -> str:
        await self._again.wait()
        return "the bridge was changed; its flows are read again"

    async def _serve(self) -> str:
        """Answer wishes, and look from time to time."""
        assert self._wishes is not None
        try:
            await self._read()
            if self._lost:
                log.info("switch: connected to %s", self._socket)
            self._lost = ""
            while True:
                wish = await self._next(self._wishes)
                match wish:
                    case None if self._looked is None:
                        pass  # a dump that was due anyway has served
                    case ReadFlows() | None:
                        await self._read()
                    case ApplyFlows():
                        await self._apply(wish)
                    case _:
                        assert_never(wish)
        except Unreached as why:
            return str(why)

    async def _next(self, wishes: Wishes) -> Wish | None:
        """What is asked next; a look when nothing was for a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STANDBY_S):
                return (await wishes.get())[2]
        await self._bundles.prepare()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AUDIT_S):
                return (await wishes.get())[2]
        return ReadFlows()

    async def _read(self) -> None:
        """A dump; one that is refused is as good as none."""
        try:
            dump = Standby((*OFCTL, "--no-names", "dump-flows", self._target), self._environment)
            text = await _finish(await dump.take())
        except NotTaken as why:
            raise Unreached(str(why)) from None
        # Thousands of lines take longer than the loop should wait.
        self._hear(FlowsRead(await asyncio.to_thread(parse_dump, text)))
        if self._looked is not None:
            self._looked.set_result(None)
            self._looked = None

    async def _apply(self, wish: ApplyFlows) -> None:
        try:
            lines = await asyncio.to_thread(bundle, wish)
            await _finish(await self._bundles.take(), lines)
        except NotTaken as why:
            log.warning("switch: refused bundle %d: %s", wish.serial, why)
            self._hear(FlowsRefused(wish.serial, str(why)))
        else:
            self._hear(FlowsApplied(wish.serial))

    @property
    def _target(self) -> str:
        return f"unix:{self._socket}"


async def _finish(process: asyncio.subprocess.Process, stdin: str = "") -> str:
    """Give an `ovs-ofctl` its input; its output. Raises Unreached, NotTaken."""
    try:
        async with asyncio.timeout(COMMAND_S):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError:
        raise Unreached(f"ovs-ofctl had no answer within {COMMAND_S:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode == 0:
        return out.decode()
    why = " / ".join(err.decode(errors="replace").split("\n"))[:WHY_CHARACTERS_MAX].strip(" /")
    if process.returncode is None or process.returncode < 0:
        raise Unreached(why or "ovs-ofctl was ended")
    raise (Unreached if any(word in why for word in _UNREACHED) else NotTaken)(why)


def bundle(wish: ApplyFlows) -> str:
    """The lines of one bundle: what goes first, then what comes."""
    lines = [delete_line(key) for key in sorted(wish.delete)]
    lines += [add_line(key, wish.cookie, wish.put[key]) for key in sorted(wish.put)]
    return "\n".join(lines) + "\n"
