"""Port associations with their routes, local preferences, standard attributes of associations.

Revision ID: b41d90c27e58
Revises: 7f3e2b90c4d6
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "b41d90c27e58"
down_revision = "7f3e2b90c4d6"

STANDARD = "standardattributes"


def _refers(column: str, table: str, **options: Any) -> Any:
    return sa.Column(column, sa.String(36), sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), **options)


def upgrade() -> None:
    op.add_column("isthmus_bgpvpns", sa.Column("local_pref", sa.BigInteger()))
    for kind in ("network", "router"):
        _give_standard_attributes(f"isthmus_{kind}_associations")
    op.create_table(
        "isthmus_port_associations",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(255), index=True),
        _refers("bgpvpn_id", "isthmus_bgpvpns", nullable=False),
        _refers("port_id", "ports", nullable=False, index=True),
        sa.Column("advertise_fixed_ips", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column(
            "standard_attr_id",
            sa.BigInteger(),
            sa.ForeignKey(f"{STANDARD}.id", ondelete="CASCADE"),
            unique=True,
            nullable=False,
        ),
        sa.UniqueConstraint("bgpvpn_id", "port_id", name="uniq_isthmus_port_associations"),
    )
    op.create_table(
        "isthmus_port_routes",
        _refers("association_id", "isthmus_port_associations", primary_key=True),
        sa.Column("position", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("prefix", sa.String(49)),
        _refers("bgpvpn_id", "isthmus_bgpvpns", index=True),
        sa.Column("local_pref", sa.BigInteger()),
    )


def _give_standard_attributes(name: str) -> None:
    """Each row that is there already gets attributes of its own: Neutron counts revisions and times in them."""
    op.add_column(name, sa.Column("standard_attr_id", sa.BigInteger()))
    connection = op.get_bind()
    table = sa.table(name, sa.column("id", sa.String(36)), sa.column("standard_attr_id", sa.BigInteger()))
    standard = sa.table(
        STANDARD,
        sa.column("resource_type", sa.String(255)),
        sa.column("revision_number", sa.BigInteger()),
        sa.column("created_at", sa.DateTime()),
        sa.column("updated_at", sa.DateTime()),
    )
    now = sa.func.utc_timestamp()
    for (found,) in connection.execute(sa.select(table.c.id)).all():
        values = {"resource_type": name, "revision_number": 0, "created_at": now, "updated_at": now}
        made = connection.execute(sa.insert(standard).values(**values))
        connection.execute(sa.update(table).where(table.c.id == found).values(standard_attr_id=made.lastrowid))
    op.alter_column(name, "standard_attr_id", existing_type=sa.BigInteger(), nullable=False)
    op.create_unique_constraint(f"uniq_{name}_standard", name, ["standard_attr_id"])
    op.create_foreign_key(None, name, STANDARD, ["standard_attr_id"], ["id"], ondelete="CASCADE")
