"""The agent's face: `GET /status`, `/metrics`, `PUT /drain` and `/forget` on a unix socket, `/metrics` alone on TCP if
configured.

Rules: read only but for these two. Whoever may open the socket (mode 0660) may see everything and do them; TCP shows
numbers, no names of tenants' things. Long texts are made beside the loop, which has sessions to keep alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from isthmus.model.net import IpAddress
from isthmus.node.status import Detail, NodeStatus
from isthmus.shell.config_kinds import Listen
from isthmus.shell.face import AgentStatus, to_json
from isthmus.shell.metrics import page

SOCKET_MODE = 0o660

SHUTDOWN_S = 1.0
"""How long an end of the agent waits for somebody who is still reading."""

Look = Callable[[Detail], Awaitable[tuple[NodeStatus, AgentStatus]]]


class Http:
    """Serves one door until cancelled; `look` is called in the loop's thread for every request."""

    def __init__(
        self,
        look: Look,
        at: Path | Listen,
        drain: Callable[[bool], None] | None = None,
        forget: Callable[[frozenset[IpAddress]], None] | None = None,
    ) -> None:
        self._look, self._at, self._drain, self._forget = look, at, drain, forget
        self.port = 0
        """The TCP port that was got."""
        self.open = asyncio.Event()

    async def run(self) -> None:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        if isinstance(self._at, Path):
            app.router.add_get("/status", self._status)
            if self._drain is not None:
                app.router.add_put("/drain", self._set_drain)
            if self._forget is not None:
                app.router.add_put("/forget", self._forget_answers)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await self._listen(runner, self._at)
            self.open.set()
            await asyncio.Event().wait()
        finally:
            self.open.clear()
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner, at: Path | Listen) -> None:
        if isinstance(at, Listen):
            await web.TCPSite(runner, at.host, at.port).start()
            self.port = runner.addresses[0][1]
            return
        at.parent.mkdir(parents=True, exist_ok=True)
        await web.UnixSite(runner, str(at)).start()
        restrict(at)

    async def _status(self, request: web.Request) -> web.Response:
        """All of it, or with `?detail=states` what is told of a node with very many routes at no cost."""
        wanted = request.query.get("detail", Detail.ALL.name).upper()
        if wanted not in Detail.__members__:
            raise web.HTTPBadRequest(text=f"detail is one of {', '.join(Detail.__members__).lower()}")
        body = await asyncio.to_thread(to_json, *await self._look(Detail[wanted]))
        return web.Response(body=body, content_type="application/json")

    async def _set_drain(self, request: web.Request) -> web.Response:
        """`PUT /drain` with `true` or `false`: out of use, or back in."""
        wanted = {b"true": True, b"false": False}.get((await request.read()).strip())
        if wanted is None:
            raise web.HTTPBadRequest(text="say true or false")
        assert self._drain is not None, "the route is not there without it"
        self._drain(wanted)
        return web.Response(status=204)

    async def _forget_answers(self, request: web.Request) -> web.Response:
        """`PUT /forget` with tunnel endpoints, or nothing for all: what they answered counts no longer."""
        try:
            endpoints = frozenset(map(IpAddress.parse, (await request.text()).split()))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        assert self._forget is not None, "the route is not there without it"
        self._forget(endpoints)
        return web.Response(status=204)

    async def _metrics(self, _: web.Request) -> web.Response:
        body = await asyncio.to_thread(page, *await self._look(Detail.NUMBERS))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def restrict(at: Path) -> None:
    """Only the owner and the group may ask."""
    at.chmod(SOCKET_MODE)
