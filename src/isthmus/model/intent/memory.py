"""An attachment's intent as a node keeps it from run to run, should the next one find a row that it cannot read.

Rules: lossless, whatever form the row had; JSON values, so that it goes into the node's memory as it is. Reading raises
`BadIntent` or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.model.intent import checks
from isthmus.model.intent.values import NUMBER_MAX, NUMBER_MIN, AssociationIntent, AttachmentIntent, BadIntent
from isthmus.model.net import VNI_MAX

_KEY = "memory"
_REVISION_MAX = 2**64


def to_memory(intent: AttachmentIntent) -> dict[str, Any]:
    """As JSON values."""
    return {
        "attachment": intent.attachment,
        "revision": intent.revision,
        "site": str(intent.site),
        "networks": list(intent.networks),
        "subnets": [str(p) for p in intent.subnets],
        "fallback": intent.fallback.value,
        "outside": [str(p) for p in intent.outside],
        "associations": [_association_value(a) for a in intent.associations],
        "unresolved": [list(pair) for pair in intent.unresolved],
        "unread": list(intent.unread),
        "ignored": intent.ignored,
        "lanes": [str(lane) for lane in intent.lanes],
        "routes": [str(p) for p in intent.routes],
        "own_defaults": [str(version) for version in intent.own_defaults],
        "addresses": [str(address) for address in intent.addresses],
    }


def _association_value(a: AssociationIntent) -> dict[str, Any]:
    return {
        "a": a.association,
        "k": a.kind.value,
        "b": a.bgpvpn,
        "n": a.number,
        "v": a.vni,
        "i": [str(t) for t in a.imports],
        "e": [str(t) for t in a.exports],
        "w": list(a.networks),
        "p": a.local_pref,
        "s": a.shared,
        "f": None if a.families is None else list(a.families),
    }


def from_memory(value: object) -> AttachmentIntent:
    """What `to_memory` gave. Raises BadIntent."""
    found = _Members(value)
    unresolved = (checks.texts(_KEY, pair) for pair in found.list("unresolved"))
    networks = tuple(checks.texts(_KEY, found["networks"]))
    return AttachmentIntent(
        attachment=checks.attachment(found["attachment"]),
        revision=checks.within(_KEY, "revision", found["revision"], 0, _REVISION_MAX),
        site=checks.site(found.text("site")),
        networks=networks,
        subnets=checks.subnets(checks.texts(_KEY, found["subnets"])),
        fallback=checks.fallback(found["fallback"]),
        outside=checks.outside(checks.texts(_KEY, found.get("outside", []))),
        associations=tuple(_association(_Members(one)) for one in found.list("associations")),
        unresolved=tuple((pair[0], pair[1]) for pair in unresolved if len(pair) == 2),
        unread=tuple(checks.texts(_KEY, found["unread"])),
        ignored=checks.within(_KEY, "ignored", found["ignored"], 0, _REVISION_MAX),
        lanes=checks.lanes(checks.texts(_KEY, found.get("lanes", [])), len(networks)),
        routes=checks.subnets(checks.texts(_KEY, found.get("routes", []))),
        own_defaults=checks.versions(checks.texts(_KEY, found.get("own_defaults", []))),
        addresses=checks.addresses(_KEY, checks.texts(_KEY, found.get("addresses", []))),
    )


def _association(found: _Members) -> AssociationIntent:
    number, preference, families = found["n"], found["p"], found.get("f", None)
    return AssociationIntent(
        association=checks.uuid(_KEY, found["a"], "an association is named by its uuid"),
        kind=checks.kind(_KEY, found["k"]),
        bgpvpn=checks.uuid(_KEY, found["b"], "a BGPVPN is named by its uuid"),
        number=None if number is None else checks.within(_KEY, "number", number, NUMBER_MIN, NUMBER_MAX),
        vni=checks.within(_KEY, "VNI", found["v"], 1, VNI_MAX),
        imports=checks.targets(_KEY, checks.texts(_KEY, found["i"])),
        exports=checks.targets(_KEY, checks.texts(_KEY, found["e"])),
        networks=tuple(checks.texts(_KEY, found["w"])),
        local_pref=None
        if preference is None
        else checks.within(_KEY, "local preference", preference, 0, checks.LOCAL_PREF_MAX),
        shared=found.flag("s"),
        families=None if families is None else checks.families(checks.texts(_KEY, families)),
    )


class _Members:
    """Of a JSON object; one that is missing is a BadIntent."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, Mapping):
            raise BadIntent(_KEY, "expected an object")
        self._value = value

    def __getitem__(self, name: str) -> Any:
        if name not in self._value:
            raise BadIntent(_KEY, f"{name} is missing")
        return self._value[name]

    def get(self, name: str, default: object) -> Any:
        """What an earlier release did not remember."""
        return self._value.get(name, default)

    def text(self, name: str) -> str:
        (found,) = checks.texts(_KEY, [self[name]])
        return found

    def flag(self, name: str) -> bool:
        """False where an older release has written none."""
        return self._value.get(name, False) is True

    def list(self, name: str) -> list[Any]:
        found = self[name]
        if not isinstance(found, list):
            raise BadIntent(_KEY, f"{name} is not a list")
        return found
