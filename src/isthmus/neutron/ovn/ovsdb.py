"""A connection of our own to the northbound database, with only the tables that carry rows of ours.

The API uses Neutron's connection; the worker and `isthmus-db-sync` have no Neutron driver that made one.
"""

from __future__ import annotations

from typing import Any

from neutron.conf.plugins.ml2.drivers.ovn import ovn_conf
from neutron.plugins.ml2.drivers.ovn.mech_driver.ovsdb import ovsdb_monitor
from ovsdbapp.backend.ovs_idl import connection, idlutils
from ovsdbapp.schema.ovn_northbound import impl_idl

from isthmus.neutron.attachments.desired import Table
from isthmus.neutron.ovn.northbound import Unavailable

SCHEMA = "OVN_Northbound"


class _Idl(connection.OvsdbIdl):
    def __init__(self, remote: str, lock: str | None) -> None:
        if remote.startswith("ssl"):
            ovsdb_monitor._check_and_set_ssl_files(SCHEMA)  # Neutron's own options; there is no public way to them
        helper = idlutils.get_schema_helper(remote, SCHEMA)
        for table in Table:
            helper.register_table(table.value)
        super().__init__(remote, helper, leader_only=True)
        if lock is not None:
            self.set_lock(lock)


def connect(lock: str | None = None) -> Any:
    """An ovsdbapp API that knows the database's rows; with `lock` it asks for that lock. Raises Unavailable."""
    remote, timeout = ovn_conf.get_ovn_nb_connection(), ovn_conf.get_ovn_ovsdb_timeout()
    try:
        return impl_idl.OvnNbApiIdlImpl(connection.Connection(_Idl(remote, lock), timeout=timeout))
    except Exception as error:  # ovsdbapp raises nothing narrower when no server gives it the schema
        raise Unavailable(f"the northbound database ({remote}) does not answer: {error}") from error
