"""Reading a list as a request asks for it: what may be seen, of that what matches, in order, from behind the marker.

Rule: functions here run in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oslo_utils import uuidutils

from isthmus.neutron.rows import columns
from isthmus.neutron.rows.paging import Listing, order, page


def rows(
    context: Any,
    visible: Any,
    asked: Listing,
    known: Mapping[str, Any],
    table: Any,
    missing: Exception,
    *,
    where: Sequence[Any] = (),
    options: Sequence[Any] = (),
) -> list[Any]:
    """Rows of `visible`: all that the caller may see of `table`; `known` are its columns by attribute name.

    `where` narrows the list but not what may be its marker; `options` say how the rows are loaded. Raises `missing`
    for a marker that the caller does not know.
    """
    keys = order(asked, known)
    marker = _marker(context, visible, asked, known, keys, missing)
    query = columns.matching(context, visible.where(*where), asked.filters, known, table).options(*options)
    found = list(context.session.execute(page(query, asked, keys, marker)))
    if asked.reverse:
        found.reverse()
    return found


def _marker(
    context: Any,
    visible: Any,
    asked: Listing,
    known: Mapping[str, Any],
    keys: Sequence[tuple[Any, bool]],
    missing: Exception,
) -> tuple[Any, ...] | None:
    """The sort values of the row behind which the page starts; None without a marker."""
    if not asked.marker:
        return None
    found = None
    if uuidutils.is_uuid_like(asked.marker):
        values = visible.with_only_columns(*(column for column, _ascending in keys), maintain_column_froms=True)
        found = context.session.execute(values.where(known["id"] == asked.marker)).first()
    if found is None:
        raise missing
    return tuple(found)
