"""Attachments that are still to be written, and those whose row cannot carry everything.

Revision ID: f08d3a6be914
Revises: c5e91f7a3d20
"""

import sqlalchemy as sa
from alembic import op

revision = "f08d3a6be914"
down_revision = "c5e91f7a3d20"


def upgrade() -> None:
    op.create_table(
        "isthmus_dirty",
        sa.Column("attachment_id", sa.String(44), primary_key=True),
        sa.Column("mark", sa.String(36), nullable=False),
        sa.Column("marked_at", sa.DateTime(), nullable=False),
    )
    op.create_index("ix_isthmus_dirty_marked_at", "isthmus_dirty", ["marked_at"])
    op.add_column("isthmus_attachments", sa.Column("overfull", sa.Boolean(), nullable=False, server_default=sa.false()))
