"""Keeps the parts of the shell running: one that ends or crashes is logged and started again, later each time.

Rules: the only place that catches everything. A crash of the node itself is not survived here: its picture of the world
may be wrong, so the process ends and a fresh one adopts what the switch has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

PAUSE_S_MIN, PAUSE_S_MAX = 1.0, 30.0
WELL_S = 60.0
"""A part that ran this long was well: its next pause is the shortest again."""


@dataclass(slots=True)
class Part:
    """A coroutine that should never end, and how that went."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]
    restarts: int = 0
    last_error: str = ""


async def keep(part: Part) -> None:
    """Run it for ever. Only cancelling ends this."""
    clock = asyncio.get_running_loop().time
    pause = PAUSE_S_MIN
    while True:
        started = clock()
        try:
            await part.run()
            part.last_error = "it ended by itself"
            log.error("%s ended by itself", part.name)
        except Exception as error:  # the supervisor
            part.last_error = f"{type(error).__name__}: {error}"
            log.exception("%s failed", part.name)
        part.restarts += 1
        if clock() - started > WELL_S:
            pause = PAUSE_S_MIN
        await asyncio.sleep(pause)
        pause = min(pause * 2, PAUSE_S_MAX)
