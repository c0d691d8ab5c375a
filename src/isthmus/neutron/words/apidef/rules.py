"""Validators and converters of the API's attributes.

Rules: a validator returns None or a sentence that names the rule; a converter never raises anything but
`InvalidInput`, and leaves what it does not understand to the validator. Whatever a client sends ends here: a value
that passes can be stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neutron_lib import exceptions
from neutron_lib.api import validators
from oslo_utils import uuidutils

from isthmus.model.intent import FamilyName
from isthmus.model.net import VNI_MAX, IpAddress, Prefix
from isthmus.model.vpn import BEACON_TARGET, RouteDistinguisher, RouteTarget
from isthmus.neutron.words.apidef.words import AUTO, BGPVPN_ROUTE, PREFIX_ROUTE

TARGETS_MAX = 64
"""Per list: what an UPDATE can carry beside the other attributes, and far from a row's 16 KB (intent.ROW_BYTES_MAX)."""
ROUTES_MAX = 128
"""Routes of one port association."""
LOCAL_PREF_MAX = 2**32 - 1
"""RFC 4271, section 4.3."""

_ROUTE_KEYS = {PREFIX_ROUTE: {"type", "prefix", "local_pref"}, BGPVPN_ROUTE: {"type", "bgpvpn_id", "local_pref"}}


def to_list(value: Any) -> list[Any]:
    """Null and {} are an empty list, a bare value a list of one, as the API has always had it."""
    if value is None or value == {}:
        return []
    return value if isinstance(value, list) else [value]


def list_rule(parse: Callable[[str], object]) -> Callable[..., str | None]:
    """Of a list of texts that `parse` takes (it raises ValueError with the rule), none of them twice."""

    def rule(value: Any, valid_values: Any = None) -> str | None:
        if not isinstance(value, list):
            return f"'{value}' is not a list"
        if len(value) > TARGETS_MAX:
            return f"{len(value)} values; at most {TARGETS_MAX} are possible"
        for text in value:
            if not isinstance(text, str):
                return f"'{text}' is not a string"
            try:
                parse(text)
            except ValueError as error:
                return str(error)
        if len(set(value)) != len(value):
            return f"{', '.join(sorted({t for t in value if value.count(t) > 1}))} is given twice"
        return None

    return rule


def _to_number(attribute: str, value: Any, low: int, high: int) -> int | None:
    """A number, its decimal text, or null; anything else is refused here, because `int()` takes too much."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(high)):
        return int(value)
    raise exceptions.InvalidInput(error_message=f"{attribute}: '{value}' is not a number within {low} to {high}")


def to_vni(value: Any) -> int | str | None:
    return AUTO if value == AUTO else _to_number("vni", value, 1, VNI_MAX)


def vni_rule(value: Any, valid_values: Any = None) -> str | None:
    if value is None or value == AUTO or 1 <= value <= VNI_MAX:
        return None
    return f"{value} is not within 1 to {VNI_MAX}, nor '{AUTO}'"


def _target(text: str) -> None:
    if RouteTarget.parse(text) == BEACON_TARGET:
        raise ValueError(f"'{text}' is the target of the hypervisors' own beacons, and of no BGPVPN")


def _target_or_auto(text: str) -> None:
    if text != AUTO:
        _target(text)


def to_local_pref(value: Any) -> int | None:
    return _to_number("local_pref", value, 0, LOCAL_PREF_MAX)


def local_pref_rule(value: Any, valid_values: Any = None) -> str | None:
    if value is None or 0 <= value <= LOCAL_PREF_MAX:
        return None
    return f"{value} is not within 0 to {LOCAL_PREF_MAX}"


def to_families(value: Any) -> Any:
    """In the order in which we have them, whatever the client's."""
    if isinstance(value, str):
        value = [value]
    named = FamilyName.named(value)
    return value if named is None else [name.value for name in named]


def families_rule(value: Any, valid_values: Any = None) -> str | None:
    if value is None or FamilyName.named(value) is not None:
        return None
    return f"{value} is not a list of at least one of {', '.join(FamilyName)}, each once, nor null for all of them"


def text_rule(value: Any, length_max: Any = None) -> str | None:
    """Text that the database can hold: Neutron's schema is utf8mb3, where a character has at most three bytes."""
    if not isinstance(value, str):
        return f"'{value}' is not a string"
    if length_max is not None and len(value) > length_max:
        return f"it has {len(value)} characters, at most {length_max} are possible"
    if any(ord(c) > 0xFFFF or 0xD800 <= ord(c) <= 0xDFFF for c in value):
        return "only characters of Unicode's basic plane (up to U+FFFF) can be stored"
    return None


def masked(prefix: str) -> Prefix:
    """The prefix that a text with or without host bits names, as the API has always taken both. Raises ValueError."""
    address, slash, length = prefix.partition("/")
    if not slash or not length.isascii() or not length.isdigit() or len(length) > 3:
        raise ValueError(f"'{prefix}' is not an address and a length (10.0.0.0/8)")
    return Prefix.of(IpAddress.parse(address), int(length))


def to_routes(value: Any) -> Any:
    """Null and {} are no routes; a local preference may be text or null (which is what GET answers)."""
    if value is None or value == {}:
        return []
    if not isinstance(value, list):
        return value
    return [_to_route(route) for route in value]


def _to_route(route: Any) -> Any:
    if not isinstance(route, dict):
        return route
    found = {**route, "local_pref": to_local_pref(route.get("local_pref"))}
    if isinstance(found.get("bgpvpn_id"), str):
        found["bgpvpn_id"] = found["bgpvpn_id"].lower()  # as every id is stored: in capitals it is the same BGPVPN
    return found


def routes_rule(value: Any, valid_values: Any = None) -> str | None:
    if not isinstance(value, list):
        return f"'{value}' is not a list"
    if len(value) > ROUTES_MAX:
        return f"{len(value)} routes; at most {ROUTES_MAX} are possible"
    seen = set()
    for route in value:
        broken = _route_rule(route)
        if broken:
            return broken
        what = masked(route["prefix"]) if "prefix" in route else route["bgpvpn_id"]
        if what in seen:
            return f"{what} is given twice"
        seen.add(what)
    return None


def _route_rule(route: Any) -> str | None:
    if not isinstance(route, dict):
        return f"'{route}' is not an object"
    kind = route.get("type")
    keys = _ROUTE_KEYS.get(kind) if isinstance(kind, str) else None
    if keys is None:
        return f"type '{kind}' of a route is not one of {PREFIX_ROUTE}, {BGPVPN_ROUTE}"
    unknown = sorted(str(k) for k in set(route) - keys)
    if unknown:
        return f"{', '.join(unknown)} has no place in a route of type {kind}"
    broken = local_pref_rule(route["local_pref"])
    if broken:
        return f"local_pref {broken}"
    return _prefix_rule(route.get("prefix")) if kind == PREFIX_ROUTE else _uuid_rule(route.get("bgpvpn_id"))


def _prefix_rule(prefix: Any) -> str | None:
    try:
        masked(prefix if isinstance(prefix, str) else "")
    except ValueError as error:
        return f"prefix: {error}"
    return None


def _uuid_rule(uuid: Any) -> str | None:
    return None if isinstance(uuid, str) and uuidutils.is_uuid_like(uuid) else f"bgpvpn_id '{uuid}' is not a UUID"


for _name, _rule in {
    "type:isthmus_route_targets": list_rule(_target),
    "type:isthmus_route_targets_or_auto": list_rule(_target_or_auto),
    "type:isthmus_route_distinguishers": list_rule(RouteDistinguisher.parse),
    "type:isthmus_vni": vni_rule,
    "type:isthmus_local_pref": local_pref_rule,
    "type:isthmus_routes": routes_rule,
    "type:isthmus_families": families_rule,
    "type:isthmus_text": text_rule,
}.items():
    if _name not in validators.validators:
        validators.add_validator(_name.removeprefix("type:"), _rule)
