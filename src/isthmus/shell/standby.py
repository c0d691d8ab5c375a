"""A program that waits for its standard input, started before it is needed.

Starting a process takes a busy hypervisor several times longer than the work that is given to it, and every change of a
route waits for one. So the next is started while nothing is asked; it has read nothing and connected to nothing yet.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence


class Standby:
    """At most one process of this command waits."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command, self._environment = tuple(command), dict(environment)
        self._waiting: Process | None = None

    @property
    def waits(self) -> bool:
        """Whether one does, as far as the loop has heard."""
        return self._waiting is not None and self._waiting.returncode is None

    async def prepare(self) -> None:
        """Have one wait, if none does."""
        if not self.waits:
            self._waiting = await self._start()

    async def take(self) -> Process:
        """The one that waits, or a fresh one; it is the caller's now."""
        process, self._waiting = self._waiting if self.waits else None, None
        return process or await self._start()

    async def close(self) -> None:
        """Nobody waits any more."""
        process, self._waiting = self._waiting, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=self._environment
        )
