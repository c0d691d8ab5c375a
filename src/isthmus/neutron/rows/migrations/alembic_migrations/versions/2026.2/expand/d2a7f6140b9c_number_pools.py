"""Route targets of the pool, numbers that rest, rows to lock for quotas.

Revision ID: d2a7f6140b9c
Revises: e7a2c5d81f36
"""

import sqlalchemy as sa
from alembic import op

revision = "d2a7f6140b9c"
down_revision = "e7a2c5d81f36"


def upgrade() -> None:
    op.create_table(
        "isthmus_pool_targets",
        sa.Column("value", sa.String(32), primary_key=True),
        sa.Column("project_id", sa.String(255)),
        sa.Column("bgpvpn_id", sa.String(36), sa.ForeignKey("isthmus_bgpvpns.id", ondelete="SET NULL"), index=True),
        sa.Column("released_at", sa.DateTime()),
    )
    op.create_table(
        "isthmus_resting_numbers",
        sa.Column("kind", sa.Enum("vni", "number", name="isthmus_resting_kinds"), primary_key=True),
        sa.Column("value", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("released_at", sa.DateTime(), nullable=False),
    )
    op.create_table("isthmus_projects", sa.Column("id", sa.String(255), primary_key=True))
