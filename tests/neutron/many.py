"""Thousands of BGPVPNs at once, as SQL, in networking-bgpvpn's tables and in ours: the same ids, names, numbers.

BGPVPN n of a project has two route targets, one import target, a VNI, and one association of each kind with network,
router and port n, which are made too. OVN is not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.neutron.cloud import Cloud

VNI = 100_000
KINDS = ("network", "router", "port")
_PREFIXES = {"network": 0xC1, "router": 0xC2, "port": 0xC3, "segment": 0xC4, "bgpvpn": 0xB}
_PREFIXES |= {f"{kind}_association": 0xA0 + number for number, kind in enumerate(KINDS)}


def uuid(what: str) -> str:
    """Of row `seq`; its head says what it is."""
    return f"CONCAT('{_PREFIXES[what]:08x}-0000-4000-8000-', LPAD(HEX(seq), 12, '0'))"


def bgpvpn_id(number: int) -> str:
    return f"{_PREFIXES['bgpvpn']:08x}-0000-4000-8000-{number:012X}"


@dataclass(frozen=True, slots=True)
class Schema:
    """Where one plugin keeps what."""

    bgpvpns: str
    associations: Mapping[str, str]


THEIRS = Schema("bgpvpns", {k: f"bgpvpn_{k}_associations" for k in KINDS})
OURS = Schema("isthmus_bgpvpns", {k: f"isthmus_{k}_associations" for k in KINDS})


class Filler:
    """Fills up to a number of BGPVPNs: `fill_things` once for a database, `fill` for each schema."""

    def __init__(self, cloud: Cloud, project: str) -> None:
        self._cloud, self._project = cloud, project
        self._filled: dict[str, int] = {}

    def fill_things(self, many: int) -> None:
        rows = self._rows("things", many)
        named = {"project_id": f"'{self._project}'", "name": "CONCAT('thing-', seq)", "status": "'ACTIVE'"}
        for kind in KINDS:
            values = {"id": uuid(kind), "admin_state_up": "1"} | named
            if kind == "port":
                mac = "CONCAT('fa:16:3e:', INSERT(INSERT(LPAD(HEX(seq), 6, '0'), 5, 0, ':'), 3, 0, ':'))"
                empty = {"device_id": "''", "device_owner": "''"}
                values |= {"network_id": uuid("network"), "mac_address": mac} | empty
            self._insert(f"{kind}s", f"{kind}s", values, rows)
        segment = {"id": uuid("segment"), "network_id": uuid("network"), "network_type": "'geneve'"}
        self._insert("networksegments", "segments", segment | {"segmentation_id": "1000 + seq"}, rows)

    def fill(self, schema: Schema, many: int) -> None:
        rows = self._rows(schema.bgpvpns, many)
        name = "CONCAT('vpn-', seq)"
        values = {"id": uuid("bgpvpn"), "project_id": f"'{self._project}'", "name": name, "type": "'l3'"}
        if schema is THEIRS:
            lists = {"route_targets": "CONCAT('64512:', seq, ',64513:', seq)", "import_targets": "'64514:1'"}
            values |= lists | {"vni": f"{VNI} + seq", "export_targets": "''", "route_distinguishers": "''"}
        self._insert(schema.bgpvpns, "bgpvpns", values, rows)
        if schema is OURS:
            self._insert_numbers(rows)
        for kind, table in schema.associations.items():
            owner = {"project_id": f"'{self._project}'", "bgpvpn_id": uuid("bgpvpn")}
            values = {"id": uuid(f"{kind}_association"), f"{kind}_id": uuid(kind)} | owner
            self._insert(table, f"{kind}_associations", values, rows)
        for table in (schema.bgpvpns, *schema.associations.values(), *(f"{kind}s" for kind in KINDS)):
            self._cloud.sql(f"ANALYZE TABLE {table}")

    def gather(self, bgpvpn: str, many: int) -> None:
        """The first networks all in one BGPVPN of ours."""
        values = {"id": "UUID()", "network_id": uuid("network"), "bgpvpn_id": f"'{bgpvpn}'"}
        owner = {"project_id": f"'{self._project}'"}
        self._insert(OURS.associations["network"], "network_associations", values | owner, f"seq_1_to_{many}")

    def clear(self) -> None:
        """What was filled goes, without Neutron: keys cascade."""
        for what, table in (
            ("bgpvpn", OURS.bgpvpns),
            ("port", "ports"),
            ("router", "routers"),
            ("network", "networks"),
        ):
            self._cloud.sql(f"DELETE FROM {table} WHERE id LIKE %s", f"{_PREFIXES[what]:08x}-0000-4000-8000-%")
        self._filled = {}

    def _rows(self, what: str, many: int) -> str:
        """The numbers to add, as a table of MariaDB."""
        first, self._filled[what] = self._filled.get(what, 0) + 1, many
        return f"seq_{first}_to_{many}"

    def _insert_numbers(self, rows: str) -> None:
        lists = (("route_targets", "64512", 0), ("route_targets", "64513", 1), ("import_targets", "64514", 0))
        for kind, system, position in lists:
            number = "1" if kind == "import_targets" else "seq"
            value = f"CONCAT('{system}:', {number})"
            values = {"bgpvpn_id": uuid("bgpvpn"), "kind": f"'{kind}'", "value": value, "position": str(position)}
            self._write("isthmus_bgpvpn_targets", values, rows)
        self._write("isthmus_vnis", {"vni": f"{VNI} + seq", "bgpvpn_id": uuid("bgpvpn"), "explicit": "1"}, rows)

    def _insert(self, table: str, resource: str, values: Mapping[str, str], rows: str) -> None:
        """With the row that Neutron keeps beside it for description, times and revision."""
        first = int(self._cloud.sql("SELECT COALESCE(MAX(id), 0) + 1 FROM standardattributes")[0][0])
        number = f"{first} + seq"
        standard = {"id": number, "resource_type": f"'{resource}'", "description": "''", "revision_number": "0"}
        self._write("standardattributes", standard | {"created_at": "NOW()"}, rows)
        self._write(table, dict(values) | {"standard_attr_id": number}, rows)

    def _write(self, table: str, values: Mapping[str, str], rows: str) -> None:
        self._cloud.sql(f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {rows}")
