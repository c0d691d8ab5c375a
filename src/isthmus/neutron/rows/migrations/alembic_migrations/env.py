"""Alembic's environment: Neutron's connection, our own version table beside Neutron's.

The alembic object `context.config` carries Neutron's configuration; see neutron.db.migration.cli.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context
from neutron.db.migration.connection import DBConnection
from neutron_lib.db import model_base
from sqlalchemy import event

from isthmus.neutron.rows import models  # noqa: F401  our tables join Neutron's metadata

VERSION_TABLE = "alembic_version_isthmus"
OWN_PREFIX = "isthmus_"

config: Any = context.config
settings = config.neutron_config


def is_ours(object_: Any, name: Any, type_: str, reflected: bool, compare_to: Any) -> bool:
    """Autogeneration looks at our tables only."""
    return type_ != "table" or name.startswith(OWN_PREFIX)


@event.listens_for(sa.Table, "after_parent_attach")
def set_storage_engine(target: Any, parent: Any) -> None:
    target.kwargs["mysql_engine"] = model_base.BASEV2.__table_args__["mysql_engine"]


def run_offline() -> None:
    """Print the statements."""
    database = settings.database
    where = {"url": database.connection} if database.connection else {"dialect_name": database.engine}
    context.configure(include_object=is_ours, version_table=VERSION_TABLE, **where)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    with DBConnection(settings.database.connection, config.attributes.get("connection")) as connection:
        context.configure(
            connection=connection,
            target_metadata=model_base.BASEV2.metadata,
            include_object=is_ours,
            version_table=VERSION_TABLE,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
