"""BGPVPNs, their targets and VNIs, network and router associations, attachments and numbers.

Revision ID: 7f3e2b90c4d6
Revises: start_isthmus
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "7f3e2b90c4d6"
down_revision = "start_isthmus"
branch_labels = ("expand",)

KINDS = ("route_targets", "import_targets", "export_targets", "route_distinguishers")


def _refers(column: str, table: str, **options: Any) -> Any:
    return sa.Column(column, sa.String(36), sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), **options)


def _advertise_extra_routes() -> Any:
    return sa.Column("advertise_extra_routes", sa.Boolean(), nullable=False, server_default=sa.true())


def upgrade() -> None:
    op.create_table(
        "isthmus_bgpvpns",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(255), index=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", sa.Enum("l2", "l3", name="isthmus_bgpvpn_types"), nullable=False),
        sa.Column(
            "standard_attr_id",
            sa.BigInteger(),
            sa.ForeignKey("standardattributes.id", ondelete="CASCADE"),
            unique=True,
            nullable=False,
        ),
    )
    op.create_table(
        "isthmus_bgpvpn_targets",
        _refers("bgpvpn_id", "isthmus_bgpvpns", primary_key=True),
        sa.Column("kind", sa.Enum(*KINDS, name="isthmus_target_kinds"), primary_key=True),
        sa.Column("value", sa.String(32), primary_key=True, index=True),
        sa.Column("position", sa.SmallInteger(), nullable=False),
    )
    op.create_table(
        "isthmus_vnis",
        sa.Column("vni", sa.Integer(), primary_key=True, autoincrement=False),
        _refers("bgpvpn_id", "isthmus_bgpvpns", nullable=False, unique=True),
        sa.Column("explicit", sa.Boolean(), nullable=False),
    )
    for kind in ("network", "router"):
        op.create_table(
            f"isthmus_{kind}_associations",
            sa.Column("id", sa.String(36), primary_key=True),
            sa.Column("project_id", sa.String(255), index=True),
            _refers("bgpvpn_id", "isthmus_bgpvpns", nullable=False),
            _refers(f"{kind}_id", f"{kind}s", nullable=False, index=True),
            *([_advertise_extra_routes()] if kind == "router" else []),
            sa.UniqueConstraint("bgpvpn_id", f"{kind}_id", name=f"uniq_isthmus_{kind}_associations"),
        )
    op.create_table(
        "isthmus_attachments",
        sa.Column("id", sa.String(44), primary_key=True),
        _refers("router_id", "routers", unique=True),
        _refers("network_id", "networks", unique=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_table(
        "isthmus_numbers",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column(
            "attachment_id",
            sa.String(44),
            sa.ForeignKey("isthmus_attachments.id", ondelete="CASCADE"),
            nullable=False,
        ),
        _refers("bgpvpn_id", "isthmus_bgpvpns", nullable=False, index=True),
        sa.UniqueConstraint("attachment_id", "bgpvpn_id", name="uniq_isthmus_numbers"),
    )
