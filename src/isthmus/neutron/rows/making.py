"""New rows that carry Neutron's standard attributes, by plain INSERTs.

An object of SQLAlchemy's would cost two more statements and as much time again: Neutron looks at what each flush has
made, and reads what belongs to it before the commit. A new row's revision is 0, and nobody has named one in If-Match.

Rule: functions here run in the caller's transaction.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from neutron_lib.db import standard_attr
from oslo_utils import timeutils

from isthmus.neutron.words.values import Standard


def new(description: str) -> Standard:
    """Of something that is made now."""
    now = timeutils.utcnow().replace(microsecond=0)  # what the columns keep
    return Standard(description, 0, now, now)


def insert(session: Any, model: Any, standard: Standard, **columns: Any) -> None:
    """One row of the model's table, and its row of standard attributes."""
    attributes = standard_attr.StandardAttribute.__table__
    made = session.execute(
        sa.insert(attributes).values(
            resource_type=model.__tablename__,
            description=standard.description,
            revision_number=standard.revision_number,
            created_at=standard.created_at,
            updated_at=standard.updated_at,
        )
    )
    columns["standard_attr_id"] = int(made.inserted_primary_key[0])
    session.execute(sa.insert(model.__table__).values(columns))
