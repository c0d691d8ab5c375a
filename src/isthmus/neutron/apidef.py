"""The BGPVPN API as data: attribute maps, validators, converters.

Paths, names and shapes are networking-bgpvpn's (alias `bgpvpn`, `bgpvpn-vni`); neutron-lib's own maps are not used,
because they mark no attribute as a filter or sort key, which breaks every look-up by name on a current Neutron.

Rules: a validator returns None or a sentence that names the rule; a converter never raises anything but
`InvalidInput`. Only attributes that have a policy of their own say `enforce_policy`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from neutron_lib import exceptions
from neutron_lib.api import converters, validators
from neutron_lib.api.definitions import bgpvpn as upstream
from neutron_lib.api.definitions import bgpvpn_vni as upstream_vni
from neutron_lib.api.definitions import l3
from neutron_lib.db import constants as db

from isthmus.model.net import VNI_MAX
from isthmus.model.vpn import RouteDistinguisher, RouteTarget

ALIAS, VNI_ALIAS = upstream.ALIAS, upstream_vni.ALIAS
PATH_PREFIX = upstream.API_PREFIX
BGPVPN, BGPVPNS = upstream.RESOURCE_NAME, upstream.COLLECTION_NAME
NETWORK_ASSOCIATION, NETWORK_ASSOCIATIONS = upstream.NETWORK_ASSOCIATION, upstream.NETWORK_ASSOCIATIONS
ROUTER_ASSOCIATION, ROUTER_ASSOCIATIONS = upstream.ROUTER_ASSOCIATION, upstream.ROUTER_ASSOCIATIONS
L2, L3 = upstream.BGPVPN_L2, upstream.BGPVPN_L3

TARGET_LISTS = {
    "route_targets": RouteTarget,
    "import_targets": RouteTarget,
    "export_targets": RouteTarget,
    "route_distinguishers": RouteDistinguisher,
}

ADMIN_ATTRIBUTES = (*TARGET_LISTS, "vni")
"""Only an administrator reads them by default."""

TARGETS_MAX = 64
"""Per list: what an UPDATE can carry beside the other attributes, and far from a row's 16 KB (intent.ROW_BYTES_MAX)."""


def to_list(value: Any) -> list[Any]:
    """Null and {} are an empty list, a bare value a list of one, as the API has always had it."""
    if value is None or value == {}:
        return []
    return value if isinstance(value, list) else [value]


def _list_rule(parse: Callable[[str], object]) -> Callable[..., str | None]:
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


def to_vni(value: Any) -> int | None:
    """A number, its decimal text, or null; anything else is refused here, because `int()` takes too much."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(VNI_MAX)):
        return int(value)
    raise exceptions.InvalidInput(error_message=f"vni: '{value}' is not a number within 1 to {VNI_MAX}")


def vni_rule(value: Any, valid_values: Any = None) -> str | None:
    if value is None or 1 <= value <= VNI_MAX:
        return None
    return f"{value} is not within 1 to {VNI_MAX}"


def text_rule(value: Any, length_max: Any = None) -> str | None:
    """Text that the database can hold: Neutron's schema is utf8mb3, where a character has at most three bytes."""
    if not isinstance(value, str):
        return f"'{value}' is not a string"
    if length_max is not None and len(value) > length_max:
        return f"it has {len(value)} characters, at most {length_max} are possible"
    if any(ord(c) > 0xFFFF or 0xD800 <= ord(c) <= 0xDFFF for c in value):
        return "only characters of Unicode's basic plane (up to U+FFFF) can be stored"
    return None


for _name, _rule in {
    "type:isthmus_route_targets": _list_rule(RouteTarget.parse),
    "type:isthmus_route_distinguishers": _list_rule(RouteDistinguisher.parse),
    "type:isthmus_vni": vni_rule,
    "type:isthmus_text": text_rule,
}.items():
    if _name not in validators.validators:
        validators.add_validator(_name.removeprefix("type:"), _rule)


def _id() -> dict[str, Any]:
    return {
        "allow_post": False,
        "allow_put": False,
        "validate": {"type:uuid": None},
        "is_visible": True,
        "is_filter": True,
        "is_sort_key": True,
        "primary_key": True,
    }


def _project() -> dict[str, Any]:
    return {
        "allow_post": True,
        "allow_put": False,
        "validate": {"type:isthmus_text": db.PROJECT_ID_FIELD_SIZE},
        "required_by_policy": True,
        "is_visible": True,
        "is_filter": True,
        "is_sort_key": True,
    }


def _targets(kind: str) -> dict[str, Any]:
    return {
        "allow_post": True,
        "allow_put": True,
        "default": [],
        "convert_to": to_list,
        "validate": {f"type:isthmus_{kind}": None},
        "is_visible": True,
        "is_filter": True,
        "convert_list_to": list,
        "enforce_policy": True,
    }


def _derived() -> dict[str, Any]:
    return {"allow_post": False, "allow_put": False, "is_visible": True, "is_filter": True}


BGPVPN_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "id": _id(),
    "tenant_id": _project(),
    "name": {
        "allow_post": True,
        "allow_put": True,
        "default": "",
        "validate": {"type:isthmus_text": db.NAME_FIELD_SIZE},
        "is_visible": True,
        "is_filter": True,
        "is_sort_key": True,
    },
    "type": {
        "allow_post": True,
        "allow_put": False,
        "default": L3,
        "validate": {"type:values": [L3, L2]},
        "is_visible": True,
        "is_filter": True,
        "is_sort_key": True,
    },
    "route_targets": _targets("route_targets"),
    "import_targets": _targets("route_targets"),
    "export_targets": _targets("route_targets"),
    "route_distinguishers": _targets("route_distinguishers"),
    "networks": _derived(),
    "routers": _derived(),
}

VNI_ATTRIBUTE: dict[str, Any] = {
    "allow_post": True,
    "allow_put": False,
    "default": None,
    "convert_to": to_vni,
    "validate": {"type:isthmus_vni": None},
    "is_visible": True,
    "is_filter": True,
    "is_sort_key": True,
    "enforce_policy": True,
}


def _association(resource_id: str) -> dict[str, dict[str, Any]]:
    return {
        "id": _id(),
        "tenant_id": _project(),
        resource_id: {
            "allow_post": True,
            "allow_put": False,
            "validate": {"type:uuid": None},
            "is_visible": True,
            "is_filter": True,
            "is_sort_key": True,
        },
    }


ADVERTISE_EXTRA_ROUTES: dict[str, Any] = {
    "allow_post": True,
    "allow_put": True,
    "default": True,
    "convert_to": converters.convert_to_boolean,
    "validate": {"type:boolean": None},
    "is_visible": True,
    "is_filter": True,
    "is_sort_key": True,
}
"""Of a router association. The stock client sends it with every POST (false unless told otherwise), so it is taken and
kept; extra routes are not announced by any agent yet."""

_PARENT = {"collection_name": BGPVPNS, "member_name": BGPVPN}


DEFINITION = SimpleNamespace(
    ALIAS=upstream.ALIAS,
    NAME=upstream.NAME,
    DESCRIPTION=upstream.DESCRIPTION,
    UPDATED_TIMESTAMP=upstream.UPDATED_TIMESTAMP,
    RESOURCE_ATTRIBUTE_MAP={BGPVPNS: BGPVPN_ATTRIBUTES},
    SUB_RESOURCE_ATTRIBUTE_MAP={
        NETWORK_ASSOCIATIONS: {"parent": _PARENT, "parameters": _association("network_id")},
        ROUTER_ASSOCIATIONS: {
            "parent": _PARENT,
            "parameters": _association("router_id") | {"advertise_extra_routes": ADVERTISE_EXTRA_ROUTES},
        },
    },
    REQUIRED_EXTENSIONS=[l3.ALIAS],
    OPTIONAL_EXTENSIONS=[],
)
"""Neutron's extension descriptor reads an API definition as the attributes of one object."""

VNI_DEFINITION = SimpleNamespace(
    ALIAS=upstream_vni.ALIAS,
    NAME=upstream_vni.NAME,
    DESCRIPTION=upstream_vni.DESCRIPTION,
    UPDATED_TIMESTAMP=upstream_vni.UPDATED_TIMESTAMP,
    RESOURCE_ATTRIBUTE_MAP={BGPVPNS: {"vni": VNI_ATTRIBUTE}},
    SUB_RESOURCE_ATTRIBUTE_MAP={},
    REQUIRED_EXTENSIONS=[upstream.ALIAS],
    OPTIONAL_EXTENSIONS=[],
)
