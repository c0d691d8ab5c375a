"""OS::Neutron::BGPVPN.

What the API can change is changed in place; type, VNI and project are for life, so another one makes another BGPVPN.
"""

from __future__ import annotations

from typing import Any

from heat.engine import constraints
from heat.engine.resources.openstack.neutron import neutron

from isthmus.heat import schema
from isthmus.heat.constraint import AUTO

EMPTY: dict[str, Any] = {
    "description": "",
    "route_targets": [],
    "import_targets": [],
    "export_targets": [],
    "route_distinguishers": [],
}
"""What a property means that an update took out of the template."""


class BGPVPN(neutron.NeutronResource):
    """A BGP VPN: networks, routers and ports associated with it reach whatever shares its route targets.

    By default only an administrator may create one. Route targets, route distinguishers and VNI are shown to
    administrators only: for others these attributes are null.
    """

    entity = "bgpvpn"
    required_service_extension = "bgpvpn"

    properties_schema = {  # noqa: RUF012  (Heat reads it from the class)
        "name": schema.text("Name of the BGPVPN.", update_allowed=True),
        "type": schema.text(
            "l3 joins IP subnets, l2 stretches an Ethernet segment.",
            constraints.AllowedValues(["l2", "l3"]),
            default="l3",
        ),
        "description": schema.text("Description of the BGPVPN.", update_allowed=True),
        "tenant_id": schema.project("Project that owns the BGPVPN (name or ID)."),
        "route_targets": schema.targets(
            "Route targets imported and exported; auto for one of the cloud's own.",
            "neutron.bgpvpn.route_target_or_auto",
        ),
        "import_targets": schema.targets("Further route targets imported."),
        "export_targets": schema.targets("Further route targets exported."),
        "route_distinguishers": schema.targets(
            "Route distinguishers to announce with.", "neutron.bgpvpn.route_distinguisher"
        ),
        "vni": schema.reference(
            "VXLAN network identifier (1 to 16777215); auto for one of the cloud's own.", "neutron.bgpvpn.vni"
        ),
        "local_pref": schema.local_pref("Local preference of what is announced.", update_allowed=True),
        "fallback": schema.text(
            "Where packets go whose destination it does not know; as the cloud has it if nothing is said.",
            constraints.AllowedValues(["all", "public", "none"]),
            update_allowed=True,
        ),
        "families": schema.listed(
            "Families of routes in which it is announced; all that the hypervisors speak if nothing is said.",
            schema.text("A family.", constraints.AllowedValues(["evpn", "vpnv4", "vpnv6"])),
        ),
        "tags": schema.listed("Tags of the BGPVPN.", schema.text("A tag.")),
    }

    attributes_schema = schema.readable(
        name="Name.",
        description="Description.",
        tags="Tags.",
        type="l2 or l3.",
        route_targets="Route targets imported and exported.",
        import_targets="Further route targets imported.",
        export_targets="Further route targets exported.",
        route_distinguishers="Route distinguishers.",
        vni="VXLAN network identifier.",
        local_pref="Local preference.",
        fallback="Where packets go whose destination it does not know.",
        families="Families of routes in which it is announced; null for all that the hypervisors speak.",
        networks="IDs of the associated networks.",
        routers="IDs of the associated routers.",
        ports="IDs of the associated ports.",
        shared="Whether it is shared with other projects.",
        status="ACTIVE, BUILD, DEGRADED, ERROR or DOWN; null if the cloud does not say.",
        status_reason="Why it has that status.",
    )

    def translation_rules(self, props: Any) -> list[Any]:
        return [schema.by_name(props, ["tenant_id"], self.client_plugin("keystone"), "get_project_id")]

    def handle_create(self) -> None:
        wanted = self.prepare_properties(self.properties, self.physical_resource_name())
        tags = wanted.pop("tags", [])
        made = self.client().create_bgpvpn({"bgpvpn": wanted})["bgpvpn"]
        self.resource_id_set(made["id"])
        if tags:
            self.set_tags(tags)

    def handle_update(self, json_snippet: Any, tmpl_diff: Any, prop_diff: dict[str, Any]) -> None:
        change = {name: EMPTY.get(name) if value is None else value for name, value in prop_diff.items()}
        if "tags" in change:
            self.set_tags(change.pop("tags"))
        if change:
            self.prepare_update_properties(change)
            self.client().update_bgpvpn(self.resource_id, {"bgpvpn": change})

    def handle_delete(self) -> bool:
        if self.resource_id is not None:
            with self.client_plugin().ignore_not_found:
                self.client().delete_bgpvpn(self.resource_id)
        return self.resource_id is not None

    def needs_replace_failed(self) -> bool:
        """Only what is gone is made anew: a forwarding plane in ERROR is not mended by another BGPVPN."""
        return schema.is_gone(self)

    def parse_live_resource_data(self, resource_properties: Any, resource_data: Any) -> Any:
        """What was asked for as `auto` stays so: the number that came of it is no difference."""
        live = super().parse_live_resource_data(resource_properties, resource_data)
        return {name: value for name, value in live.items() if not _is_auto(resource_properties[name])}

    def _resolve_attribute(self, name: str) -> Any:
        return (self._show_resource() or {}).get(name) if self.resource_id else None


def _is_auto(asked: Any) -> bool:
    return isinstance(asked, list) and AUTO in asked
