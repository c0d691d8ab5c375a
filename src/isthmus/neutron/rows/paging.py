"""Filters, sort keys and pages of a list, as SQL: the database does the work, not a loop over everything.

A page starts behind its marker by comparing the sort keys, the id last, so that the order is total. Null sorts first,
as zero or blank. Rule: builds statements only; no session, no rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list request asks for; `sorts` are (key, ascending)."""

    filters: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    sorts: Sequence[tuple[str, bool]] = ()
    limit: int | None = None
    marker: str | None = None
    reverse: bool = False


def order(listing: Listing, columns: Mapping[str, Any]) -> list[tuple[Any, bool]]:
    """The sort columns with the id at the end; a reversed page is read backwards."""
    keys = [(columns[key], ascending) for key, ascending in listing.sorts if key in columns]
    if not any(column is columns["id"] for column, _ascending in keys):
        keys.append((columns["id"], True))
    return [(column, ascending != listing.reverse) for column, ascending in keys]


def after(keys: Sequence[tuple[Any, bool]], marker: Sequence[Any]) -> Any:
    """Rows strictly behind the marker's values in the order of `keys`."""
    ways = []
    for i, (column, ascending) in enumerate(keys):
        equal = [k == value for (k, _a), value in zip(keys[:i], marker[:i], strict=True)]
        ways.append(sa.and_(*equal, column > marker[i] if ascending else column < marker[i]))
    return sa.or_(*ways)


def page(query: Any, listing: Listing, keys: Sequence[tuple[Any, bool]], marker: Sequence[Any] | None) -> Any:
    """`query` in order, from behind the marker, at most `limit` rows."""
    if marker is not None:
        query = query.where(after(keys, marker))
    query = query.order_by(*(column.asc() if ascending else column.desc() for column, ascending in keys))
    return query.limit(listing.limit) if listing.limit else query
