"""What a switch does with a packet, worked out from the text of its flows and from nothing else.

Knows the small part of Open vSwitch's language that flows/render.py writes: exact and prefix matches, `set_field`,
`goto_table`, `output`, `IN_PORT`, `drop`. Flows are grouped by what they look at, as in Open vSwitch's own classifier,
so one lookup costs a few dictionary accesses.

Rules: a word it does not know is an error. So are two flows of one priority that both match: OpenFlow leaves open
which of them is meant.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from isthmus.flows.layout import ANSWER_MAC, PROBE_MAC, PROBE_TYPE
from isthmus.flows.types import FlowKey, Installed

CIRCUIT_MAC, ROUTER_MAC = "02:00:5e:00:00:02", "02:00:5e:00:00:01"
TABLES = 64


class Fate(NamedTuple):
    """What becomes of a packet; `where` is a circuit, a tunnel, or how the router gets it back."""

    what: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.where}".strip()


DROP = Fate("drop")
TO_AGENT = Fate("to the agent")
BACK = Fate("back to the router")
BACK_AS_CIRCUIT = Fate("back to the router", "from the circuit's address")


def deliver(circuit: str) -> Fate:
    return Fate("into circuit", circuit)


def tunnel(vtep: str, vni: int, router_mac: str) -> Fate:
    return Fate("tunnel", f"to {vtep} vni {vni} mac {router_mac}")


class Ambiguous(Exception):
    """Two flows of one priority match one packet."""


@lru_cache(maxsize=1 << 16)
def number(address: str) -> tuple[int, int]:
    """(version, value)."""
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


Signature = tuple[tuple[str, int], ...]
"""Fields, and how many low bits of each do not count."""

_ADDRESSES = {"nw_src": 32, "nw_dst": 32, "ipv6_src": 128, "ipv6_dst": 128, "tun_src": 32}
_NUMBERS = {"in_port", "metadata", "tun_id", "dl_type"}
_WORDS = {"dl_dst", "tun_dst"}


@lru_cache(maxsize=1 << 16)
def _match(text: str) -> tuple[Signature, tuple[int | str, ...]]:
    fields: list[tuple[str, int, int | str]] = []
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name in ("ip", "ipv6"):
            fields.append(("version", 0, 4 if name == "ip" else 6))
        elif name in _ADDRESSES:
            network = ipaddress.ip_network(value)
            low = _ADDRESSES[name] - network.prefixlen
            fields.append((name, low, int(network.network_address) >> low))
        elif name in _NUMBERS:
            fields.append((name, 0, int(value, 0)))
        elif name in _WORDS:
            fields.append((name, 0, value))
        else:
            raise ValueError(f"a match nobody here can read: {text}")
    fields.sort(key=lambda f: f[0])
    return tuple((f[0], f[1]) for f in fields), tuple(f[2] for f in fields)


@lru_cache(maxsize=1 << 16)
def _actions(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


Packet = dict[str, int | str]
Group = tuple[Signature, dict[tuple[int | str, ...], tuple[str, str]]]


class Forwarder:
    """The flows of one switch, compiled."""

    def __init__(self, flows: Mapping[FlowKey, Installed], circuits: Mapping[str, int], tunnel_port: int) -> None:
        self._circuits = {port: name for name, port in circuits.items()}
        self._tunnel = tunnel_port
        tables: dict[int, dict[int, dict[Signature, dict[tuple[int | str, ...], tuple[str, str]]]]] = {}
        for key, flow in flows.items():
            signature, values = _match(key.match)
            groups = tables.setdefault(key.table, {}).setdefault(key.priority, {})
            groups.setdefault(signature, {})[values] = (key.match, flow.actions)
        self._tables: dict[int, list[tuple[int, list[Group]]]] = {
            table: [(priority, list(by_priority[priority].items())) for priority in sorted(by_priority, reverse=True)]
            for table, by_priority in tables.items()
        }

    def from_circuit(self, port: int, source: str, destination: str, lane: int = 2) -> tuple[Fate, list[str]]:
        """A packet that the router sends by this port and lane; its fate and the flows on its way."""
        packet = _packet(port, source, destination)
        packet["dl_dst"] = f"02:00:5e:00:{lane >> 8:02x}:{lane & 255:02x}"
        return self._run(packet)

    def from_tunnel(
        self, vni: int, destination: str, router_mac: str, vtep: str = "172.30.2.1"
    ) -> tuple[Fate, list[str]]:
        """A packet that this endpoint sends."""
        source = "192.0.2.1" if ":" not in destination else "2001:db8:ffff::1"
        packet = _packet(self._tunnel, source, destination)
        packet |= {"tun_id": vni, "dl_dst": router_mac, "tun_src": number(vtep)[1]}
        return self._run(packet)

    def probe(self, vtep: str) -> tuple[Fate, list[str]]:
        """A probe that this endpoint sends."""
        return self._run(_frame(self._tunnel, vtep, str(PROBE_MAC)))

    def answer(self, vtep: str) -> tuple[Fate, list[str]]:
        """The answer of this endpoint to a probe of ours."""
        return self._run(_frame(self._tunnel, vtep, str(ANSWER_MAC)))

    def _run(self, packet: Packet) -> tuple[Fate, list[str]]:
        table, way = 0, list[str]()
        while True:
            found = self._lookup(table, packet)
            if found is None:
                return DROP, [*way, f"table {table}: no flow"]
            way.append(f"table {table}: {found[0] or '*'} -> {found[1]}")
            fate, onward = self._act(packet, found[1])
            if fate is not None:
                return fate, way
            if onward <= table:
                raise ValueError(f"a goto that does not go up: {way[-1]}")
            table = onward

    def _lookup(self, table: int, packet: Packet) -> tuple[str, str] | None:
        for _, groups in self._tables.get(table, ()):
            hits = []
            for signature, entries in groups:
                hit = entries.get(_values(packet, signature))
                if hit is not None:
                    hits.append(hit)
            if len(hits) > 1:
                raise Ambiguous(f"table {table}: both {hits[0]} and {hits[1]}")
            if hits:
                return hits[0]
        return None

    def _act(self, packet: Packet, text: str) -> tuple[Fate | None, int]:
        out: list[Fate] = []
        for action in _actions(text):
            verb, _, rest = action.partition(":")
            if action == "drop":
                return DROP, 0
            if verb == "set_field":
                _set(packet, rest)
            elif verb == "goto_table":
                if out:
                    raise ValueError(f"goes on after it has left: {text}")
                return None, int(rest)
            elif action == _REFLECT:
                packet["tun_dst"] = str(ipaddress.ip_address(packet["tun_src"]))
            elif verb == "CONTROLLER":
                out.append(TO_AGENT)
            elif action == "IN_PORT":
                out.append(self._leave(packet, int(packet["in_port"]), back=True))
            elif verb == "output":
                out.append(self._leave(packet, int(rest), back=False))
            else:
                raise ValueError(f"an action nobody here can read: {text}")
        if len(out) > 1:
            raise ValueError(f"leaves twice: {text}")
        return (out[0] if out else DROP), 0

    def _leave(self, packet: Packet, port: int, *, back: bool) -> Fate:
        if port == self._tunnel and (back or packet["in_port"] != port):
            return tunnel(str(packet["tun_dst"]), int(packet["tun_id"]), str(packet["dl_dst"]))
        if port not in self._circuits or (packet["dl_src"], packet["dl_dst"]) != (CIRCUIT_MAC, ROUTER_MAC):
            return DROP
        if back:
            return BACK_AS_CIRCUIT if packet.get("as circuit") else BACK
        # Open vSwitch does not send a packet out of the port it came in by, unless told IN_PORT.
        return DROP if port == packet["in_port"] else deliver(self._circuits[port])


def _packet(port: int, source: str, destination: str) -> Packet:
    version, to = number(destination)
    names = ("nw_src", "nw_dst") if version == 4 else ("ipv6_src", "ipv6_dst")
    return {
        "in_port": port,
        "version": version,
        names[0]: number(source)[1],
        names[1]: to,
        "dl_src": ROUTER_MAC,
        "dl_dst": CIRCUIT_MAC,
        "metadata": 0,
        "tun_id": 0,
        "tun_dst": "0.0.0.0",
        "dl_type": 0x800 if version == 4 else 0x86DD,
    }


def _frame(port: int, vtep: str, mac: str) -> Packet:
    return {
        "in_port": port,
        "dl_src": "00:00:00:00:00:00",
        "dl_dst": mac,
        "dl_type": PROBE_TYPE,
        "metadata": 0,
        "tun_id": 0,
        "tun_src": number(vtep)[1],
        "tun_dst": "0.0.0.0",
    }


def _values(packet: Packet, signature: Signature) -> tuple[int | str, ...]:
    return tuple([_value(packet, field, low) for field, low in signature])


def _value(packet: Packet, field: str, low: int) -> int | str:
    value = packet.get(field, -1)
    return value >> low if low and isinstance(value, int) else value


_REFLECT = "move:NXM_NX_TUN_IPV4_SRC[]->NXM_NX_TUN_IPV4_DST[]"
_FIELD = {"eth_src": "dl_src", "eth_dst": "dl_dst"}
_SET = re.compile(r"(.+)->(\w+)")


def _set(packet: Packet, text: str) -> None:
    found = _SET.fullmatch(text)
    if found is None:
        raise ValueError(f"a set_field nobody here can read: {text}")
    value, field = found[1], _FIELD.get(found[2], found[2])
    if field in ("metadata", "tun_id"):
        packet[field] = int(value, 0)
    elif field in ("ip_src", "ipv6_src"):
        packet["as circuit"] = int(value in ("169.254.128.2", "fd00:56:50:4e::2"))
    elif field in ("dl_src", "dl_dst", "tun_dst"):
        packet[field] = value
    else:
        raise ValueError(f"a set_field nobody here can read: {text}")


def vni_and_address(match: str) -> tuple[int, str]:
    """What an inbound flow (table 40) accepts."""
    signature, values = _match(match)
    said = dict(zip((name for name, _ in signature), values, strict=True))
    value = said.get("nw_dst", said.get("ipv6_dst"))
    assert isinstance(value, int), match
    address = ipaddress.IPv4Address(value) if said["version"] == 4 else ipaddress.IPv6Address(value)
    return int(said["tun_id"]), str(address)


def outputs(actions: str) -> Iterable[int]:
    """The ports these actions lead to."""
    return (int(a.partition(":")[2]) for a in _actions(actions) if a.startswith("output:"))
