"""The rows of `Port_Binding` that we hold, each read once, and found by what they are. Pure.

Rule: an object stands for a row's content, so what did not change is the same object at the next look.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import VPN_PORT, BadIntent, BgpvpnIntent, ReadAttachment, networks_named
from isthmus.model.port import Gateway, LocalPort
from isthmus.shell.bindings import (
    Nonsense,
    Row,
    Where,
    read_circuit,
    read_gateway,
    read_port,
    read_vpn,
    where,
)

ANYWHERE = ""
"""In place of networks, if a row does not say which: then it is everybody's concern."""


class CircuitRow(NamedTuple):
    """An attachment circuit's row."""

    networks: frozenset[str]
    read: ReadAttachment | BadIntent


class Rows:
    """All of them; `Any` is the library's uuid of a row."""

    def __init__(self) -> None:
        self.circuits: dict[CircuitName, CircuitRow] = {}
        self.vpns: dict[str, BgpvpnIntent | BadIntent] = {}
        """By the BGPVPN's uuid."""
        self.ports: dict[str, LocalPort | Nonsense] = {}
        self.gateways: dict[str, Gateway] = {}
        """By name."""
        self._places: dict[str, Row] = {}
        """Rows of ports that may be bound."""
        self._names: dict[Any, str] = {}
        self._behind: dict[str, set[CircuitName]] = {}
        """Circuits by network."""

    def change(self, changed: Mapping[Any, Row | None]) -> None:
        """Rows that came or changed; None: they went. (One name may go with one uuid and come with another.)"""
        for uuid in changed:
            if (name := self._names.pop(uuid, None)) is not None:
                self._drop(name)
        for uuid, row in changed.items():
            if row is not None:
                self._names[uuid] = row.logical_port
                self._add(row)

    def behind(self, networks: Collection[str]) -> set[CircuitName]:
        """The circuits that concern one of these networks, and those that do not say whom they concern."""
        return set[CircuitName]().union(*(self._behind.get(network, ()) for network in (*networks, ANYWHERE)))

    def places(self, own: str) -> dict[str, Where]:
        """Where each row says its port is, seen from the chassis with this uuid."""
        return {name: where(row, own) for name, row in self._places.items()}

    def _add(self, row: Row) -> None:
        name = row.logical_port
        if row.is_circuit:
            circuit = CircuitName(name)
            self.circuits[circuit] = CircuitRow(networks_named(row.external_ids), read_circuit(row))
            for network in self.circuits[circuit].networks or {ANYWHERE}:
                self._behind.setdefault(network, set()).add(circuit)
            return
        if row.is_vpn:
            self.vpns[name.removeprefix(VPN_PORT)] = read_vpn(row)
            return
        self._places[name] = row
        if (port := read_port(row)) is not None:
            self.ports[name] = port
        elif (gateway := read_gateway(row)) is not None:
            self.gateways[name] = gateway

    def _drop(self, name: str) -> None:
        if (gone := self.circuits.pop(CircuitName(name), None)) is not None:
            for network in gone.networks or {ANYWHERE}:
                self._behind[network].discard(CircuitName(name))
                if not self._behind[network]:
                    del self._behind[network]
        self.vpns.pop(name.removeprefix(VPN_PORT), None)
        for table in (self._places, self.ports, self.gateways):
            table.pop(name, None)
