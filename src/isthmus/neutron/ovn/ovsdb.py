"""Connections of our own: to the northbound database, with only the tables that carry rows of ours, and to what agents
report in the southbound one.

The API uses Neutron's connections; the worker and `isthmus-db-sync` have no Neutron driver that made any.
"""

from __future__ import annotations

from typing import Any

from neutron.conf.plugins.ml2.drivers.ovn import ovn_conf
from neutron.plugins.ml2.drivers.ovn.mech_driver.ovsdb import ovsdb_monitor
from ovsdbapp.backend.ovs_idl import connection, idlutils
from ovsdbapp.schema.ovn_northbound import impl_idl
from ovsdbapp.schema.ovn_southbound import impl_idl as southbound_impl

from isthmus.neutron.attachments.desired import Table
from isthmus.neutron.ovn.northbound import Unavailable

SCHEMA = "OVN_Northbound"
SOUTHBOUND = "OVN_Southbound"
REPORTS, GLOBAL = "Chassis_Private", "SB_Global"


class _Idl(connection.OvsdbIdl):
    def __init__(self, remote: str, lock: str | None) -> None:
        helper = _helper(remote, SCHEMA)
        for table in Table:
            helper.register_table(table.value)
        super().__init__(remote, helper, leader_only=True)
        if lock is not None:
            self.set_lock(lock)


class _Reports(connection.OvsdbIdl):
    def __init__(self, remote: str) -> None:
        helper = _helper(remote, SOUTHBOUND)
        helper.register_columns(REPORTS, ["name", "external_ids"])
        helper.register_columns(GLOBAL, ["nb_cfg"])
        super().__init__(remote, helper, leader_only=False)


def _helper(remote: str, schema: str) -> Any:
    if remote.startswith("ssl"):
        ovsdb_monitor._check_and_set_ssl_files(schema)  # Neutron's own options; there is no public way to them
    return idlutils.get_schema_helper(remote, schema)


def connect_to_reports() -> Any:
    """An ovsdbapp API that knows what agents report. Raises Unavailable."""
    remote, timeout = ovn_conf.get_ovn_sb_connection(), ovn_conf.get_ovn_ovsdb_timeout()
    try:
        return southbound_impl.OvnSbApiIdlImpl(connection.Connection(_Reports(remote), timeout=timeout))
    except Exception as error:  # as below
        raise Unavailable(f"the southbound database ({remote}) does not answer: {error}") from error


def connect(lock: str | None = None) -> Any:
    """An ovsdbapp API that knows the database's rows; with `lock` it asks for that lock. Raises Unavailable."""
    remote, timeout = ovn_conf.get_ovn_nb_connection(), ovn_conf.get_ovn_ovsdb_timeout()
    try:
        return impl_idl.OvnNbApiIdlImpl(connection.Connection(_Idl(remote, lock), timeout=timeout))
    except Exception as error:  # ovsdbapp raises nothing narrower when no server gives it the schema
        raise Unavailable(f"the northbound database ({remote}) does not answer: {error}") from error
