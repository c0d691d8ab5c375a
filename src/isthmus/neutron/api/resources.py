"""The REST resources that an API definition describes, served by the plugin `bgpvpn`."""

from __future__ import annotations

from typing import Any

from neutron.api import extensions
from neutron.api.v2 import base
from neutron_lib.plugins import directory

from isthmus.neutron.words import apidef


def resources(definition: Any) -> list[Any]:
    """The definition's own collections and those below a BGPVPN."""
    own = [_resource(name, attributes, None) for name, attributes in definition.RESOURCE_ATTRIBUTE_MAP.items()]
    return [*own, *sub_resources(definition)]


def sub_resources(definition: Any) -> list[Any]:
    """Only the collections below a BGPVPN: the definition's other maps extend a resource that is there already."""
    found = definition.SUB_RESOURCE_ATTRIBUTE_MAP.items()
    return [_resource(name, sub["parameters"], sub["parent"]) for name, sub in found]


def _resource(collection: str, attributes: dict[str, Any], parent: dict[str, str] | None) -> Any:
    controller = base.create_resource(
        collection,
        collection.removesuffix("s"),
        directory.get_plugin(apidef.ALIAS),
        attributes,
        allow_bulk=True,
        parent=parent,
        allow_pagination=True,
        allow_sorting=True,
    )
    return extensions.ResourceExtension(
        collection, controller, parent, path_prefix=apidef.PATH_PREFIX, attr_map=attributes
    )
