"""All targets, by name."""

from __future__ import annotations

from tests.fuzz import messages, nodes, sessions, texts
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target for room in (messages, sessions, nodes, texts) for target in room.targets()
}
