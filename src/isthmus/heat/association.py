"""OS::Neutron::BGPVPN-NET-ASSOCIATION, -ROUTER-ASSOCIATION and -PORT-ASSOCIATION.

The API keeps an association below its BGPVPN, so both ids are needed to find it again. The BGPVPN's is kept with the
stack: the name in the template may mean another one by the time the stack is deleted. A stack made by
networking-bgpvpn's plugin has none kept; there the template's word is taken.
"""

from __future__ import annotations

from typing import Any, ClassVar

from heat.engine import constraints, properties
from heat.engine.resources.openstack.neutron import neutron

from isthmus.heat import schema

PARENT = "bgpvpn_id"
EMPTY: dict[str, Any] = {"description": "", "routes": []}
"""What a property without a default means that an update took out of the template."""


def _common() -> dict[str, Any]:
    return {
        PARENT: schema.reference("BGPVPN (name or ID).", "neutron.bgpvpn", required=True),
        "tenant_id": schema.project("Project of the association, which is that of the BGPVPN (name or ID)."),
        "description": schema.text("Description of the association.", update_allowed=True),
    }


def _readable(**more: str) -> dict[str, Any]:
    return schema.readable(
        description="Description.",
        status="ACTIVE, BUILD, DEGRADED, ERROR or DOWN; null if the cloud does not say.",
        status_reason="Why it has that status.",
        **more,
    )


class _Association(neutron.NeutronResource):
    kind: ClassVar[str]
    required_service_extension = "bgpvpn"

    @property
    def _target(self) -> str:
        return f"{self.kind}_id"

    # ------------------------------------------------------------------------------------ names

    def translation_rules(self, props: Any) -> list[Any]:
        find = "find_resourceid_by_name_or_id"
        return [
            schema.by_name(props, [PARENT], self.client_plugin(), find, "bgpvpn"),
            schema.by_name(props, [self._target], self.client_plugin(), find, self.kind),
            schema.by_name(props, ["tenant_id"], self.client_plugin("keystone"), "get_project_id"),
        ]

    # ------------------------------------------------------------------------------------ its life

    def handle_create(self) -> None:
        wanted = schema.without_nulls(self.prepare_properties(self.properties, self.physical_resource_name()))
        bgpvpn = wanted.pop(PARENT)
        self.data_set(PARENT, bgpvpn)
        create = getattr(self.client(), f"create_{self.entity}")
        self.resource_id_set(create(bgpvpn, {self.res_info_key: wanted})[self.res_info_key]["id"])

    def handle_update(self, json_snippet: Any, tmpl_diff: Any, prop_diff: dict[str, Any]) -> None:
        if not prop_diff:
            return
        change = {name: self._said(name, value) for name, value in prop_diff.items()}
        update = getattr(self.client(), f"update_{self.entity}")
        update(*self._res_get_args(), {self.res_info_key: change})

    def _said(self, name: str, value: Any) -> Any:
        """The value that a change asks for; a property taken out of the template means what it means by itself."""
        if value is not None:
            return schema.without_nulls(value)
        default = self.properties_schema[name].default
        return EMPTY[name] if default is None else default

    def handle_delete(self) -> bool:
        if self.resource_id is not None:
            with self.client_plugin().ignore_not_found:
                getattr(self.client(), f"delete_{self.entity}")(*self._res_get_args())
        return self.resource_id is not None

    def needs_replace_failed(self) -> bool:
        """Only what is gone is made anew: a forwarding plane in ERROR is not mended by another association."""
        return schema.is_gone(self)

    # ------------------------------------------------------------------------------------ reading

    def _res_get_args(self) -> list[str]:
        return [self.data().get(PARENT) or self.properties[PARENT], self.resource_id]

    def _resolve_attribute(self, name: str) -> Any:
        return (self._show_resource() or {}).get(name) if self.resource_id else None


class NetworkAssociation(_Association):
    """Associates a network with a BGPVPN: its ports reach the VPN and are reached from it."""

    kind = "network"
    entity = "bgpvpn_network_assoc"
    res_info_key = "network_association"
    properties_schema = _common() | {
        "network_id": schema.reference("Network (name or ID).", "neutron.network", required=True),
    }
    attributes_schema = _readable(network_id="ID of the network.")


class RouterAssociation(_Association):
    """Associates a router with a BGPVPN: all networks behind it reach the VPN and are reached from it."""

    kind = "router"
    entity = "bgpvpn_router_assoc"
    res_info_key = "router_association"
    properties_schema = _common() | {
        "router_id": schema.reference("Router (name or ID).", "neutron.router", required=True),
        "advertise_extra_routes": schema.truth("Whether the router's static routes are announced too.", default=True),
    }
    attributes_schema = _readable(
        router_id="ID of the router.", advertise_extra_routes="Whether its static routes are announced."
    )


class PortAssociation(_Association):
    """Associates a single port with a BGPVPN, with routes of its own."""

    kind = "port"
    entity = "bgpvpn_port_assoc"
    res_info_key = "port_association"
    required_service_extension = "bgpvpn-routes-control"

    properties_schema = _common() | {
        "port_id": schema.reference("Port (name or ID).", "neutron.port", required=True),
        "advertise_fixed_ips": schema.truth("Whether the port's own addresses are announced.", default=True),
        "routes": schema.listed(
            "Routes that are announced with the port as next hop.",
            properties.Schema(
                properties.Schema.MAP,
                schema={
                    "type": schema.text(
                        "prefix: the prefix given; bgpvpn: what the BGPVPN given has learned.",
                        constraints.AllowedValues(["prefix", "bgpvpn"]),
                        required=True,
                    ),
                    "prefix": schema.text("Prefix, for type prefix.", constraints.CustomConstraint("net_cidr")),
                    PARENT: schema.reference("BGPVPN (name or ID), for type bgpvpn.", "neutron.bgpvpn"),
                    "local_pref": schema.local_pref("Local preference of this route."),
                },
            ),
        ),
    }
    attributes_schema = _readable(
        port_id="ID of the port.",
        advertise_fixed_ips="Whether its own addresses are announced.",
        routes="Routes announced with the port as next hop.",
    )

    def translation_rules(self, props: Any) -> list[Any]:
        find = "find_resourceid_by_name_or_id"
        return [
            *super().translation_rules(props),
            schema.by_name(props, ["routes", PARENT], self.client_plugin(), find, "bgpvpn"),
        ]
