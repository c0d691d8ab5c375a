"""Where packets go whose destination a BGPVPN does not know; null: as the cloud has it.

Revision ID: b6d40f8e1a37
Revises: a94c3d17f6e2
"""

import sqlalchemy as sa
from alembic import op

revision = "b6d40f8e1a37"
down_revision = "a94c3d17f6e2"


def upgrade() -> None:
    op.add_column("isthmus_bgpvpns", sa.Column("fallback", sa.String(16)))
