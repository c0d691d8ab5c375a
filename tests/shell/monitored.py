"""An OVSDB server's monitor of Port_Binding in plain values: it takes its time to acknowledge what is asked."""

from __future__ import annotations

from collections.abc import Iterable

from isthmus.shell.bindings import Row
from isthmus.shell.clauses import Clause, mark


def meets(row: Row, clause: Clause) -> bool:
    """Whether the server would send the row (RFC 7047 section 5.1, as far as we use it)."""
    column, function, value = clause
    if (column, function) == ("external_ids", "includes"):
        return all(row.external_ids.get(k) == v for k, v in value[1])
    if (column, function) == ("chassis", "=="):
        return row.chassis == value[1]
    if (column, function) == ("additional_chassis", "includes"):
        return value[1] in row.additional
    assert (column, function) == ("logical_port", "==")
    return row.logical_port == value


class Monitor:
    """One client's."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        """What the database has."""
        self.acknowledged: list[Clause] = []
        self.requested: list[Clause] | None = None
        self.sent: dict[str, Row] = {}
        """What the client has."""
        self.ever = set[str]()

    def ask(self, conditions: list[Clause]) -> None:
        """A client asks for one thing at a time; what changes meanwhile it asks for afterwards."""
        if self.requested is None and conditions != self.acknowledged:
            self.requested = conditions

    def acknowledge(self) -> None:
        if self.requested is not None:
            self.acknowledged, self.requested = self.requested, None

    def deliver(self) -> dict[str, Row | None]:
        """What has changed for the client since."""
        clauses = self.acknowledged if self.requested is None else self.requested
        wanted = {name: row for name, row in self.rows.items() if any(meets(row, c) for c in clauses)}
        changed: dict[str, Row | None] = {n: r for n, r in wanted.items() if self.sent.get(n) is not r}
        changed |= dict.fromkeys(self.sent.keys() - wanted.keys())
        self.sent = wanted
        self.ever |= wanted.keys()
        return changed

    def covered(self) -> frozenset[str]:
        def stays(clauses: Iterable[Clause]) -> Iterable[Clause]:
            return (c for c in clauses if self.requested is None or c in self.requested)

        return frozenset(map(mark, stays(self.acknowledged)))
