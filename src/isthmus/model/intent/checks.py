"""Single values out of text and JSON, each with the key and the rule it breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from isthmus.model.intent.keys import ATTACHMENT_KEY, LANES_KEY, OWN_DEFAULTS_KEY
from isthmus.model.intent.values import LANE_MAX, LANE_MIN, AssociationKind, BadIntent, Fallback, FamilyName
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import RouteTarget, SiteOfOrigin

LOCAL_PREF_MAX = 2**32 - 1

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ATTACHMENT = re.compile(rf"(router|network):{_UUID.pattern}")


def text(row: Mapping[str, str], key: str) -> str:
    if not row.get(key):
        raise BadIntent(key, "missing")
    return row[key]


def number(row: Mapping[str, str], key: str) -> int:
    found = text(row, key)
    if not found.isascii() or not found.isdigit() or len(found) > 19:
        raise BadIntent(key, f"'{found}' is not a number")
    return int(found)


def within(key: str, what: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadIntent(key, f"{what} {value!r} is not within {low} to {high}")
    return value


def uuid(key: str, value: object, rule: str) -> str:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise BadIntent(key, rule)
    return value


def attachment(found: object) -> str:
    if not isinstance(found, str) or not _ATTACHMENT.fullmatch(found):
        raise BadIntent(ATTACHMENT_KEY, "must be router:<uuid> or network:<uuid>")
    return found


def site(found: str) -> SiteOfOrigin:
    try:
        return SiteOfOrigin.parse(found)
    except ValueError as error:
        raise BadIntent("isthmus:site", str(error)) from None


def subnets(found: Iterable[str]) -> tuple[Prefix, ...]:
    return prefixes("isthmus:subnets", found)


def outside(found: Iterable[str]) -> tuple[Prefix, ...]:
    return prefixes("isthmus:outside", found)


def prefixes(key: str, found: Iterable[str]) -> tuple[Prefix, ...]:
    try:
        return tuple(sorted(Prefix.parse(one) for one in found))
    except ValueError as error:
        raise BadIntent(key, str(error)) from None


def addresses(key: str, found: Iterable[str]) -> tuple[IpAddress, ...]:
    try:
        return tuple(sorted(IpAddress.parse(one) for one in found))
    except ValueError as error:
        raise BadIntent(key, str(error)) from None


def lanes(found: Iterable[str], networks: int) -> tuple[int, ...]:
    """Those of so many networks, or none."""
    numbers = [number({LANES_KEY: one}, LANES_KEY) for one in found]
    if numbers and (len(numbers) != networks or len(set(numbers)) != networks):
        raise BadIntent(LANES_KEY, f"there must be one for each of {networks} networks, and no two alike")
    return tuple(within(LANES_KEY, "lane", one, LANE_MIN, LANE_MAX) for one in numbers)


def versions(found: Collection[str]) -> tuple[int, ...]:
    """Of IP."""
    known = {"4": 4, "6": 6}
    if strange := [one for one in found if one not in known]:
        raise BadIntent(OWN_DEFAULTS_KEY, f"'{strange[0]}' is not one of 4, 6")
    return tuple(sorted({known[one] for one in found}))


def fallback(found: object) -> Fallback:
    if found not in list(Fallback):
        raise BadIntent("isthmus:fallback", f"'{found}' is not one of all, public, none")
    return Fallback(str(found))


def families(found: Collection[str]) -> tuple[FamilyName, ...]:
    """Those of them that this release knows: a newer writer may name others."""
    return tuple(name for name in FamilyName if name in found)


def kind(key: str, found: object) -> AssociationKind:
    if found not in list(AssociationKind):
        raise BadIntent(key, f"kind {found!r} is not one of network, router, port")
    return AssociationKind(str(found))


def targets(key: str, found: Iterable[str]) -> tuple[RouteTarget, ...]:
    try:
        return tuple(sorted(RouteTarget.parse(one) for one in found))
    except ValueError as error:
        raise BadIntent(key, str(error)) from None


def texts(key: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise BadIntent(key, "expected a list of strings")
    return value


def object_(key: str, found: str, members: str, optional: str) -> dict[str, Any]:
    """A JSON object that has these members, and perhaps those; whatever else is in it is the caller's to count."""
    try:
        value = json.loads(found)
    except (ValueError, RecursionError):
        raise BadIntent(key, "not JSON") from None
    if not isinstance(value, dict) or not set(members) <= set(value):
        raise BadIntent(key, f"must be an object with {', '.join(members)} and perhaps {', '.join(optional)}")
    return value
