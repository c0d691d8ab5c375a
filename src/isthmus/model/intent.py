"""What a cloud asks of one node, and how it rides in OVN rows.

The Neutron side writes an *attachment circuit* (AC) row: the localport through which one attachment (a logical router,
or a network without one) meets br-vpn. northd copies the row's `external_ids` to every node. This file is the only
place that knows the keys:

    isthmus:kind          "ac", on every AC row: the constant pair a monitor condition finds
    isthmus:schema        "1"; a node that does not know the number keeps its last state and says so
    isthmus:revision      decimal, raised with every change; reported back as "applied"
    isthmus:site          site of origin, "<admin>:<number>"
    isthmus:attachment    "router:<uuid>" or "network:<uuid>"
    isthmus:networks      Neutron's network names behind it ("neutron-<uuid>"), blank separated; VM rows have them
    isthmus:subnets       their prefixes, blank separated: the router serves these itself
    isthmus:fallback      what happens to a packet that the VPN does not know: "all", "public" or "none"
    isthmus:a:<uuid>      one key per association, JSON: see `_association_text`

Rules: writing is deterministic (equal intent, equal text). Reading raises `BadIntent` with the key and the rule, never
anything else; unknown keys with our prefix are refused, because a key nobody reads is a promise nobody keeps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from isthmus.model.net import VNI_MAX, IpAddress, Mac, Prefix
from isthmus.model.vpn import RouteTarget, SiteOfOrigin

SCHEMA = 1
KEY = "isthmus:"
KIND_KEY, KIND_AC = "isthmus:kind", "ac"
ATTACHMENT_KEY = "isthmus:attachment"
"""On every row of ours: whose it is."""
KIND_GATEWAY = "gw"
"""The kind of our router port on a network without a router; nodes read its addresses only."""
ASSOCIATION_KEY = "isthmus:a:"

NUMBER_MIN, NUMBER_MAX = 16, 65535
"""Numbers of (attachment, BGPVPN): MPLS labels 0 to 15 are reserved (RFC 3032), a type 1 RD has 16 bits."""

ROW_BYTES_MAX = 16 * 1024
"""Most that one row may carry of ours: OVSDB clients written in Python parse long values in quadratic time."""

# The attachment circuit's addresses, the same behind every router: each transit switch is a world of its own.
CIRCUIT_MAC = Mac.parse("02:00:5e:00:00:02")
ROUTER_MAC = Mac.parse("02:00:5e:00:00:01")
CIRCUIT_IPV4, ROUTER_IPV4 = IpAddress.parse("169.254.128.2"), IpAddress.parse("169.254.128.1")
CIRCUIT_IPV6, ROUTER_IPV6 = IpAddress.parse("fd00:56:50:4e::2"), IpAddress.parse("fd00:56:50:4e::1")
CIRCUIT_IPV4_LENGTH, CIRCUIT_IPV6_LENGTH = 30, 126

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ATTACHMENT = re.compile(rf"(router|network):{_UUID.pattern}")


class BadIntent(ValueError):
    """A row of ours that cannot be understood: which key, and which rule it breaks."""

    def __init__(self, key: str, rule: str) -> None:
        super().__init__(f"{key}: {rule}")
        self.key, self.rule = key, rule


class UnknownSchema(BadIntent):
    """Written by a newer Isthmus: keep the last state, report, wait for the upgrade."""


class AssociationKind(StrEnum):
    """The API object that binds something to a BGPVPN."""

    NETWORK = "network"
    ROUTER = "router"
    PORT = "port"


class Fallback(StrEnum):
    """Where a packet goes that the VPN does not know."""

    ALL = "all"
    """Back to the router, whatever the destination."""
    PUBLIC = "public"
    """Back to the router, but private destinations (RFC 1918, ULA) are dropped."""
    NONE = "none"
    """Dropped."""


@dataclass(frozen=True, slots=True, order=True)
class AssociationIntent:
    """One association of the attachment with a BGPVPN."""

    association: str
    kind: AssociationKind
    bgpvpn: str
    number: int
    """Unique per (attachment, BGPVPN) in the cloud: RD = router-id:number, MPLS label = number."""
    vni: int
    imports: tuple[RouteTarget, ...]
    exports: tuple[RouteTarget, ...]
    networks: tuple[str, ...]
    """The Neutron network names this association covers: for a router association all of the attachment's."""
    local_pref: int | None = None


@dataclass(frozen=True, slots=True)
class AttachmentIntent:
    """A logical router (or a network without one) as the VPNs see it."""

    attachment: str
    revision: int
    site: SiteOfOrigin
    networks: tuple[str, ...]
    subnets: tuple[Prefix, ...]
    associations: tuple[AssociationIntent, ...]
    fallback: Fallback = Fallback.ALL


def _association_text(a: AssociationIntent, networks: tuple[str, ...]) -> str:
    """Short keys, sorted lists: a change of one target is a small delta on every node's wire. `networks` are the
    attachment's: an association that covers all of them need not list them."""
    value: dict[str, Any] = {
        "k": a.kind.value,
        "b": a.bgpvpn,
        "n": a.number,
        "v": a.vni,
        "i": sorted(str(t) for t in a.imports),
        "e": sorted(str(t) for t in a.exports),
    }
    if set(a.networks) != set(networks):
        value["w"] = sorted(a.networks)
    if a.local_pref is not None:
        value["p"] = a.local_pref
    return json.dumps(value, separators=(",", ":"))


def to_external_ids(intent: AttachmentIntent) -> dict[str, str]:
    """The keys of an AC row. Raises BadIntent when they would exceed ROW_BYTES_MAX."""
    row = {
        KIND_KEY: KIND_AC,
        "isthmus:schema": str(SCHEMA),
        "isthmus:revision": str(intent.revision),
        "isthmus:site": str(intent.site),
        ATTACHMENT_KEY: intent.attachment,
        "isthmus:networks": " ".join(sorted(intent.networks)),
        "isthmus:subnets": " ".join(str(p) for p in sorted(intent.subnets)),
        "isthmus:fallback": intent.fallback.value,
    }
    row |= {ASSOCIATION_KEY + a.association: _association_text(a, intent.networks) for a in sorted(intent.associations)}
    size = sum(len(k) + len(v) for k, v in row.items())
    if size > ROW_BYTES_MAX:
        raise BadIntent("isthmus:a", f"one attachment's associations take {size} bytes; at most {ROW_BYTES_MAX} fit")
    return row


_FIELDS = ("schema", "revision", "site", "attachment", "networks", "subnets", "fallback")
_KEYS = {KIND_KEY} | {KEY + name for name in _FIELDS}


def from_external_ids(row: Mapping[str, str]) -> AttachmentIntent:
    """Read an AC row; keys without our prefix are somebody else's. Raises BadIntent, UnknownSchema."""
    if _number(row, "isthmus:schema") != SCHEMA:
        raise UnknownSchema("isthmus:schema", f"this agent reads schema {SCHEMA}, not {row.get('isthmus:schema')!r}")
    for key in row:
        if key.startswith(KEY) and key not in _KEYS and not key.startswith(ASSOCIATION_KEY):
            raise BadIntent(key, "unknown key")
    attachment = _text(row, ATTACHMENT_KEY)
    if not _ATTACHMENT.fullmatch(attachment):
        raise BadIntent(ATTACHMENT_KEY, "must be router:<uuid> or network:<uuid>")
    networks = tuple(sorted(row.get("isthmus:networks", "").split()))
    return AttachmentIntent(
        attachment=attachment,
        revision=_number(row, "isthmus:revision"),
        site=_site(row),
        networks=networks,
        subnets=_subnets(row),
        associations=tuple(
            sorted(_association(key, value, networks) for key, value in row.items() if key.startswith(ASSOCIATION_KEY))
        ),
        fallback=_fallback(row),
    )


def _text(row: Mapping[str, str], key: str) -> str:
    if not row.get(key):
        raise BadIntent(key, "missing")
    return row[key]


def _number(row: Mapping[str, str], key: str) -> int:
    text = _text(row, key)
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise BadIntent(key, f"'{text}' is not a number")
    return int(text)


def _site(row: Mapping[str, str]) -> SiteOfOrigin:
    try:
        return SiteOfOrigin.parse(_text(row, "isthmus:site"))
    except BadIntent:
        raise
    except ValueError as error:
        raise BadIntent("isthmus:site", str(error)) from None


def _subnets(row: Mapping[str, str]) -> tuple[Prefix, ...]:
    try:
        return tuple(sorted(Prefix.parse(text) for text in row.get("isthmus:subnets", "").split()))
    except ValueError as error:
        raise BadIntent("isthmus:subnets", str(error)) from None


def _fallback(row: Mapping[str, str]) -> Fallback:
    text = row.get("isthmus:fallback", Fallback.ALL.value)
    try:
        return Fallback(text)
    except ValueError:
        raise BadIntent("isthmus:fallback", f"'{text}' is not one of all, public, none") from None


def _association(key: str, text: str, networks: tuple[str, ...]) -> AssociationIntent:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadIntent(key, "not JSON") from None
    if not isinstance(value, dict) or not set("kbnvie") <= set(value) <= set("kbnviewp"):
        raise BadIntent(key, "must be an object with k, b, n, v, i, e and perhaps w, p")
    if value["k"] not in list(AssociationKind):
        raise BadIntent(key, f"kind {value['k']!r} is not one of network, router, port")
    name = key.removeprefix(ASSOCIATION_KEY)
    if not isinstance(value["b"], str) or not _UUID.fullmatch(value["b"]) or not _UUID.fullmatch(name):
        raise BadIntent(key, "association and BGPVPN are named by their uuid")
    return AssociationIntent(
        association=name,
        kind=AssociationKind(value["k"]),
        bgpvpn=value["b"],
        number=_within(key, "number", value["n"], NUMBER_MIN, NUMBER_MAX),
        vni=_within(key, "VNI", value["v"], 1, VNI_MAX),
        imports=_targets(key, value["i"]),
        exports=_targets(key, value["e"]),
        networks=tuple(sorted(_texts(key, value["w"]))) if "w" in value else networks,
        local_pref=None if value.get("p") is None else _within(key, "local preference", value["p"], 0, 2**32 - 1),
    )


def _within(key: str, what: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadIntent(key, f"{what} {value!r} is not within {low} to {high}")
    return value


def _texts(key: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise BadIntent(key, "expected a list of strings")
    return value


def _targets(key: str, value: object) -> tuple[RouteTarget, ...]:
    try:
        return tuple(sorted(RouteTarget.parse(text) for text in _texts(key, value)))
    except BadIntent:
        raise
    except ValueError as error:
        raise BadIntent(key, str(error)) from None
