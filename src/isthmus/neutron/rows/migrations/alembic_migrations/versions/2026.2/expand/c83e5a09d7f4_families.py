"""In which families of routes a BGPVPN is announced, blank separated; null: in all that the hypervisors speak.

Revision ID: c83e5a09d7f4
Revises: b6d40f8e1a37
"""

import sqlalchemy as sa
from alembic import op

revision = "c83e5a09d7f4"
down_revision = "b6d40f8e1a37"


def upgrade() -> None:
    op.add_column("isthmus_bgpvpns", sa.Column("families", sa.String(32)))
