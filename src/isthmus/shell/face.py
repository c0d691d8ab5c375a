"""What the agent shows: its own part of the status, and the JSON of the whole."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from isthmus.node.status import NodeStatus


@dataclass(frozen=True, slots=True)
class PartStatus:
    """A part of the shell under supervision."""

    name: str
    restarts: int
    last_error: str


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What the shell knows and the node does not."""

    version: str
    host: str
    """The chassis' name; empty while it is not known."""
    uptime_s: float
    parts: list[PartStatus]
    report: str = "nothing written yet"
    """"in sync", or why the cloud does not have this node's report."""


def to_json(status: NodeStatus, agent: AgentStatus) -> bytes:
    """The fields of NodeStatus as they are called, and `agent` beside them."""
    whole = _fields(status) | {"agent": agent}
    return json.dumps(whole, default=_fields, separators=(",", ":")).encode()


def _fields(value: Any) -> dict[str, Any]:
    """One level: the encoder asks again for what is inside. `asdict` copies everything and takes ten times longer."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
