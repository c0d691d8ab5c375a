"""Names of the API: aliases, collections, resources, lists. They are networking-bgpvpn's where it has one."""

from __future__ import annotations

from neutron_lib.api.definitions import bgpvpn as upstream
from neutron_lib.api.definitions import bgpvpn_routes_control as upstream_routes
from neutron_lib.api.definitions import bgpvpn_vni as upstream_vni
from neutron_lib.api.definitions import rbac_bgpvpn as upstream_rbac

from isthmus.model.vpn import RouteDistinguisher, RouteTarget

ALIAS, VNI_ALIAS, ROUTES_CONTROL_ALIAS = upstream.ALIAS, upstream_vni.ALIAS, upstream_routes.ALIAS
ASSOCIATIONS_ALIAS = "bgpvpn-associations"
STATUS_ALIAS = "bgpvpn-status"
FALLBACK_ALIAS = "bgpvpn-fallback"
FAMILIES_ALIAS = "bgpvpn-families"
RBAC_ALIAS = upstream_rbac.ALIAS
PATH_PREFIX = upstream.API_PREFIX
BGPVPN, BGPVPNS = upstream.RESOURCE_NAME, upstream.COLLECTION_NAME
NETWORK_ASSOCIATION, NETWORK_ASSOCIATIONS = upstream.NETWORK_ASSOCIATION, upstream.NETWORK_ASSOCIATIONS
ROUTER_ASSOCIATION, ROUTER_ASSOCIATIONS = upstream.ROUTER_ASSOCIATION, upstream.ROUTER_ASSOCIATIONS
PORT_ASSOCIATION, PORT_ASSOCIATIONS = upstream_routes.PORT_ASSOCIATION, upstream_routes.PORT_ASSOCIATIONS
ANY_ASSOCIATION, ANY_ASSOCIATIONS = "bgpvpn_association", "bgpvpn_associations"
"""Associations of every kind and every BGPVPN in one read-only collection."""
AUTO = "auto"
"""Asks for a number of the cloud's own."""
L2, L3 = upstream.BGPVPN_L2, upstream.BGPVPN_L3

TARGET_LISTS = {
    "route_targets": RouteTarget,
    "import_targets": RouteTarget,
    "export_targets": RouteTarget,
    "route_distinguishers": RouteDistinguisher,
}

MEMBER_LISTS = {"networks": "network", "routers": "router", "ports": "port"}
"""The lists of a BGPVPN that follow from its associations, with the kind of association."""

ADMIN_ATTRIBUTES = (*TARGET_LISTS, "vni")
"""Only an administrator reads them by default."""

OPERATOR_ATTRIBUTES = ("families",)
"""Only an administrator reads and gives them, whoever else may choose numbers."""

GUARDED_ATTRIBUTES = (*ADMIN_ATTRIBUTES, "local_pref", "fallback", *OPERATOR_ATTRIBUTES)
"""Only an administrator gives or changes them by default."""

STATUS_ATTRIBUTES = ("status", "status_reason", "status_details")
STATUS_ADMIN_ATTRIBUTES = ("status_details",)
"""Names of hypervisors: only an administrator reads them by default."""

SHARED = "shared"
OWNER = "bgpvpn_project_id"
"""Of an association, seen by the policy only: the project that owns the BGPVPN."""

PREFIX_ROUTE, BGPVPN_ROUTE = upstream_routes.PREFIX_TYPE, upstream_routes.BGPVPN_TYPE
"""The two types of a port association's routes."""
