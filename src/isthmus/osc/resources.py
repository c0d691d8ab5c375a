"""The API's collections as the SDK lists them: paging, links and errors are its doing."""

from __future__ import annotations

from typing import Any

from openstack import resource

KINDS = ("network", "router", "port")


class Association(resource.Resource):
    """One line for each association of every BGPVPN (extension `bgpvpn-associations`)."""

    resources_key = "bgpvpn_associations"
    base_path = "/bgpvpn/bgpvpn_associations"
    allow_list = True
    _query_mapping = resource.QueryParameters("bgpvpn_id", "type", "resource_id", "project_id")

    bgpvpn_id = resource.Body("bgpvpn_id")
    type = resource.Body("type")
    resource_id = resource.Body("resource_id")
    project_id = resource.Body("project_id")
    status = resource.Body("status")
    status_reason = resource.Body("status_reason")


class Bgpvpn(resource.Resource):
    """A BGPVPN with what the SDK's own class does not name; a few fields of it are asked for."""

    resources_key = "bgpvpns"
    base_path = "/bgpvpn/bgpvpns"
    allow_list = True
    _query_mapping = resource.QueryParameters("name", "project_id", "status", "fields")

    type = resource.Body("type")
    project_id = resource.Body("project_id")
    status = resource.Body("status")
    status_reason = resource.Body("status_reason")


def network(app: Any) -> Any:
    """The SDK's network proxy, which the client puts where its type does not say."""
    return app.client_manager.network
