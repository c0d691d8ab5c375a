"""BGPVPNs shared with other projects, by Neutron's RBAC policies.

Revision ID: e7a2c5d81f36
Revises: b41d90c27e58
"""

import sqlalchemy as sa
from alembic import op

revision = "e7a2c5d81f36"
down_revision = "b41d90c27e58"


def upgrade() -> None:
    op.create_table(
        "isthmus_bgpvpn_rbacs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(255), index=True),
        sa.Column("object_id", sa.String(36), sa.ForeignKey("isthmus_bgpvpns.id", ondelete="CASCADE"), nullable=False),
        sa.Column("target_project", sa.String(255), nullable=False, index=True),
        sa.Column("action", sa.String(255), nullable=False, index=True),
        sa.UniqueConstraint("target_project", "object_id", "action"),
    )
