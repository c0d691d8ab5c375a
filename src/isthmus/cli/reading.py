"""The agent's JSON back into the status values it came from.

Rules: an agent may be older or newer than this command. What it does not say is empty or zero here; what it says beyond
is left out.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from isthmus.node.status import NodeStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PartInfo:
    """A part of the agent's shell."""

    name: str
    restarts: int
    last_error: str


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """What the agent says of itself."""

    version: str = ""
    host: str = ""
    uptime_s: float = 0.0
    parts: list[PartInfo] = field(default_factory=list)
    report: str = ""
    """"in sync", or why the cloud does not have the node's report; empty from an agent that makes none."""


def read(text: bytes) -> tuple[NodeStatus, AgentInfo]:
    """Raises ValueError on what is not the agent's answer at all."""
    whole = json.loads(text)
    if not isinstance(whole, dict) or "router_id" not in whole:
        raise ValueError("this is not an agent's status")
    return build(NodeStatus, whole), build(AgentInfo, whole.get("agent", {}))


def build(kind: type[T], value: Any) -> T:
    """A dataclass out of a JSON object."""
    given = value if isinstance(value, dict) else {}
    hints = _hints(kind)  # type: ignore[arg-type]  # a class is hashable; mypy doubts it
    return kind(**{name: _convert(hint, given.get(name)) for name, hint in hints.items()})


@functools.cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """A dataclass's fields and their types; resolving them is slow, and there may be very many routes."""
    return get_type_hints(kind)


def _convert(hint: Any, value: Any) -> Any:
    if get_origin(hint) is list:
        (item,) = get_args(hint)
        return [_convert(item, v) for v in value] if isinstance(value, list) else []
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value)
    if value is None:
        return None if type(None) in get_args(hint) else (get_origin(hint) or hint)()
    return value
