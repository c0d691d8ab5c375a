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
    assert before == [("1c0a5e7d9b21",), ("c83e5a09d7f4",)]
    cloud.manage("--subproject", "isthmus", "upgrade", "heads")
    cloud.manage("--subproject", "isthmus", "upgrade", "--contract")
    assert cloud.sql("SELECT version_num FROM alembic_version_isthmus ORDER BY 1") == before
    cloud.manage("--subproject", "isthmus", "check_migration")
    assert "No offline migrations pending" in cloud.manage("--subproject", "isthmus", "has_offline_migrations")


def test_rows_of_the_first_schema_get_what_the_later_ones_ask_for(cloud: Cloud) -> None:
    """A cloud that has run the first schema: its associations become whole resources, and nothing else changes."""
    old = "old_schema"
    cloud.sql(f"CREATE DATABASE {old} CHARACTER SET utf8mb3", database=None)
    for table in ("standardattributes", "networks", "routers", "ports"):
        cloud.sql(f"CREATE TABLE {old}.{table} LIKE neutron.{table}")
    where = ("--database-connection", cloud.database_url.replace("/neutron?", f"/{old}?"), "--subproject", "isthmus")
    cloud.manage(*where, "upgrade", "7f3e2b90c4d6")
    insert = [
        "INSERT INTO networks (id, standard_attr_id) VALUES ('net', 2)",
        "INSERT INTO routers (id, standard_attr_id) VALUES ('router', 3)",
        "INSERT INTO standardattributes (id, resource_type, revision_number) VALUES (1, 'isthmus_bgpvpns', 4)",
        "INSERT INTO isthmus_bgpvpns (id, project_id, name, type, standard_attr_id) VALUES ('vpn', 'p', 'n', 'l3', 1)",
        "INSERT INTO isthmus_network_associations (id, bgpvpn_id, network_id) VALUES ('a', 'vpn', 'net')",
        "INSERT INTO isthmus_router_associations (id, bgpvpn_id, router_id) VALUES ('b', 'vpn', 'router')",
    ]
    for statement in insert:
        cloud.sql(statement, database=old)
    cloud.manage(*where, "upgrade", "heads")
    kept = cloud.sql("SELECT id, name, standard_attr_id, local_pref FROM isthmus_bgpvpns", database=old)
    assert kept == [("vpn", "n", 1, None)]
    given = (
        "SELECT a.id, s.resource_type, s.revision_number, s.created_at IS NULL FROM {} a "
        "JOIN standardattributes s ON s.id = a.standard_attr_id"
    )
    for table, association in (("isthmus_network_associations", "a"), ("isthmus_router_associations", "b")):
        assert cloud.sql(given.format(table), database=old) == [(association, table, 0, 0)]
    cloud.sql("DELETE FROM standardattributes WHERE resource_type = 'isthmus_network_associations'", database=old)
    assert cloud.sql("SELECT id FROM isthmus_network_associations", database=old) == [], "the key is there"
    cloud.sql(f"DROP DATABASE {old}", database=None)
