"""Extension `bgpvpn`: the BGPVPN resource with its network and router associations."""

from __future__ import annotations

from typing import Any

from neutron.api import extensions as neutron_extensions
from neutron.api.v2 import base
from neutron_lib.api import extensions
from neutron_lib.plugins import directory

from isthmus.neutron import apidef


class Bgpvpn(extensions.APIExtensionDescriptor):
    """Name and place are Neutron's rule: file `bgpvpn.py`, class `Bgpvpn`."""

    api_definition = apidef.DEFINITION

    @classmethod
    def get_resources(cls) -> list[Any]:
        plugin = directory.get_plugin(apidef.ALIAS)
        resources = [_resource(plugin, apidef.BGPVPNS, apidef.BGPVPN_ATTRIBUTES, None)]
        for collection, sub in apidef.DEFINITION.SUB_RESOURCE_ATTRIBUTE_MAP.items():
            resources.append(_resource(plugin, collection, sub["parameters"], sub["parent"]))
        return resources


def _resource(plugin: Any, collection: str, attributes: dict[str, Any], parent: dict[str, str] | None) -> Any:
    controller = base.create_resource(
        collection,
        collection.removesuffix("s"),
        plugin,
        attributes,
        allow_bulk=True,
        parent=parent,
        allow_pagination=True,
        allow_sorting=True,
    )
    return neutron_extensions.ResourceExtension(
        collection, controller, parent, path_prefix=apidef.PATH_PREFIX, attr_map=attributes
    )
