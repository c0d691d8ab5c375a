"""Puts frames into the integration bridge, so that machines hear of a new gateway (greetings.py says which frames).

Rules: the bridge is OVN's; nothing of it is changed. What cannot be said is said in the log and forgotten: the node
repeats it anyway, and a machine that hears nothing finds out by itself, later.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from isthmus.node.effects import Introduce
from isthmus.shell.greetings import lines

log = logging.getLogger(__name__)

COMMAND_S = 10.0


class Greeter:
    """Wishes in, frames out."""

    def __init__(self, run_dir: Path, bridge: str) -> None:
        self._socket = run_dir / f"{bridge}.mgmt"
        self._environment = dict(os.environ) | {"OVS_RUNDIR": str(run_dir)}
        self._wishes: asyncio.Queue[Introduce] = asyncio.Queue()
        self.ofports: Mapping[str, int] = {}
        """Of the machines' ports, by OVN's name."""

    def ask(self, wish: Introduce) -> None:
        self._wishes.put_nowait(wish)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            wish = await self._wishes.get()
            if text := "".join(f"{line}\n" for line in lines(wish, self.ofports)):
                await self._say(text)

    async def _say(self, text: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *("ovs-ofctl", "-O", "OpenFlow15", "bundle", f"unix:{self._socket}", "-"),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        why = f"no answer within {COMMAND_S:.0f} s"
        try:
            async with asyncio.timeout(COMMAND_S):
                _, err = await process.communicate(text.encode())
                why = err.decode(errors="replace").strip()[:300]
        except TimeoutError:
            process.kill()
            await process.wait()
        if process.returncode != 0:
            log.warning("machines here were not told of a new gateway: %s", why)
