"""The switch's dump back into flows: text in, the same keys and actions as render.py writes.

A line that is not a flow (the reply's header) is skipped; a flow of ours that cannot be read is an error of ours: it
means a switch whose output we do not know, and guessing would sweep what is not there.
"""

from __future__ import annotations

import re

from isthmus.flows.types import MAGIC, FlowKey, Installed

_HEAD = re.compile(r"^ cookie=(0x[0-9a-f]+), duration=\S+, table=(\d+), n_packets=(\d+), .* ([^ ]*)$")
"""Flags of a flow (`send_flow_rem`) stand before its match with blanks only."""
_PRIORITY = re.compile(r"^priority=(\d+),?")
_DEFAULT_PRIORITY = 32768
_OURS = f" cookie={MAGIC:#x}"


def parse_dump(text: str) -> dict[FlowKey, Installed]:
    """The flows of `ovs-ofctl -O OpenFlow15 dump-flows <bridge>`. Raises ValueError with a line of ours it cannot read;
    a foreign one that cannot be read is none of our business."""
    flows: dict[FlowKey, Installed] = {}
    for line in text.splitlines():
        if not line.startswith(" cookie="):
            continue
        head, _, actions = line.partition(" actions=")
        found = _HEAD.match(head)
        if found is None:
            if line.startswith(_OURS):
                raise ValueError(f"a flow of ours that this agent cannot read: {line}")
            continue
        match, priority = found[4], _DEFAULT_PRIORITY
        if given := _PRIORITY.match(match):
            priority, match = int(given[1]), match[given.end() :]
        flows[FlowKey(int(found[2]), priority, match)] = Installed(int(found[1], 16), actions, int(found[3]))
    return flows
