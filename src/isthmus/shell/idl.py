"""One OVSDB connection in a thread of its own, seen from asyncio as a coroutine that runs until it fails.

The `ovs` library polls with `select` and knows no event loop, so it gets a thread. The thread owns its Idl and every
row in it; what leaves are plain values, handed to the loop with `call_soon_threadsafe`.

Rules: wishes come in as whole frozen values assigned to an attribute, then `wake()`; there is no queue to overflow.
What we need of the library's inside (`_session`, `_last_seqno`, `_data`) is touched in this file only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import ovs.db.idl
import ovs.poller
import ovs.stream

from isthmus.shell.config import Tls

T = TypeVar("T")

PROBE_MS = 10_000
"""How often a silent tcp or ssl connection is asked whether it lives; unix sockets need no asking."""

Idl = ovs.db.idl.Idl
Row = Any
"""A row of the library: attributes by column name. Never leaves the thread."""


class Looker(Protocol):
    """What lives in the thread."""

    def open(self) -> Any:
        """A new Idl; called once at the start of every run."""

    def look(self, idl: Any, now: float) -> float | None:
        """Called after anything may have changed; returns when to be called again at the latest (monotonic)."""


class IdlThread:
    """Runs a looker in a thread. `run` may be called again after it failed."""

    def __init__(self, name: str, looker: Looker) -> None:
        self._name, self._looker = name, looker
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._ending = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def post(self, hear: Callable[[T], None], what: T) -> None:
        """From the thread: have the loop call `hear`."""
        assert self._loop is not None, "only a running thread has something to tell"
        self._loop.call_soon_threadsafe(hear, what)

    def wake(self) -> None:
        """Have the looker look; from any thread."""
        os.eventfd_write(self._bell, 1)

    async def run(self) -> None:
        """Until cancelled; what the thread raises is raised here."""
        self._ending, self._loop = False, asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix=self._name) as pool:
            try:
                await self._loop.run_in_executor(pool, self._work)
            finally:
                self._ending = True
                self.wake()

    def _work(self) -> None:
        idl = self._looker.open()
        try:
            while not self._ending:
                idl.run()
                deadline = self._looker.look(idl, time.monotonic())
                self._block(idl, deadline)
        finally:
            idl.close()

    def _block(self, idl: Any, deadline: float | None) -> None:
        poller = ovs.poller.Poller()
        poller.fd_wait(self._bell, select.POLLIN)
        # Not `idl.wait`: with changed conditions it returns at once, for as long as there is no connection.
        idl._session.wait(poller)
        idl._session.recv_wait(poller)
        if idl.cond_changed and is_connected(idl) and idl._request_id is None:
            poller.immediate_wake()
        if deadline is not None:
            poller.timer_wait(max(0, round((deadline - time.monotonic()) * 1000)))
        poller.block()
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)


def make_idl(cls: type[Any], remotes: str, schema: dict[str, Any]) -> Any:
    """An Idl for every table and column of this (cut down) schema. Any member of a cluster may answer."""
    helper = ovs.db.idl.SchemaHelper(schema_json=schema)
    helper.register_all()
    return cls(remotes, helper, probe_interval=PROBE_MS, leader_only=False)


def is_connected(idl: Any) -> bool:
    """Whether there is a connection, whatever has been read through it."""
    return bool(idl._session.is_connected())


def connection_state(idl: Any) -> str:
    """Which server, and how it stands; between retries it just "does not answer"."""
    state = "does not answer"
    if is_connected(idl):
        state = "is being read" if not in_sync(idl) else "is in sync"
    elif idl._session.stream is not None and idl._session.get_seqno() <= 1:
        state = "is being opened"
    return f"database at {idl.session_name()} {state}"


def in_sync(idl: Any) -> bool:
    """Whether the rows are what the server has now, for conditions that it knows."""
    return is_connected(idl) and idl.state == Idl.IDL_S_MONITORING and bool(idl._last_seqno == idl._session.get_seqno())


def conditions_met(idl: Any, *tables: str) -> bool:
    """Whether the rows of these tables are also those of the conditions we asked for last. (What `cond_change` returns
    is of no use: it counts one too many.)"""
    states = [idl.tables[name].condition_state for name in tables]
    return all(state.new is None and state.requested is None for state in states)


def clauses_met(idl: Any, table: str) -> list[Any]:
    """The clauses whose rows are all here: acknowledged by the server, and not about to be taken back. (It sends the
    rows before it acknowledges, and takes others away before that too.)"""
    state = idl.tables[table].condition_state
    return [c for c in state.acked if state.requested is None or c in state.requested]


def reference(row: Row, column: str) -> str:
    """The uuid in a reference column, or empty; the library hides references to rows it does not hold."""
    return next(iter(references(row, column)), "")


def references(row: Row, column: str) -> tuple[str, ...]:
    """The same of a column that may have several."""
    return tuple(str(value) for value in row._data[column].as_list())


def connection(idl: Any) -> int:
    """A number that changes with every connection."""
    return int(idl._session.get_seqno())


def use_certificates(tls: Tls) -> None:
    """For every `ssl:` connection of this process: the library keeps one set."""
    ovs.stream.Stream.ssl_set_private_key_file(str(tls.private_key))
    ovs.stream.Stream.ssl_set_certificate_file(str(tls.certificate))
    ovs.stream.Stream.ssl_set_ca_cert_file(str(tls.ca_cert))
