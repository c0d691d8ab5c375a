"""Which rows of `Port_Binding` are asked for: the monitor's condition, clause by clause. Pure.

A row is sent if it meets one clause. What concerns nobody here meets none, and never reaches this hypervisor.
"""

from __future__ import annotations

import json
from typing import Any

from isthmus.model.intent import ATTACHMENT_KEY, FORM_1_KEY, bgpvpn_port, network_key
from isthmus.shell.bindings import NEUTRON

Clause = list[Any]


def mark(clause: Clause) -> str:
    """A clause as text, so that sets of them can be compared."""
    return json.dumps(clause)


def _includes(key: str, value: str) -> Clause:
    return ["external_ids", "includes", ["map", [[key, value]]]]


FORM_1 = _includes(*FORM_1_KEY)
"""Attachment circuits of form 1, all of the cloud: nothing in them says whom they concern."""


def of_network(network: str) -> Clause:
    """Attachment circuits behind which this network is, from form 2 on."""
    return _includes(*network_key(network))


def of_bgpvpn(bgpvpn: str) -> Clause:
    """The row of this BGPVPN."""
    return named(bgpvpn_port(bgpvpn))


def bound_to(chassis: str) -> Clause:
    """Ports bound to the chassis with this uuid."""
    return ["chassis", "==", ["uuid", chassis]]


def arriving_at(chassis: str) -> Clause:
    """Ports that are bound elsewhere, and on their way to this chassis (live migration)."""
    return ["additional_chassis", "includes", ["uuid", chassis]]


def named(port: str) -> Clause:
    """One port, wherever it is."""
    return ["logical_port", "==", port]


def router_ports_of(attachment: str) -> Clause:
    """An attachment's router ports: they have Neutron's name of the router, or our own mark."""
    kind, _, place = attachment.partition(":")
    return (
        _includes("neutron:router_name", NEUTRON + place) if kind == "router" else _includes(ATTACHMENT_KEY, attachment)
    )
