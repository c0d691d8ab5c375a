"""Intent into rows, in either form.

Rules: deterministic; keys are short and lists sorted, so a change is a small delta on every node's wire. More than a
row may carry is refused here; who is left out then, the writer decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from isthmus.model.intent.keys import (
    ADDRESSES_KEY,
    ASSOCIATION_KEY,
    ATTACHMENT_KEY,
    BEYOND_KEY,
    BGPVPN_KEY,
    FAMILIES_KEY,
    KIND_AC,
    KIND_KEY,
    KIND_VPN,
    LANES_KEY,
    OWN_DEFAULTS_KEY,
    REVISION_KEY,
    ROUTES_KEY,
    ROW_BYTES_MAX,
    SCHEMA_KEY,
    WRITTEN_BY_KEY,
    network_key,
)
from isthmus.model.intent.values import AssociationIntent, AttachmentIntent, BadIntent, BgpvpnIntent, Fallback

_REVISION_LENGTH = 19


def to_external_ids(intent: AttachmentIntent, form: int = 1) -> dict[str, str]:
    """The keys of an AC row. Raises BadIntent when they would exceed ROW_BYTES_MAX, or the form cannot say it."""
    row = _frame(intent, form)
    row |= {
        ASSOCIATION_KEY + a.association: _association_text(a, intent.networks, form)
        for a in sorted(intent.associations, key=lambda a: a.association)
    }
    size = _size(row)
    if form > 1 and intent.addresses:
        own = {ADDRESSES_KEY: " ".join(map(str, sorted(intent.addresses)))}
        # Whatever the revision: equal content makes equal rows.
        if size + _size(own) + _REVISION_LENGTH - len(row[REVISION_KEY]) <= ROW_BYTES_MAX:
            row |= own
    if size > ROW_BYTES_MAX:
        raise BadIntent("isthmus:a", f"one attachment's associations take {size} bytes; at most {ROW_BYTES_MAX} fit")
    return row


def bgpvpn_external_ids(vpn: BgpvpnIntent) -> dict[str, str]:
    """The keys of a BGPVPN's row, which form 2 has. Raises BadIntent when they would exceed ROW_BYTES_MAX."""
    row = {
        KIND_KEY: KIND_VPN,
        SCHEMA_KEY: "2",
        WRITTEN_BY_KEY: "2",
        REVISION_KEY: str(vpn.revision),
        BGPVPN_KEY: vpn.bgpvpn,
        "isthmus:vni": str(vpn.vni),
        "isthmus:imports": " ".join(sorted(str(t) for t in vpn.imports)),
        "isthmus:exports": " ".join(sorted(str(t) for t in vpn.exports)),
    }
    if vpn.local_pref is not None:
        row["isthmus:local-pref"] = str(vpn.local_pref)
    if vpn.families is not None:
        row[FAMILIES_KEY] = " ".join(sorted(vpn.families))
    size = _size(row)
    if size > ROW_BYTES_MAX:
        raise BadIntent("isthmus:imports", f"one BGPVPN's targets take {size} bytes; at most {ROW_BYTES_MAX} fit")
    return row


def _frame(intent: AttachmentIntent, form: int) -> dict[str, str]:
    """The row without its associations."""
    assert form in (1, 2), f"there is no form {form}"
    row = {
        KIND_KEY: KIND_AC,
        SCHEMA_KEY: str(form),
        REVISION_KEY: str(intent.revision),
        "isthmus:site": str(intent.site),
        ATTACHMENT_KEY: intent.attachment,
        "isthmus:networks": " ".join(sorted(intent.networks)),
        "isthmus:subnets": " ".join(str(p) for p in sorted(intent.subnets)),
        "isthmus:fallback": intent.fallback.value,
    }
    if intent.outside:
        if form == 1:
            raise BadIntent("isthmus:outside", "only form 2 can say it")
        is_public = intent.fallback is Fallback.PUBLIC
        row["isthmus:outside" if is_public else BEYOND_KEY] = " ".join(map(str, sorted(intent.outside)))
        row["isthmus:fallback"] = Fallback.ALL.value if is_public else intent.fallback.value
    if form > 1:
        del row["isthmus:networks"]
        row[WRITTEN_BY_KEY] = str(form)
        row |= dict(network_key(network) for network in sorted(intent.networks))
        if intent.lanes:
            row[LANES_KEY] = " ".join(str(intent.lane(network)) for network in sorted(intent.networks))
        if intent.routes:
            row[ROUTES_KEY] = " ".join(str(p) for p in sorted(intent.routes))
        if intent.own_defaults:
            row[OWN_DEFAULTS_KEY] = " ".join(str(v) for v in sorted(intent.own_defaults))
    return row


def _association_text(a: AssociationIntent, networks: tuple[str, ...], form: int) -> str:
    """`networks` are the attachment's: an association that covers all of them need not list them."""
    value: dict[str, Any] = {"k": a.kind.value, "b": a.bgpvpn}
    if a.number is not None:
        value["n"] = a.number
    if form == 1:
        if a.number is None:
            raise BadIntent(ASSOCIATION_KEY + a.association, "form 1 cannot be without a number")
        value |= {"v": a.vni, "i": sorted(str(t) for t in a.imports), "e": sorted(str(t) for t in a.exports)}
    if set(a.networks) != set(networks):
        value["w"] = sorted(a.networks)
    if form > 1 and a.shared:
        value["s"] = 1
    if form == 1 and a.local_pref is not None:
        value["p"] = a.local_pref
    return json.dumps(value, separators=(",", ":"))


def _size(row: Mapping[str, str]) -> int:
    return sum(len(key) + len(value) for key, value in row.items())
