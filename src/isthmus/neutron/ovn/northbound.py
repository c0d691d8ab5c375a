"""OVN's northbound database: reading the rows that are ours, and applying plans to attachments, many in a transaction.

Everything of an attachment is read, compared and written inside one OVSDB transaction on the connection's own thread,
so the picture that a plan is made from cannot change under it. The AC row carries the revision that says which of two
writers is the newer (the drawing in docs/design/neutron.md).

Ours is what carries `isthmus:attachment`, bears one of our names, or, on a router, speaks of our port: a row whose
keys somebody has cleared is still found, replaced and counted once. OVSDB's row objects never leave this file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ovsdbapp import exceptions as ovsdb_exceptions
from ovsdbapp.backend.ovs_idl import command

from isthmus.model.delta import Plan, diff
from isthmus.model.intent import (
    KIND_KEY,
    KIND_VPN,
    VPN_PORT,
    WRITES,
    BadIntent,
    bgpvpn_port,
    read_attachment,
    written_by,
)
from isthmus.neutron.attachments import vpns
from isthmus.neutron.attachments.desired import (
    ATTACHMENT_KEY,
    REVISION_KEY,
    Key,
    Row,
    Table,
    Value,
    circuit,
    gateway_port,
    own_router,
    policy_name,
    router_port,
    switch_of,
    transit,
)

COLUMNS: Mapping[Table, tuple[str, ...]] = {
    Table.SWITCH: ("external_ids",),
    Table.SWITCH_PORT: ("addresses", "enabled", "external_ids", "options", "type"),
    Table.ROUTER: ("external_ids",),
    Table.ROUTER_PORT: ("external_ids", "ipv6_ra_configs", "mac", "networks", "options"),
    Table.POLICY: ("action", "external_ids", "match", "nexthops", "priority"),
    Table.ROUTE: ("external_ids", "ip_prefix", "nexthop", "output_port"),
}
"""The columns that are ours, per table; a desired row that leaves one out wants it empty."""

HOLDERS: Mapping[Table, tuple[Table, str]] = {
    Table.SWITCH_PORT: (Table.SWITCH, "ports"),
    Table.ROUTER_PORT: (Table.ROUTER, "ports"),
    Table.POLICY: (Table.ROUTER, "policies"),
    Table.ROUTE: (Table.ROUTER, "static_routes"),
}
"""Where the row of a child table hangs: the parent's table and column."""

NAMED = (Table.SWITCH, Table.SWITCH_PORT, Table.ROUTER, Table.ROUTER_PORT)
ORDER = (Table.SWITCH, Table.ROUTER, Table.ROUTER_PORT, Table.SWITCH_PORT, Table.POLICY, Table.ROUTE)
"""Parents are made before what hangs on them, and taken away after."""

_NAME = re.compile(r"(router|network|bgpvpn):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REVISION = re.compile(r"[0-9]{1,18}", re.ASCII)
"""The database's column has room for more: whoever writes such a one by hand cannot make the next too large."""

_EMPTY: dict[str, Value] = {"ipv6_ra_configs": (), "options": ()}
_EMPTY |= dict.fromkeys(("addresses", "enabled", "nexthops", "output_port"), frozenset[str]())


class Unavailable(Exception):
    """The northbound database did not take the transaction: what was wanted stays to be written."""


class Outcome(StrEnum):
    """What became of a write."""

    UNCHANGED = "everything was there already"
    WRITTEN = "written"
    NEWER = "the database has a newer revision"
    LEFT = "a newer release of Isthmus has written it: it is left alone"
    WAITING = "a switch or router of Neutron's is not in the northbound database yet"


@dataclass(frozen=True, slots=True)
class Seen:
    """What OVN has of an attachment or BGPVPN before a settling."""

    revision: int = 0
    """Of the row that carries it; 0 without one."""
    highest: int = 0
    """Of all the rows that nodes read together with that one."""
    bgpvpns: frozenset[str] = frozenset()
    """Those that it refers to."""


@dataclass(frozen=True, slots=True)
class Applied:
    outcome: Outcome
    plan: Plan[Key, Row]


Wanted = tuple[Mapping[Key, Row], int]
"""An attachment's rows, and the revision that says so."""


class Northbound:
    """The northbound database through an ovsdbapp API; `get` is asked each time, as Neutron connects late."""

    def __init__(self, get: Any) -> None:
        self._get = get

    def apply(self, wanted: Mapping[str, Wanted]) -> dict[str, Applied]:
        """Make each attachment's rows exactly these: one OVSDB transaction for all of them. Raises Unavailable."""
        api = self._get()
        writes = {name: _Apply(api, name, rows, revision) for name, (rows, revision) in wanted.items()}
        self._run(_Together(api, list(writes.values())))
        return {name: write.result for name, write in writes.items()}

    def seen(self, attachments: Collection[str]) -> dict[str, Seen]:
        """What is there of each."""
        return self._run(_Seen(self._get(), attachments))

    def lacks(self, bgpvpns: Collection[str]) -> dict[str, bool]:
        """Those of the BGPVPNs that have no row, and whether there is a switch for it."""
        return self._run(_Lacks(self._get(), bgpvpns)) if bgpvpns else {}

    def rows(self, attachment: str) -> dict[Key, Row]:
        """The attachment's rows as they are."""
        return self._run(_Rows(self._get(), attachment))

    def attachments(self) -> set[str]:
        """Every attachment and BGPVPN of which anything is left in the database."""
        return self._run(_Claims(self._get()))[0]

    def strays(self) -> list[str]:
        """Rows whose key names no attachment, in words: somebody else's hand. Nothing of ours touches them."""
        return self._run(_Claims(self._get()))[1]

    def _run(self, wanted: Any) -> Any:
        try:
            return wanted.execute(check_error=True, log_errors=False)
        except (ovsdb_exceptions.OvsdbAppException, RuntimeError) as error:
            raise Unavailable(f"the northbound database did not answer as it should: {error}") from error


def _freeze(value: Any) -> Value:
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    if isinstance(value, list):
        return frozenset(value)
    return value


def _thaw(value: Value) -> Any:
    if isinstance(value, tuple):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    return value


def complete(rows: Mapping[Key, Row]) -> dict[Key, Row]:
    """The rows with every column of ours: those that a desired row leaves out are to be empty."""
    return {
        key: tuple((c, dict(row).get(c, _EMPTY.get(c, ""))) for c in COLUMNS[key.table]) for key, row in rows.items()
    }


def _value(table: Table, row: Any) -> Row:
    return tuple((c, _freeze(getattr(row, c))) for c in COLUMNS[table])


class _Reading(command.ReadOnlyCommand):
    """Reads under the connection's lock, so that the tables hold still."""

    def __init__(self, api: Any, attachment: str = "") -> None:
        super().__init__(api)
        self.attachment = attachment


class _Seen(command.ReadOnlyCommand):
    def __init__(self, api: Any, attachments: Collection[str]) -> None:
        super().__init__(api)
        self.attachments = attachments

    def run_idl(self, txn: Any) -> None:
        self.result = {name: self._of(_find(self.api, Table.SWITCH_PORT, _anchor(name))) for name in self.attachments}

    def _of(self, row: Any) -> Seen:
        beside = _referred(row)
        others = (_revision(_find(self.api, Table.SWITCH_PORT, bgpvpn_port(b))) for b in beside)
        return Seen(_revision(row), max((_revision(row), *others)), beside)


class _Lacks(command.ReadOnlyCommand):
    def __init__(self, api: Any, bgpvpns: Collection[str]) -> None:
        super().__init__(api)
        self.bgpvpns = bgpvpns

    def run_idl(self, txn: Any) -> None:
        lacking = [b for b in self.bgpvpns if _find(self.api, Table.SWITCH_PORT, bgpvpn_port(b)) is None]
        self.result = {b: _find(self.api, Table.SWITCH, vpns.switch(b)) is not None for b in sorted(lacking)}


class _Rows(_Reading):
    def run_idl(self, txn: Any) -> None:
        self.result = {key: _value(key.table, row) for key, row in _rows_of(self.api, self.attachment)}


class _Claims(_Reading):
    """The attachments that rows name, and in words the rows that name something else."""

    def run_idl(self, txn: Any) -> None:
        found, strays = set(), []
        for table in Table:
            for row in list(self.api.tables[table].rows.values()):
                attachment = row.external_ids.get(ATTACHMENT_KEY) or _vpn_of(table, row)
                if attachment is None:
                    continue
                if _NAME.fullmatch(attachment):
                    found.add(attachment)
                else:
                    name = getattr(row, "name", "") or row.uuid
                    strays.append(f"{table.value} {name}: its {ATTACHMENT_KEY} is {attachment!r}, which is none")
        self.result = found, sorted(strays)


class _Together(command.BaseCommand):
    """Several attachments in one transaction."""

    def __init__(self, api: Any, writes: Collection[_Apply]) -> None:
        super().__init__(api)
        self.writes = writes

    def run_idl(self, txn: Any) -> None:
        for write in self.writes:
            write.run_idl(txn)


class _Apply(command.BaseCommand):
    """Runs again from the start when the database has changed meanwhile: it keeps nothing between runs."""

    def __init__(self, api: Any, attachment: str, rows: Mapping[Key, Row], revision: int) -> None:
        super().__init__(api)
        self.attachment, self.revision = attachment, revision
        self.desired = complete(rows)

    def run_idl(self, txn: Any) -> None:
        present = dict(_rows_of(self.api, self.attachment))
        plan = diff(self.desired, {key: _value(key.table, row) for key, row in present.items()})
        self.result = Applied(self._outcome(plan, present), plan)
        if self.result.outcome is not Outcome.WRITTEN:
            return
        for key, row in present.items():
            if key.name == _anchor(self.attachment):
                row.verify("external_ids")
        _remove(self.api, plan, present)
        _write(self.api, txn, plan, present)

    def _outcome(self, plan: Plan[Key, Row], present: Mapping[Key, Any]) -> Outcome:
        if not plan:
            return Outcome.UNCHANGED
        name = _anchor(self.attachment)
        if any(_is_newer(row) for row in present.values()):
            return Outcome.LEFT
        if any(key.name == name and _revision(row) > self.revision for key, row in present.items()):
            return Outcome.NEWER
        for key in plan.put:
            holder = HOLDERS.get(key.table)
            if (
                holder
                and Key(holder[0], "", key.parent) not in self.desired
                and not _find(self.api, holder[0], key.parent)
            ):
                return Outcome.WAITING
        return Outcome.WRITTEN


def _remove(api: Any, plan: Plan[Key, Row], present: Mapping[Key, Any]) -> None:
    for key in sorted(plan.delete, key=lambda k: ORDER.index(k.table), reverse=True):
        row = present[key]
        if key.table in HOLDERS:
            table, column = HOLDERS[key.table]
            parent = present.get(Key(table, "", key.parent)) or _find(api, table, key.parent)
            if parent is not None:
                parent.delvalue(column, row)
        row.delete()


def _write(api: Any, txn: Any, plan: Plan[Key, Row], present: Mapping[Key, Any]) -> None:
    made: dict[Key, Any] = {}
    for key in sorted(plan.put, key=lambda k: ORDER.index(k.table)):
        row = present.get(key)
        if row is None:
            row = made[key] = txn.insert(api.tables[key.table])
            if key.table in NAMED:
                row.name = key.name
            if key.table in HOLDERS:
                table, column = HOLDERS[key.table]
                above = Key(table, "", key.parent)
                parent = made.get(above) or present.get(above) or _find(api, table, key.parent)
                parent.addvalue(column, row)
        for column, value in plan.put[key]:
            setattr(row, column, _thaw(value))


def _anchor(name: str) -> str:
    """The row that carries the revision; of the switches of BGPVPNs there is none."""
    if name == vpns.SWITCHES:
        return ""
    return bgpvpn_port(_uuid(name)) if vpns.is_one(name) else circuit(_uuid(name))


def _is_newer(row: Any) -> bool:
    return written_by(row.external_ids) > WRITES


def _referred(row: Any) -> frozenset[str]:
    """The BGPVPNs that an AC row refers to, as far as it can be read."""
    try:
        return frozenset() if row is None else read_attachment(row.external_ids).bgpvpns
    except BadIntent:
        return frozenset()


def _vpn_of(table: Table, row: Any) -> str | None:
    """The name of the BGPVPN whose row this is, or says it is."""
    if table is Table.SWITCH_PORT and (row.name.startswith(VPN_PORT) or row.external_ids.get(KIND_KEY) == KIND_VPN):
        return vpns.name_of(row.name.removeprefix(VPN_PORT))
    return None


def _uuid(attachment: str) -> str:
    return attachment.split(":", 1)[1]


def _revision(row: Any) -> int:
    """0 for what no revision of ours can be."""
    text = row.external_ids.get(REVISION_KEY, "") if row is not None else ""
    return int(text) if _REVISION.fullmatch(text) else 0


def _find(api: Any, table: Table, name: str) -> Any:
    return api.lookup(table, name, default=None) if name else None


def _rows_of(api: Any, attachment: str) -> Iterator[tuple[Key, Any]]:
    """The attachment's rows with their keys; a second row for a key gets a key of its own, and goes."""
    if attachment == vpns.SWITCHES:
        yield from _holders(api)
        return
    kind, uuid = attachment.split(":", 1)
    if vpns.is_one(attachment):
        port = _find(api, Table.SWITCH_PORT, bgpvpn_port(uuid))
        if port is not None:
            yield Key(Table.SWITCH_PORT, _holder(api, port, vpns.switch(uuid)), port.name), port
        return
    switch = _find(api, Table.SWITCH, transit(uuid))
    if switch is not None:
        yield Key(Table.SWITCH, "", switch.name), switch
        yield from ((Key(Table.SWITCH_PORT, switch.name, port.name), port) for port in switch.ports)
    router = _find(api, Table.ROUTER, switch_of(uuid) if kind == "router" else own_router(uuid))
    if router is not None:
        if kind == "network":
            yield Key(Table.ROUTER, "", router.name), router
        yield from _rows_on(router, attachment, uuid)
    gateway = _find(api, Table.SWITCH_PORT, gateway_port(uuid))
    if gateway is not None:
        yield Key(Table.SWITCH_PORT, switch_of(uuid), gateway.name), gateway


def _rows_on(router: Any, attachment: str, uuid: str) -> Iterator[tuple[Key, Any]]:
    """What is ours on a logical router, Neutron's or our own."""
    own, port = f'"{router_port(uuid)}"', router_port(uuid)
    for row in router.ports:
        if row.external_ids.get(ATTACHMENT_KEY) == attachment or row.name == port:
            yield Key(Table.ROUTER_PORT, router.name, row.name), row
    seen: set[Key] = set()
    for row in router.policies:
        if row.external_ids.get(ATTACHMENT_KEY) == attachment or own in row.match:
            key = Key(Table.POLICY, router.name, policy_name(row.priority, row.match))
            yield _once(key, row, seen), row
    for row in router.static_routes:
        if row.external_ids.get(ATTACHMENT_KEY) == attachment or port in row.output_port:
            yield _once(Key(Table.ROUTE, router.name, row.ip_prefix), row, seen), row


def _holder(api: Any, port: Any, expected: str) -> str:
    """The switch that the port hangs on; somebody may have moved it."""
    first = _find(api, Table.SWITCH, expected)
    every = (
        (first, *api.tables[Table.SWITCH].rows.values())
        if first is not None
        else api.tables[Table.SWITCH].rows.values()
    )
    return next((str(switch.name) for switch in every if port in switch.ports), "")


def _holders(api: Any) -> Iterator[tuple[Key, Any]]:
    """The switches of BGPVPNs; of two with one name the one with more in it stays."""
    names, seen = set(vpns.switches()), set[Key]()
    rows = [row for row in api.tables[Table.SWITCH].rows.values() if row.name in names]
    for row in sorted(rows, key=lambda row: len(row.ports), reverse=True):
        yield _once(Key(Table.SWITCH, "", row.name), row, seen), row


def _once(key: Key, row: Any, seen: set[Key]) -> Key:
    key = key._replace(name=f"{key.name} ({row.uuid})") if key in seen else key
    seen.add(key)
    return key
