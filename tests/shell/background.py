"""Runs coroutines of the shell in a loop of its own thread, so that a test stays plain and polls with `eventually`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """An asyncio loop in a thread. Leaving the block cancels what runs and raises what had failed."""

    def __enter__(self) -> Self:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="background")
        self._thread.start()
        self._running: list[concurrent.futures.Future[Any]] = []
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            for future in self._running:
                self.end(future)
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()

    def start(self, part: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        """Run this beside the test."""
        future = asyncio.run_coroutine_threadsafe(part, self.loop)
        self._running.append(future)
        return future

    def end(self, future: concurrent.futures.Future[Any]) -> None:
        """Cancel it and wait until it has gone; raises what it raised before."""
        future.cancel()
        try:
            future.result(5)
        except concurrent.futures.CancelledError:
            self.call(_settle)

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run this in the loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(5)

    def do(self, function: Callable[..., T], *args: Any) -> T:
        """Call a plain function in the loop's thread."""

        async def once() -> T:
            return function(*args)

        return self.call(once)


async def _settle() -> None:
    """Until every other task of this loop has taken its cancellation."""
    others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task() and t.cancelling()]
    await asyncio.gather(*others, return_exceptions=True)
