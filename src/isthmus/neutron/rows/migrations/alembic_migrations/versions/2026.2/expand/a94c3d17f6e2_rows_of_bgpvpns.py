"""What OVN was last told of each BGPVPN, and the form that rows are written in.

Revision ID: a94c3d17f6e2
Revises: f08d3a6be914
"""

import sqlalchemy as sa
from alembic import op

revision = "a94c3d17f6e2"
down_revision = "f08d3a6be914"


def upgrade() -> None:
    op.create_table(
        "isthmus_bgpvpn_rows",
        sa.Column(
            "bgpvpn_id", sa.String(36), sa.ForeignKey("isthmus_bgpvpns.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_table(
        "isthmus_intent_forms",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("form", sa.Integer(), nullable=False),
    )
