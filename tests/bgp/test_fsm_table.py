"""The table of docs/design/bgp.md is what the machine does: it is made by running every state on every input.

UPDATE_GOLDEN=1 writes it anew.
"""

from __future__ import annotations

import os
from pathlib import Path

from isthmus.bgp.family import EVPN
from isthmus.bgp.iana import MessageType
from isthmus.bgp.message import (
    Notification,
    encode_end_of_rib,
    encode_keepalive,
    encode_notification,
    encode_route_refresh,
)
from isthmus.bgp.session import Closed, Connected, ConnectFailed, Input, Output, Received, Send, Start, State, Stop
from tests.bgp import given as a

PAGE = Path(__file__).parent.parent.parent / "docs/design/bgp.md"
BEGIN, END = "<!-- the machine, as it ran -->\n", "<!-- end of the machine -->\n"

ROWS: dict[str, Input | None] = {
    "Start": Start(),
    "Stop": Stop(),
    "Connected": Connected(),
    "ConnectFailed": ConnectFailed(""),
    "Closed": Closed(""),
    "OPEN": Received(a.hello()),
    "OPEN that does not suit": Received(a.hello(64513)),
    "KEEPALIVE": Received(encode_keepalive()),
    "UPDATE": Received(encode_end_of_rib(EVPN)),
    "ROUTE-REFRESH": Received(encode_route_refresh(EVPN)),
    "NOTIFICATION": Received(encode_notification(Notification(6, 2))),
    "octets that are not BGP": Received(bytes(19)),
    "time passes": None,
}


def said(output: Output) -> str:
    if not isinstance(output, Send):
        return type(output).__name__
    kind = MessageType(output.data[18])
    if kind is MessageType.NOTIFICATION:
        return f"NOTIFICATION {output.data[19]}/{output.data[20]}"
    return kind.name


def cell(state: State, event: Input | None) -> str:
    session = a.session_in(state)
    if event is not None:
        session.handle(event, 1.0)
    else:
        session.tick(1e6)
    outputs = " ".join(said(o) for o in session.outputs())
    moved = f"→ {session.state}" if session.state is not state else ""
    return " ".join(part for part in (outputs, moved) if part) or "·"


def table() -> str:
    lines = ["| | " + " | ".join(State) + " |", "|---" * (len(State) + 1) + "|"]
    for name, event in ROWS.items():
        lines.append(f"| **{name}** | " + " | ".join(cell(state, event) for state in State) + " |")
    return "\n".join(lines) + "\n"


def test_the_page_shows_the_machine_as_it_is() -> None:
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    shown, _, tail = rest.partition(END)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(head + BEGIN + table() + END + tail)
    else:
        assert shown == table()
