"""Our bridge and our ports in the local Open vSwitch database, kept as wished by one difference at a time.

Every look compares what should be with what is and commits at most one transaction; the next look sees the rest. So a
restart of ovsdb-server, a foreign hand or a failed transaction needs no case of its own.

Rules:
- the bridge comes first: `fail_mode=secure` (standalone would bridge all tenants, and does so at every restart of the
  switch), and no port of ours is added before ovs-vswitchd has confirmed it (`cur_cfg`);
- a port is ours by its external_ids, never by its name; what is not ours is never changed;
- ports are joined and taken by mutation, never by writing a bridge's whole set: others write it too;
- a port keeps the number that it got (`ofport_request`), so that flows cannot meet another tenant's port after a
  restart of the switch;
- before the first `set_circuits` no circuit is removed: an agent that starts knows nothing yet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ovs.db.idl import Transaction

from isthmus.fib.entries import CircuitName
from isthmus.model.delta import Plan, diff
from isthmus.model.net import IpAddress
from isthmus.node.facts import SwitchRead
from isthmus.shell import kernel
from isthmus.shell.config import LocalSwitch
from isthmus.shell.idl import Idl, IdlThread, Row, connection_state, in_sync, make_idl

log = logging.getLogger(__name__)

TUNNEL, GRE = "isthmus-vxlan", "isthmus-gre"
LABELS_AS = "legacy_l3"
CIRCUIT_KEY, TUNNEL_KEY = "isthmus:circuit", "isthmus:tunnel"
INTEGRATION_SUFFIX = "-int"
"""A pair's port on br-vpn is called as the circuit, the one on br-int as that and this."""

RETRY_S_MIN, RETRY_S_MAX = 0.5, 30.0

_TEXTS = {"key": "string", "value": "string", "min": 0, "max": "unlimited"}
_OPTIONAL_INTEGER = {"key": "integer", "min": 0, "max": 1}


def _references(table: str) -> dict[str, Any]:
    return {"type": {"key": {"type": "uuid", "refTable": table}, "min": 0, "max": "unlimited"}}


SCHEMA: dict[str, Any] = {
    "name": "Open_vSwitch",
    "version": "8.0.0",
    "tables": {
        "Open_vSwitch": {
            "columns": {
                "bridges": _references("Bridge"),
                "external_ids": {"type": _TEXTS},
                "next_cfg": {"type": "integer"},
                "cur_cfg": {"type": "integer"},
            },
            "isRoot": True,
        },
        "Bridge": {
            "columns": {
                "name": {"type": "string"},
                "ports": _references("Port"),
                "fail_mode": {"type": {"key": "string", "min": 0, "max": 1}},
                "protocols": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "datapath_type": {"type": "string"},
                "other_config": {"type": _TEXTS},
            }
        },
        "Port": {
            "columns": {
                "name": {"type": "string"},
                "interfaces": _references("Interface"),
                "external_ids": {"type": _TEXTS},
            }
        },
        "Interface": {
            "columns": {
                "name": {"type": "string"},
                "type": {"type": "string"},
                "options": {"type": _TEXTS},
                "external_ids": {"type": _TEXTS},
                "ofport": {"type": _OPTIONAL_INTEGER},
                "ofport_request": {"type": _OPTIONAL_INTEGER},
                "error": {"type": {"key": "string", "min": 0, "max": 1}},
            }
        },
    },
}
"""What we use of vswitch.ovsschema; all of it is older than any release that is still maintained."""

BRIDGE = {"fail_mode": ["secure"], "protocols": ["OpenFlow13", "OpenFlow15"]}
IN_BAND_KEY = "disable-in-band"
"""Else the switch adds hidden flows of its own towards whatever it takes for a controller."""


@dataclass(frozen=True, slots=True)
class SystemId:
    """The name of this chassis, as `external_ids:system-id` has it."""

    name: str


@dataclass(frozen=True, slots=True)
class BridgeReady:
    """Our bridge is as it must be and the switch has taken notice; its flows may just have been wiped."""

    datapath_type: str


@dataclass(frozen=True, slots=True)
class MachinePorts:
    """The numbers of OVN's ports on the integration bridge, by the logical port behind each."""

    ofports: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Plugged:
    """The logical ports (`iface-id`) whose interfaces are in the switch; None while the database does not answer."""

    ports: frozenset[str] | None


Heard = SwitchRead | SystemId | BridgeReady | MachinePorts | Plugged


@dataclass(frozen=True, slots=True)
class PortWish:
    """A port of ours, wanted or found; equal means nothing to do."""

    bridge: str
    kind: str
    options: tuple[tuple[str, str], ...]
    tag: tuple[str, str]
    iface_id: str = ""
    """OVN's logical port behind it."""


def wanted_ports(
    circuits: frozenset[CircuitName], vtep: IpAddress, at: LocalSwitch, *, labels: bool = False
) -> dict[str, PortWish]:
    """By port name: the tunnels, `labels` with one for them, and a pair of patch ports for each circuit."""
    ends = {"local_ip": str(vtep), "remote_ip": "flow"}
    tunnels = {TUNNEL: ("vxlan", ends | {"key": "flow"})}
    if labels:  # in any other mode a frame with a label goes out as Ethernet in GRE
        tunnels[GRE] = ("gre", ends | {"packet_type": LABELS_AS})
    ports = {
        name: PortWish(at.bridge, kind, tuple(sorted(options.items())), (TUNNEL_KEY, kind))
        for name, (kind, options) in tunnels.items()
    }
    for name in circuits:
        here, there, tag = str(name), name + INTEGRATION_SUFFIX, (CIRCUIT_KEY, str(name))
        ports[here] = PortWish(at.bridge, "patch", (("peer", there),), tag)
        ports[there] = PortWish(at.integration_bridge, "patch", (("peer", here),), tag, iface_id=name)
    return ports


class _SwitchLooker:
    """What the thread knows of one connection."""

    def __init__(self, at: LocalSwitch, vtep: IpAddress, hear: Callable[[Heard], None], *, labels: bool) -> None:
        self._at, self._vtep, self._hear, self._labels = at, vtep, hear, labels
        self.circuits: frozenset[CircuitName] | None = None
        self._said: dict[str, Any] = {}
        self._forget()

    def _forget(self) -> None:
        self._transaction: Any = None
        self._bridge_fix = False
        self._needed_cfg = 0
        self._retry_at = 0.0
        self._pause_s = RETRY_S_MIN

    def open(self) -> Any:
        self._forget()
        return make_idl(Idl, self._at.endpoint, SCHEMA)

    def look(self, idl: Any, now: float) -> float | None:
        if self._transaction is not None and not self._finish(now):
            return None
        self._say("its", connection_state(idl))
        if not in_sync(idl) or not idl.tables["Open_vSwitch"].rows:
            self._tell("plugged", Plugged(None))
            return None
        root = next(iter(idl.tables["Open_vSwitch"].rows.values()))
        self._tell("system-id", SystemId(root.external_ids.get("system-id", "")))
        self._tell("plugged", Plugged(_plugged(idl)))
        if now < self._retry_at:
            return self._retry_at
        bridges = {b.name: b for b in root.bridges}
        if not self._bridge_is_right(idl, root, bridges):
            return None
        self._ports(idl, root, bridges)
        return now + kernel.LOOK_S if self._labels else None

    # The bridge.

    def _bridge_is_right(self, idl: Any, root: Row, bridges: Mapping[str, Row]) -> bool:
        """Whether ports may be added; if not, what is wrong has been set about."""
        integration, bridge = bridges.get(self._at.integration_bridge), bridges.get(self._at.bridge)
        if integration is None:
            self._say("bridge", f"waits for {self._at.integration_bridge}, which OVN makes")
            return False
        kind = self._at.datapath_type or integration.datapath_type
        if (integration.datapath_type or "system") != (kind or "system"):
            theirs = integration.datapath_type or "system"
            self._say("datapath type", f"is {kind}, {self._at.integration_bridge} has {theirs}: nothing can pass")
        if bridge is None or not _is_right(bridge, kind):
            self._said.pop("bridge-ready", None)
            self._begin(idl, root, lambda txn: self._fix_bridge(txn, idl, root, bridge, kind), fixes_bridge=True)
            return False
        if root.cur_cfg < self._needed_cfg:
            self._say("bridge", "waits for ovs-vswitchd")
            return False
        self._say("bridge", "is there")
        self._tell("bridge-ready", BridgeReady(kind or "system"))
        return True

    def _fix_bridge(self, txn: Any, idl: Any, root: Row, bridge: Row | None, kind: str) -> None:
        if bridge is None:
            bridge = txn.insert(idl.tables["Bridge"])
            bridge.name = self._at.bridge
            bridge.ports = [_insert_port(txn, idl, self._at.bridge, "internal")]
            root.addvalue("bridges", bridge)
            bridge.other_config = {IN_BAND_KEY: "true"}
        elif bridge.other_config.get(IN_BAND_KEY) != "true":
            bridge.setkey("other_config", IN_BAND_KEY, "true")
        for column, value in BRIDGE.items():
            setattr(bridge, column, value)
        bridge.datapath_type = kind
        txn.add_comment(f"isthmus: {self._at.bridge}, fail_mode=secure")

    # The ports.

    def _ports(self, idl: Any, root: Row, bridges: Mapping[str, Row]) -> None:
        found = {port.name: (bridge, port) for bridge in bridges.values() for port in bridge.ports if _tag(port)}
        actual = {name: wish for name, (bridge, port) in found.items() if (wish := _as_wish(bridge, port))}
        standing = frozenset(CircuitName(w.tag[1]) for w in actual.values() if w.tag[0] == CIRCUIT_KEY)
        names = standing if self.circuits is None else self.circuits
        wanted = wanted_ports(names, self._vtep, self._at, labels=self._labels)
        taken = {i.name for i in idl.tables["Interface"].rows.values()} - set(found)
        for name in sorted(taken & set(wanted)):
            self._say(f"port {name}", "cannot be made: a port of that name is somebody else's")
        can_label = self._can_label(bridges)
        plan = diff({name: wish for name, wish in wanted.items() if name not in taken}, actual)
        unpinned = [i for _, port in found.values() for i in port.interfaces if _number(i) and not i.ofport_request]
        if plan or unpinned:
            self._begin(idl, root, lambda txn: self._change_ports(txn, idl, plan, found, bridges, unpinned))
        self._report(found, can_label)
        self._machines(bridges[self._at.integration_bridge])

    def _can_label(self, bridges: Mapping[str, Row]) -> bool:
        """Whether labels can leave by our port; what of others' stands in its way is said. The switch gives a packet to
        the port that names its sender, before one that is for anybody. Of the kernel there is more to mind."""
        if not self._labels:
            return False
        ours = bridges[self._at.bridge].datapath_type or "system"
        there = [(b, i) for b in bridges.values() for port in b.ports for i in port.interfaces if i.type == "gre"]
        for _, i in there:
            if (peer := i.options.get("remote_ip", "flow")) != "flow":
                self._say(f"port {i.name}", f"takes what comes by GRE from {peer}: no label from there arrives")
        if ours != "system":
            return True
        beside = [i for b, i in there if (b.datapath_type or "system") == ours]
        for about, fault in kernel.faults(i.name for i in beside if not _is_for_labels(i)).items():
            self._say(about, fault)
        return not kernel.carries_ethernet()

    def _machines(self, bridge: Row) -> None:
        behind = {i.external_ids.get("iface-id", ""): _number(i) for port in bridge.ports for i in port.interfaces}
        self._tell("machines", MachinePorts({name: number for name, number in behind.items() if name and number}))

    def _change_ports(
        self,
        txn: Any,
        idl: Any,
        plan: Plan[str, PortWish],
        found: Mapping[str, tuple[Row, Row]],
        bridges: Mapping[str, Row],
        unpinned: list[Row],
    ) -> None:
        gone = set(plan.delete) | (set(plan.put) & set(found))
        for name in gone:
            bridge, port = found[name]
            bridge.delvalue("ports", port)
        for interface in unpinned:
            if interface.name not in gone:
                interface.ofport_request = interface.ofport
        for name, wish in plan.put.items():
            port = _insert_port(txn, idl, name, wish.kind)
            port.external_ids = dict([wish.tag])
            interface = port.interfaces[0]
            interface.options = dict(wish.options)
            if wish.iface_id:
                interface.external_ids = {"iface-id": wish.iface_id}
            bridges[wish.bridge].addvalue("ports", port)
        txn.add_comment(f"isthmus: {len(plan.put)} ports made, {len(gone)} taken away")

    def _report(self, found: Mapping[str, tuple[Row, Row]], can_label: bool) -> None:
        """The numbers of our ports on our bridge. One for labels that cannot carry them is none."""
        circuits: dict[CircuitName, int] = {}
        tunnels: dict[str, int] = {}
        for name, (bridge, port) in found.items():
            interface = port.interfaces[0] if port.interfaces else None
            if interface is None or bridge.name != self._at.bridge:
                continue
            if interface.error:
                self._say(f"port {name}", f"has an error: {interface.error[0]}")
            elif f"port {name}" in self._said:
                self._say(f"port {name}", "is well again")
            if not (number := _number(interface)):
                continue
            if TUNNEL_KEY in port.external_ids:
                tunnels[port.external_ids[TUNNEL_KEY]] = number
            else:
                circuits[CircuitName(port.external_ids[CIRCUIT_KEY])] = number
        self._tell("ports", SwitchRead(circuits, tunnels.get("vxlan"), tunnels.get("gre") if can_label else None))

    # Transactions.

    def _begin(self, idl: Any, root: Row, write: Callable[[Any], None], *, fixes_bridge: bool = False) -> None:
        """Write, and have the switch say when it has done it."""
        txn = Transaction(idl)
        write(txn)
        root.increment("next_cfg")
        self._transaction, self._bridge_fix = txn, fixes_bridge
        txn.commit()

    def _finish(self, now: float) -> bool:
        """Whether the transaction under way has come to its end, good or bad."""
        txn = self._transaction
        status = txn.commit()
        if status == Transaction.INCOMPLETE:
            return False
        self._transaction = None
        if status == Transaction.SUCCESS:
            self._pause_s = RETRY_S_MIN
            if self._bridge_fix:
                self._needed_cfg = int(txn.get_increment_new_value())
            self._say("change", "")
        elif status != Transaction.UNCHANGED:
            self._say("change", f"failed: {txn.get_error()}")
            self._retry_at, self._pause_s = now + self._pause_s, min(self._pause_s * 2, RETRY_S_MAX)
        return True

    # Saying things once.

    def _say(self, about: str, state: str) -> None:
        if self._said.get(about, "") != state:
            self._said[about] = state
            if state:
                log.info("Open vSwitch: %s %s", self._at.bridge if about == "bridge" else about, state)

    def _tell(self, about: str, fact: Heard) -> None:
        if self._said.get(about) != fact:
            self._said[about] = fact
            self._hear(fact)


def _insert_port(txn: Any, idl: Any, name: str, kind: str) -> Row:
    interface = txn.insert(idl.tables["Interface"])
    interface.name, interface.type = name, kind
    port = txn.insert(idl.tables["Port"])
    port.name, port.interfaces = name, [interface]
    return port


def _is_right(bridge: Row, kind: str) -> bool:
    return (
        all(sorted(getattr(bridge, column)) == value for column, value in BRIDGE.items())
        and (bridge.datapath_type or "system") == (kind or "system")
        and bridge.other_config.get(IN_BAND_KEY) == "true"
    )


def _tag(port: Row) -> tuple[str, str] | None:
    """What makes a port ours."""
    return next(((k, port.external_ids[k]) for k in (CIRCUIT_KEY, TUNNEL_KEY) if k in port.external_ids), None)


def _as_wish(bridge: Row, port: Row) -> PortWish | None:
    """A port of ours as it stands. Of an interface's external_ids only iface-id is ours: OVN writes there too."""
    tag = _tag(port)
    if tag is None or len(port.interfaces) != 1:
        return None
    interface = port.interfaces[0]
    options = tuple(sorted(interface.options.items()))
    return PortWish(bridge.name, interface.type, options, tag, interface.external_ids.get("iface-id", ""))


def _plugged(idl: Any) -> frozenset[str]:
    """Not one whose device has gone, as a machine's that was switched off: its number is -1 then. No number at all
    says that the switch has not looked yet."""
    rows = idl.tables["Interface"].rows.values()
    return frozenset(i.external_ids["iface-id"] for i in rows if "iface-id" in i.external_ids and i.ofport != [-1])


def _is_for_labels(interface: Row) -> bool:
    return bool(interface.options.get("packet_type") == LABELS_AS)


def _number(interface: Row) -> int:
    """The OpenFlow port, 0 if it has none; the switch writes -1 for a port it could not make."""
    return max(0, interface.ofport[0]) if interface.ofport else 0


class SwitchDatabase:
    """The door for asyncio: wishes in, facts out. `hear` is called in the loop's thread. `labels`: whether a family is
    spoken whose routes have them."""

    def __init__(
        self, at: LocalSwitch, vtep: IpAddress, hear: Callable[[Heard], None], *, labels: bool = False
    ) -> None:
        self._looker = _SwitchLooker(at, vtep, lambda heard: self._thread.post(hear, heard), labels=labels)
        self._thread = IdlThread("ovsdb", self._looker)

    def set_circuits(self, names: frozenset[CircuitName]) -> None:
        """These are to be plugged, all others of ours unplugged."""
        self._looker.circuits = names
        self._thread.wake()

    async def run(self) -> None:
        await self._thread.run()
