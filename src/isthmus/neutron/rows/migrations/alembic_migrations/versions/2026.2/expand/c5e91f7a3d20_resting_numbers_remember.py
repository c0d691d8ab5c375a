"""Numbers that rest remember whose they were.

Revision ID: c5e91f7a3d20
Revises: d2a7f6140b9c
"""

import sqlalchemy as sa
from alembic import op

revision = "c5e91f7a3d20"
down_revision = "d2a7f6140b9c"

TABLE = "isthmus_resting_numbers"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("project_id", sa.String(255)))
    op.add_column(TABLE, sa.Column("attachment_id", sa.String(44)))
    op.add_column(TABLE, sa.Column("bgpvpn_id", sa.String(36)))
    op.create_index("ix_isthmus_resting_numbers_pair", TABLE, ["attachment_id", "bgpvpn_id"])
    op.create_index("ix_isthmus_resting_numbers_project", TABLE, ["project_id", "kind", "released_at"])
    op.create_index("ix_isthmus_resting_numbers_age", TABLE, ["kind", "released_at"])
    op.create_index("ix_isthmus_pool_targets_project_id", "isthmus_pool_targets", ["project_id"])
