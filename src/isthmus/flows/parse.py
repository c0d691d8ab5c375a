"""The switch's dump back into flows: text in, the same keys and actions as render.py writes.

A line that is not a flow (the reply's header) is skipped; a flow that cannot be read is an error of ours: it means a
switch whose output we do not know, and guessing would sweep what is not ours.
"""

from __future__ import annotations

import re

from isthmus.flows.types import FlowKey, Installed

_LINE = re.compile(
    r"^ cookie=(?P<cookie>0x[0-9a-f]+), duration=\S+, table=(?P<table>\d+), n_packets=(?P<packets>\d+), "
    r"(?:.*, )?(?P<match>[^ ]*) actions=(?P<actions>.*)$"
)
_PRIORITY = re.compile(r"^priority=(\d+),?")
_DEFAULT_PRIORITY = 32768


def parse_dump(text: str) -> dict[FlowKey, Installed]:
    """The flows of `ovs-ofctl -O OpenFlow15 dump-flows <bridge>`. Raises ValueError with the line it cannot read."""
    flows: dict[FlowKey, Installed] = {}
    for line in text.splitlines():
        if not line.startswith(" cookie="):
            continue
        found = _LINE.match(line)
        if found is None:
            raise ValueError(f"a flow this agent cannot read: {line}")
        match, priority = found["match"], _DEFAULT_PRIORITY
        if head := _PRIORITY.match(match):
            priority, match = int(head[1]), match[head.end() :]
        key = FlowKey(int(found["table"]), priority, match)
        flows[key] = Installed(int(found["cookie"], 16), found["actions"], int(found["packets"]))
    return flows
