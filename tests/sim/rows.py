"""What a node is told of its cloud, as plain words: rows and ports made of text and numbers.

The reference model reads these; the node reads the same through the text of OVN's rows, so the reading is part of what
is simulated. Rules: everything frozen; nothing of the core but the row format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from isthmus.model.intent import (
    AssociationIntent,
    AssociationKind,
    AttachmentIntent,
    BadIntent,
    Fallback,
    from_external_ids,
    read_attachment,
    to_external_ids,
)
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.port import LocalPort
from isthmus.model.vpn import RouteTarget, SiteOfOrigin


class Spelling(Enum):
    """How a row is written."""

    GOOD = "good"
    NEWER = "of a newer schema"
    NONSENSE = "nonsense"


@dataclass(frozen=True, slots=True)
class Association:
    """An association as one row has it."""

    uuid: str
    whole_router: bool
    vpn: str
    number: int
    vni: int
    imports: frozenset[str]
    exports: frozenset[str]
    networks: frozenset[str]
    local_pref: int | None
    shared: bool = False
    """The VPN is another project's."""


@dataclass(frozen=True, slots=True)
class Row:
    """One attachment circuit."""

    circuit: str
    attachment: str
    revision: int
    site: str
    networks: frozenset[str]
    subnets: frozenset[str]
    fallback: str
    associations: tuple[Association, ...]
    spelling: Spelling = Spelling.GOOD
    lanes: tuple[tuple[str, int], ...] = ()
    """By which lane the packets of each network come; empty: all by the circuit's own."""


@dataclass(frozen=True, slots=True)
class Port:
    """One virtual machine's port."""

    name: str
    mac: str
    addresses: tuple[str, ...]
    network: str
    revision: int
    up: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A cloud's database at one instant."""

    version: int
    rows: Mapping[str, Row]
    ports: Mapping[str, tuple[Port, ...]]
    """By host."""


@lru_cache(maxsize=4096)
def read(row: Row) -> AttachmentIntent | BadIntent:
    """Through the row's text and back, as an agent gets it."""
    ids = _written(row)
    if row.spelling is Spelling.NEWER:
        ids["isthmus:schema"] = "3"
    if row.spelling is Spelling.NONSENSE:
        del ids["isthmus:site"]
    try:
        found = replace(from_external_ids(ids), lanes=read_attachment(_written(row, form=2)).lanes)
    except BadIntent as error:
        return error
    shared = {a.uuid for a in row.associations if a.shared}  # form 1 has no word for it
    return replace(found, associations=tuple(replace(a, shared=a.association in shared) for a in found.associations))


def _written(row: Row, form: int = 1) -> dict[str, str]:
    lanes = dict(row.lanes)
    return to_external_ids(
        AttachmentIntent(
            attachment=row.attachment,
            revision=row.revision,
            site=SiteOfOrigin.parse(row.site),
            networks=tuple(sorted(row.networks)),
            subnets=tuple(sorted(Prefix.parse(s) for s in row.subnets)),
            associations=tuple(sorted(_association(a) for a in row.associations)),
            fallback=Fallback(row.fallback),
            lanes=tuple(lanes[n] for n in sorted(row.networks)) if lanes else (),
        ),
        form,
    )


def _association(a: Association) -> AssociationIntent:
    return AssociationIntent(
        association=a.uuid,
        kind=AssociationKind.ROUTER if a.whole_router else AssociationKind.NETWORK,
        bgpvpn=a.vpn,
        number=a.number,
        vni=a.vni,
        imports=tuple(sorted(RouteTarget.parse(t) for t in a.imports)),
        exports=tuple(sorted(RouteTarget.parse(t) for t in a.exports)),
        networks=tuple(sorted(a.networks)),
        local_pref=a.local_pref,
    )


@lru_cache(maxsize=4096)
def local_port(port: Port) -> LocalPort:
    addresses = tuple(sorted((IpAddress.parse(a) for a in port.addresses), key=lambda a: (len(a), a)))
    return LocalPort(port.name, Mac.parse(port.mac), addresses, port.network, port.revision, port.up)
