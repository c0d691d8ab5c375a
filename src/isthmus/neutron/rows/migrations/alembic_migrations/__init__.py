"""Alembic's environment and the revisions; neutron-db-manage works on this folder, nothing imports it."""
