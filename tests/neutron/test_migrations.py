"""The Alembic branch makes the tables that the models describe, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from neutron.db.migration.models import head

from tests.neutron.cloud import Cloud

pytestmark = pytest.mark.neutron


def is_ours(table: str | None) -> bool:
    return bool(table) and str(table).startswith("isthmus_")


def test_the_models_and_the_migrated_schema_agree(cloud: Cloud) -> None:
    def include(name: Any, kind: str, parents: Any) -> bool:
        return kind != "table" or is_ours(name)

    metadata = head.get_metadata()
    assert "isthmus_bgpvpns" in metadata.tables
    engine = sa.create_engine(cloud.database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": include, "compare_type": True})
        found = compare_metadata(context, metadata)
    engine.dispose()
    differences = [d for d in found if "isthmus_" in str(d)]
    assert differences == []


def test_both_branches_are_at_their_heads_and_upgrading_again_does_nothing(cloud: Cloud) -> None:
    before = cloud.sql("SELECT version_num FROM alembic_version_isthmus ORDER BY 1")
    assert before == [("1c0a5e7d9b21",), ("d2a7f6140b9c",)]
    cloud.manage("--subproject", "isthmus", "upgrade", "heads")
    cloud.manage("--subproject", "isthmus", "upgrade", "--contract")
    assert cloud.sql("SELECT version_num FROM alembic_version_isthmus ORDER BY 1") == before
    cloud.manage("--subproject", "isthmus", "check_migration")
    assert "No offline migrations pending" in cloud.manage("--subproject", "isthmus", "has_offline_migrations")
