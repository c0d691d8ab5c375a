"""Rows into what they say, in either form; a BGPVPN that an AC row refers to is looked up in `resolving.py`.

Rules: keys without our prefix are somebody else's. Of ours, what this release does not know is passed over and counted,
so a newer writer may add what an older reader can do without; what it cannot do without raises `isthmus:schema`.
"""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.model.intent import checks
from isthmus.model.intent.keys import (
    ADDRESSES_KEY,
    ASSOCIATION_KEY,
    ATTACHMENT_KEY,
    BEYOND_KEY,
    BGPVPN_KEY,
    FAMILIES_KEY,
    KEY,
    KIND_KEY,
    LANES_KEY,
    NETWORK_KEY,
    NETWORK_VALUE,
    OWN_DEFAULTS_KEY,
    READS,
    REVISION_KEY,
    ROUTES_KEY,
    SCHEMA_KEY,
    WRITTEN_BY_KEY,
)
from isthmus.model.intent.resolving import ReadAttachment, Reference, resolve
from isthmus.model.intent.values import (
    NUMBER_MAX,
    NUMBER_MIN,
    AssociationIntent,
    AttachmentIntent,
    BadIntent,
    BgpvpnIntent,
    Fallback,
    UnknownSchema,
)
from isthmus.model.net import VNI_MAX

_FRAME = {KIND_KEY, SCHEMA_KEY, REVISION_KEY}
_AC = _FRAME | {ATTACHMENT_KEY, "isthmus:site", "isthmus:subnets", "isthmus:fallback"}
_AC_1 = _AC | {"isthmus:networks"}
_AC_2 = _AC | {
    *(WRITTEN_BY_KEY, LANES_KEY, ROUTES_KEY, OWN_DEFAULTS_KEY),
    *("isthmus:outside", BEYOND_KEY, ADDRESSES_KEY),
}
_VPN = _FRAME | {
    *(WRITTEN_BY_KEY, BGPVPN_KEY, FAMILIES_KEY),
    *("isthmus:vni", "isthmus:imports", "isthmus:exports", "isthmus:local-pref"),
}

_NAMED = "association and BGPVPN are named by their uuid"


def readable_from(row: Mapping[str, str]) -> int:
    """The oldest form that a reader must know. Raises BadIntent."""
    return checks.number(row, SCHEMA_KEY)


def written_by(row: Mapping[str, str]) -> int:
    """The form of who wrote the row: a writer leaves alone what is above its own. 0 if the row does not say: anybody
    may mend it."""
    try:
        return checks.number(row, WRITTEN_BY_KEY if WRITTEN_BY_KEY in row else SCHEMA_KEY)
    except BadIntent:
        return 0


def networks_named(row: Mapping[str, str]) -> frozenset[str]:
    """The networks that an AC row concerns, whatever its form, as far as it can be told."""
    named = {k.removeprefix(NETWORK_KEY) for k, v in row.items() if k.startswith(NETWORK_KEY) and v == NETWORK_VALUE}
    return frozenset(named.union(row.get("isthmus:networks", "").split()))


def from_external_ids(row: Mapping[str, str]) -> AttachmentIntent:
    """An AC row of form 1, which needs no other. Raises BadIntent, UnknownSchema."""
    return resolve(read_attachment(row), {})


def read_attachment(row: Mapping[str, str]) -> ReadAttachment:
    """An AC row of any form. Raises BadIntent, UnknownSchema."""
    form = _form(row)
    if form == 1:
        named, known = row.get("isthmus:networks", "").split(), _AC_1
    else:
        named, known = list(networks_named({k: v for k, v in row.items() if k.startswith(NETWORK_KEY)})), _AC_2
    networks = tuple(sorted(named))
    whole, references, ignored = list[AssociationIntent](), list[Reference](), 0
    for key, value in row.items():
        if key.startswith(ASSOCIATION_KEY) and form == 1:
            association, more = _association(key, value, networks)
            whole.append(association)
            ignored += more
        elif key.startswith(ASSOCIATION_KEY):
            reference, more = _reference(key, value)
            references.append(reference)
            ignored += more
        elif key.startswith(KEY) and key not in known and not (form > 1 and key.startswith(NETWORK_KEY)):
            ignored += 1
    fallback = checks.fallback(row.get("isthmus:fallback", Fallback.ALL.value))
    outside = checks.outside(row.get("isthmus:outside", "").split()) if form > 1 else ()
    beyond = checks.prefixes(BEYOND_KEY, row.get(BEYOND_KEY, "").split()) if form > 1 else ()
    return ReadAttachment(
        attachment=checks.attachment(checks.text(row, ATTACHMENT_KEY)),
        revision=checks.number(row, REVISION_KEY),
        site=checks.site(checks.text(row, "isthmus:site")),
        networks=networks,
        subnets=checks.subnets(row.get("isthmus:subnets", "").split()),
        fallback=Fallback.PUBLIC if outside else fallback,
        outside=outside or beyond,
        whole=tuple(sorted(whole, key=lambda a: a.association)),
        references=tuple(sorted(references, key=lambda r: r.association)),
        ignored=ignored,
        lanes=checks.lanes(row.get(LANES_KEY, "").split(), len(networks)) if form > 1 else (),
        routes=checks.prefixes(ROUTES_KEY, row.get(ROUTES_KEY, "").split()) if form > 1 else (),
        own_defaults=checks.versions(row.get(OWN_DEFAULTS_KEY, "").split()) if form > 1 else (),
        addresses=checks.addresses(ADDRESSES_KEY, row.get(ADDRESSES_KEY, "").split()) if form > 1 else (),
    )


def read_bgpvpn(row: Mapping[str, str]) -> BgpvpnIntent:
    """A BGPVPN's row. Raises BadIntent, UnknownSchema."""
    _form(row)
    preference = checks.number(row, "isthmus:local-pref") if "isthmus:local-pref" in row else None
    families = row[FAMILIES_KEY].split() if FAMILIES_KEY in row else None
    known = None if families is None else checks.families(families)
    return BgpvpnIntent(
        bgpvpn=checks.uuid(BGPVPN_KEY, checks.text(row, BGPVPN_KEY), "must be the uuid of a BGPVPN"),
        revision=checks.number(row, REVISION_KEY),
        vni=checks.within("isthmus:vni", "VNI", checks.number(row, "isthmus:vni"), 1, VNI_MAX),
        imports=checks.targets("isthmus:imports", row.get("isthmus:imports", "").split()),
        exports=checks.targets("isthmus:exports", row.get("isthmus:exports", "").split()),
        local_pref=None if preference is None else _preference("isthmus:local-pref", preference),
        families=known,
        ignored=sum(1 for key in row if key.startswith(KEY) and key not in _VPN)
        + len(set(families or ()) - set(known or ())),
    )


def _form(row: Mapping[str, str]) -> int:
    form = readable_from(row)
    if form > READS:
        raise UnknownSchema(SCHEMA_KEY, f"this agent reads rows up to schema {READS}, not '{form}'")
    if form < 1:
        raise BadIntent(SCHEMA_KEY, f"there is no schema {form}")
    return form


def _association(key: str, found: str, networks: tuple[str, ...]) -> tuple[AssociationIntent, int]:
    """All there is to know of it, and how many members are not known."""
    value = checks.object_(key, found, "kbnvie", "wp")
    kind = checks.kind(key, value["k"])
    association = AssociationIntent(
        association=checks.uuid(key, key.removeprefix(ASSOCIATION_KEY), _NAMED),
        kind=kind,
        bgpvpn=checks.uuid(key, value["b"], _NAMED),
        number=_number(key, value["n"]),
        vni=checks.within(key, "VNI", value["v"], 1, VNI_MAX),
        imports=checks.targets(key, checks.texts(key, value["i"])),
        exports=checks.targets(key, checks.texts(key, value["e"])),
        networks=tuple(sorted(checks.texts(key, value["w"]))) if "w" in value else networks,
        local_pref=None if value.get("p") is None else _preference(key, value["p"]),
    )
    return association, len(set(value) - set("kbnviewp"))


def _reference(key: str, found: str) -> tuple[Reference, int]:
    """What the AC row itself says of it, and how many members are not known."""
    value = checks.object_(key, found, "kb", "wns")
    kind = checks.kind(key, value["k"])
    reference = Reference(
        association=checks.uuid(key, key.removeprefix(ASSOCIATION_KEY), _NAMED),
        kind=kind,
        bgpvpn=checks.uuid(key, value["b"], _NAMED),
        networks=tuple(sorted(checks.texts(key, value["w"]))) if "w" in value else None,
        number=_number(key, value["n"]) if "n" in value else None,
        shared=checks.within(key, "s", value.get("s", 0), 0, 1) == 1,
    )
    return reference, len(set(value) - set("kbwns"))


def _number(key: str, value: object) -> int:
    return checks.within(key, "number", value, NUMBER_MIN, NUMBER_MAX)


def _preference(key: str, value: object) -> int:
    return checks.within(key, "local preference", value, 0, checks.LOCAL_PREF_MAX)
