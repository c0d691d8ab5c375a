"""The room's Alembic branch, which `neutron-db-manage` finds by its entry point."""
