"""API definitions, as Neutron's extension descriptors read them: the attributes of one object each.

Rule: an extension without attributes of upstream's own keeps its alias, name and date; what only we have says so.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from neutron_lib.api.definitions import bgpvpn as upstream
from neutron_lib.api.definitions import bgpvpn_routes_control as upstream_routes
from neutron_lib.api.definitions import bgpvpn_vni as upstream_vni
from neutron_lib.api.definitions import l3
from neutron_lib.api.definitions import rbac_bgpvpn as upstream_rbac

from isthmus.neutron.words.apidef import attributes, words

_PARENT = {"collection_name": words.BGPVPNS, "member_name": words.BGPVPN}

_STANDARD = [f"standard-attr-{name}" for name in ("description", "revisions", "timestamp")]
"""Our maps come after Neutron's own for these attributes, and take their place."""


def _of_bgpvpn(parameters: attributes.Attributes) -> dict[str, Any]:
    return {"parent": _PARENT, "parameters": parameters}


def _definition(
    like: Any,
    resources: dict[str, Any],
    sub_resources: dict[str, Any] | None = None,
    requires: tuple[str, ...] = (upstream.ALIAS,),
) -> SimpleNamespace:
    """`like` has an alias, a name, a description and a date."""
    return SimpleNamespace(
        ALIAS=like.ALIAS,
        NAME=like.NAME,
        DESCRIPTION=like.DESCRIPTION,
        UPDATED_TIMESTAMP=like.UPDATED_TIMESTAMP,
        RESOURCE_ATTRIBUTE_MAP=resources,
        SUB_RESOURCE_ATTRIBUTE_MAP=sub_resources or {},
        REQUIRED_EXTENSIONS=list(requires),
        OPTIONAL_EXTENSIONS=_STANDARD,
    )


BGPVPN = _definition(
    upstream,
    {words.BGPVPNS: attributes.BGPVPN_ATTRIBUTES},
    {
        words.NETWORK_ASSOCIATIONS: _of_bgpvpn(attributes.NETWORK_ASSOCIATION_ATTRIBUTES),
        words.ROUTER_ASSOCIATIONS: _of_bgpvpn(attributes.ROUTER_ASSOCIATION_ATTRIBUTES),
    },
    requires=(l3.ALIAS,),
)

VNI = _definition(upstream_vni, {words.BGPVPNS: {"vni": attributes.VNI}})

ROUTES_CONTROL = _definition(
    upstream_routes,
    {words.BGPVPNS: {"local_pref": attributes.LOCAL_PREF, "ports": attributes.PORTS}},
    {words.PORT_ASSOCIATIONS: _of_bgpvpn(attributes.PORT_ASSOCIATION_ATTRIBUTES)},
)

RBAC = _definition(
    upstream_rbac,
    {words.BGPVPNS: {words.SHARED: attributes.SHARED}},
    requires=("rbac-policies", upstream.ALIAS),
)

ASSOCIATIONS = _definition(
    SimpleNamespace(
        ALIAS=words.ASSOCIATIONS_ALIAS,
        NAME="BGPVPN associations in one collection",
        DESCRIPTION="Associations of every kind and every BGPVPN, to be read and searched",
        UPDATED_TIMESTAMP="2026-11-20T00:00:00-00:00",
    ),
    {words.ANY_ASSOCIATIONS: attributes.ANY_ASSOCIATION_ATTRIBUTES},
)

FALLBACK = _definition(
    SimpleNamespace(
        ALIAS=words.FALLBACK_ALIAS,
        NAME="BGPVPN fallback",
        DESCRIPTION="Where packets go whose destination a BGPVPN does not know",
        UPDATED_TIMESTAMP="2026-11-30T00:00:00-00:00",
    ),
    {words.BGPVPNS: {"fallback": attributes.FALLBACK}},
)

FAMILIES = _definition(
    SimpleNamespace(
        ALIAS=words.FAMILIES_ALIAS,
        NAME="BGPVPN families",
        DESCRIPTION="In which families of routes a BGPVPN is announced",
        UPDATED_TIMESTAMP="2026-11-30T00:00:00-00:00",
    ),
    {words.BGPVPNS: {"families": attributes.FAMILIES}},
)

STATUS = _definition(
    SimpleNamespace(
        ALIAS=words.STATUS_ALIAS,
        NAME="BGPVPN operational state",
        DESCRIPTION="How BGPVPNs and their associations stand, with the reason, from what agents report",
        UPDATED_TIMESTAMP="2026-11-20T00:00:00-00:00",
    ),
    {words.BGPVPNS: attributes.STATUS},
)
"""Associations have the attributes in their own maps: Neutron extends no collection below another."""
