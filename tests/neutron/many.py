"""Thousands of BGPVPNs at once, as SQL, in networking-bgpvpn's tables and in ours: the same ids, names, numbers.

BGPVPN n of a project has two route targets, one import target, a VNI, and one association of each kind with the n-th
network, router and port of those given, counted round. It is not told to OVN.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tests.neutron.cloud import Cloud

VNI = 100_000
KINDS = ("network", "router", "port")


def uuid(prefix: int) -> str:
    """Of row `seq`: the prefix says what it is."""
    return f"CONCAT('{prefix:08x}-0000-4000-8000-', LPAD(HEX(seq), 12, '0'))"


@dataclass(frozen=True, slots=True)
class Schema:
    """Where one plugin keeps what."""

    bgpvpns: str
    resource: str
    associations: Mapping[str, str]


THEIRS = Schema("bgpvpns", "bgpvpns", {k: f"bgpvpn_{k}_associations" for k in KINDS})
OURS = Schema("isthmus_bgpvpns", "bgpvpns", {k: f"isthmus_{k}_associations" for k in KINDS})


class Filler:
    """Fills one schema up to a number of BGPVPNs."""

    def __init__(self, cloud: Cloud, schema: Schema, project: str, targets: Mapping[str, Sequence[str]]) -> None:
        self._cloud, self._schema, self._project, self._targets = cloud, schema, project, targets
        self._filled = 0

    @property
    def kinds(self) -> set[str]:
        """The kinds of association that there are tables for."""
        return {k for k, table in self._schema.associations.items() if self._columns(table)}

    def fill(self, many: int, kinds: Collection[str]) -> None:
        rows = f"seq_{self._filled + 1}_to_{many}"
        name = "CONCAT('vpn-', seq)"
        values = {"id": uuid(0xB), "project_id": f"'{self._project}'", "name": name, "type": "'l3'"}
        if self._schema is THEIRS:
            lists = {"route_targets": "CONCAT('64512:', seq, ',64513:', seq)", "import_targets": "'64514:1'"}
            values |= lists | {"vni": f"{VNI} + seq", "export_targets": "''", "route_distinguishers": "''"}
        self._insert(self._schema.bgpvpns, self._schema.resource, values, rows)
        if self._schema is OURS:
            self._insert_numbers(rows)
        for number, kind in enumerate(sorted(kinds), 1):
            targets = self._targets[kind]
            target = f"ELT(1 + MOD(seq, {len(targets)}), {', '.join(repr(t) for t in targets)})"
            values = {"id": uuid(0xA0 + number), "project_id": f"'{self._project}'", "bgpvpn_id": uuid(0xB)}
            self._insert(self._schema.associations[kind], f"{kind}s", values | {f"{kind}_id": target}, rows)
        for table in (self._schema.bgpvpns, *(self._schema.associations[k] for k in kinds)):
            self._cloud.sql(f"ANALYZE TABLE {table}")
        self._filled = many

    def clear(self) -> None:
        """What was filled goes, without Neutron."""
        self._cloud.sql(f"DELETE FROM {self._schema.bgpvpns} WHERE id LIKE %s", f"{0xB:08x}-0000-4000-8000-%")
        self._filled = 0

    def _insert_numbers(self, rows: str) -> None:
        lists = (("route_targets", "64512", 0), ("route_targets", "64513", 1), ("import_targets", "64514", 0))
        for kind, system, position in lists:
            number = "1" if kind == "import_targets" else "seq"
            value = f"CONCAT('{system}:', {number})"
            values = {"bgpvpn_id": uuid(0xB), "kind": f"'{kind}'", "value": value, "position": str(position)}
            self._insert("isthmus_bgpvpn_targets", "", values, rows)
        self._insert("isthmus_vnis", "", {"vni": f"{VNI} + seq", "bgpvpn_id": uuid(0xB), "explicit": "1"}, rows)

    def _insert(self, table: str, resource: str, values: Mapping[str, str], rows: str) -> None:
        columns = self._columns(table)
        if "standard_attr_id" not in columns:
            self._write(table, values, rows)
            return
        first = int(self._cloud.sql("SELECT COALESCE(MAX(id), 0) FROM standardattributes")[0][0]) - self._filled
        standard = {"id": f"{first} + seq", "resource_type": f"'{resource}'", "description": "''"}
        self._write("standardattributes", standard | {"revision_number": "0", "created_at": "NOW()"}, rows)
        self._write(table, dict(values) | {"standard_attr_id": f"{first} + seq"}, rows)

    def _write(self, table: str, values: Mapping[str, str], rows: str) -> None:
        self._cloud.sql(f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {rows}")

    def _columns(self, table: str) -> set[str]:
        query = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'neutron' AND table_name = %s"
        return {row[0] for row in self._cloud.sql(query, table)}
