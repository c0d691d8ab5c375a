"""The attribute maps of the API's resources, as data.

Names and shapes are networking-bgpvpn's; neutron-lib's own maps are not used, because they mark no attribute as a
filter or sort key, which breaks every look-up by name on a current Neutron.

Rule: only attributes that have a policy of their own say `enforce_policy`.
"""

from __future__ import annotations

from typing import Any

from neutron_lib.api import converters
from neutron_lib.db import constants as db

from isthmus.model.intent import Fallback
from isthmus.neutron.words.apidef import rules
from isthmus.neutron.words.apidef.words import L2, L3, OWNER, STATUS_ADMIN_ATTRIBUTES, STATUS_ATTRIBUTES

Attributes = dict[str, dict[str, Any]]

_LISTED = {"is_visible": True, "is_filter": True, "is_sort_key": True}
_GIVEN_ONCE = {"allow_post": True, "allow_put": False}
_CHANGEABLE = {"allow_post": True, "allow_put": True}
_DERIVED = {"allow_post": False, "allow_put": False, **_LISTED}


def _id() -> dict[str, Any]:
    return {**_DERIVED, "validate": {"type:uuid": None}, "primary_key": True}


def _project() -> dict[str, Any]:
    rule = {"type:isthmus_text": db.PROJECT_ID_FIELD_SIZE}
    return {**_GIVEN_ONCE, **_LISTED, "validate": rule, "required_by_policy": True}


def _targets(kind: str) -> dict[str, Any]:
    return {
        **_CHANGEABLE,
        **_LISTED,
        "default": [],
        "convert_to": rules.to_list,
        "validate": {f"type:isthmus_{kind}": None},
        "convert_list_to": list,
        "enforce_policy": True,
    }


def _flag() -> dict[str, Any]:
    return {**_CHANGEABLE, **_LISTED, "default": True, "convert_to": converters.convert_to_boolean}


STANDARD: Attributes = {
    "description": {
        **_CHANGEABLE,
        **_LISTED,
        "default": "",
        "validate": {"type:isthmus_text": db.DESCRIPTION_FIELD_SIZE},
    },
    "revision_number": dict(_DERIVED),
    "created_at": dict(_DERIVED),
    "updated_at": dict(_DERIVED),
    "changed_since": {"allow_post": False, "allow_put": False, "is_visible": False, "is_filter": True},
}
"""What Neutron keeps of every resource. Its own maps let none of it be sorted by, and do not check what text holds."""

BGPVPN_ATTRIBUTES: Attributes = {
    "id": _id(),
    "tenant_id": _project(),
    "name": {**_CHANGEABLE, **_LISTED, "default": "", "validate": {"type:isthmus_text": db.NAME_FIELD_SIZE}},
    "type": {**_GIVEN_ONCE, **_LISTED, "default": L3, "validate": {"type:values": [L3, L2]}},
    "route_targets": _targets("route_targets_or_auto"),
    "import_targets": _targets("route_targets"),
    "export_targets": _targets("route_targets"),
    "route_distinguishers": _targets("route_distinguishers"),
    "networks": dict(_DERIVED),
    "routers": dict(_DERIVED),
    **STANDARD,
}

VNI: dict[str, Any] = {
    **_GIVEN_ONCE,
    **_LISTED,
    "default": None,
    "convert_to": rules.to_vni,
    "validate": {"type:isthmus_vni": None},
    "enforce_policy": True,
}

LOCAL_PREF: dict[str, Any] = {
    **_CHANGEABLE,
    **_LISTED,
    "default": None,
    "convert_to": rules.to_local_pref,
    "validate": {"type:isthmus_local_pref": None},
    "enforce_policy": True,
}

FALLBACK: dict[str, Any] = {
    **_CHANGEABLE,
    **_LISTED,
    "default": None,
    "validate": {"type:values": [None, *(f.value for f in Fallback)]},
    "enforce_policy": True,
}
"""Null: as the cloud has it (`[isthmus] fallback`)."""

FAMILIES: dict[str, Any] = {
    **_CHANGEABLE,
    **_LISTED,
    "default": None,
    "convert_to": rules.to_families,
    "validate": {"type:isthmus_families": None},
    "convert_list_to": list,
    "enforce_policy": True,
}
"""Null: all that the hypervisors speak."""

PORTS: dict[str, Any] = dict(_DERIVED)

SHARED: dict[str, Any] = {**_DERIVED, "convert_to": converters.convert_to_boolean, "required_by_policy": True}
"""With the project that asks: who may see a BGPVPN depends on it."""

_OWNER: Attributes = {OWNER: {"allow_post": False, "allow_put": False, "is_visible": False, "required_by_policy": True}}


STATUS: Attributes = {
    name: {
        "allow_post": False,
        "allow_put": False,
        "is_visible": True,
        "enforce_policy": name in STATUS_ADMIN_ATTRIBUTES,
        "is_filter": name == "status",
    }
    for name in STATUS_ATTRIBUTES
}
"""No sort keys: they are no columns, they follow from what agents report; so a filter reads all that may have it."""


def _association(kind: str) -> Attributes:
    uuid = {**_GIVEN_ONCE, **_LISTED, "validate": {"type:uuid": None}}
    return {"id": _id(), "tenant_id": _project(), f"{kind}_id": uuid, **STANDARD, **STATUS, **_OWNER}


NETWORK_ASSOCIATION_ATTRIBUTES = _association("network")
ROUTER_ASSOCIATION_ATTRIBUTES = _association("router") | {"advertise_extra_routes": _flag()}
"""The stock client sends `advertise_extra_routes` with every POST (false unless told otherwise): it is kept as sent."""

PORT_ASSOCIATION_ATTRIBUTES = _association("port") | {
    "advertise_fixed_ips": _flag(),
    "routes": {
        **_CHANGEABLE,
        "is_visible": True,
        "default": [],
        "convert_to": rules.to_routes,
        "validate": {"type:isthmus_routes": None},
    },
}

ANY_ASSOCIATION_ATTRIBUTES: Attributes = {
    "id": _id(),
    "tenant_id": {**_DERIVED, "required_by_policy": True},
    "bgpvpn_id": dict(_DERIVED),
    "type": dict(_DERIVED),
    "resource_id": dict(_DERIVED),
    **STATUS,
    **_OWNER,
}
"""One line for each association, whatever its kind: `type` is network, router or port, `resource_id` its id."""
