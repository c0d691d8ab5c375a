"""What one change of Neutron's changes at very many routers is marked in the transaction that makes it.

Neutron has no event for a subnet's change before its commit; SQLAlchemy tells of the row itself. `hooks` hears of it
after the commit and hands the first few to the backend; whatever dies between, the marks stand.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2

from isthmus.neutron.attachments import settling


class Marks:
    """Listens for the life of the process."""

    def __init__(self, at_once: int | None) -> None:
        if at_once is None:
            return
        self._at_once = at_once
        for event in ("after_insert", "after_update", "after_delete"):
            sa.event.listen(models_v2.Subnet, event, self._subnet)

    def _subnet(self, mapper: Any, connection: Any, row: Any) -> None:
        """A gateway that comes, goes or changes on an external network is a default route of its routers."""
        state = sa.inspect(row)
        if state.persistent and not state.deleted and not state.attrs.gateway_ip.history.has_changes():
            return
        settling.mark_uplinks(connection, row.network_id, self._at_once)
