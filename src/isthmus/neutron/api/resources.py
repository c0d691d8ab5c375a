"""The REST resources that an API definition describes, served by the plugin `bgpvpn`.

Neutron's own controller does all of it but for one thing: it makes a reservation in its database for each creation of
what has a quota. The store counts in its own transaction and lets nobody between (rows/quotas.py), so a reservation
would say nothing that is not known, and took more than half of the time of a POST (docs/design/neutron.md).
"""

from __future__ import annotations

from typing import Any

from neutron.api import extensions
from neutron.api.v2 import base
from neutron.api.v2 import resource as wsgi_resource
from neutron_lib.api import faults
from neutron_lib.callbacks import events, registry
from neutron_lib.db import api as db_api
from neutron_lib.plugins import directory

from isthmus.neutron.words import apidef
from neutron import policy


def resources(definition: Any) -> list[Any]:
    """The definition's own collections and those below a BGPVPN."""
    own = [_resource(name, attributes, None) for name, attributes in definition.RESOURCE_ATTRIBUTE_MAP.items()]
    return [*own, *sub_resources(definition)]


def sub_resources(definition: Any) -> list[Any]:
    """Only the collections below a BGPVPN: the definition's other maps extend a resource that is there already."""
    found = definition.SUB_RESOURCE_ATTRIBUTE_MAP.items()
    return [_resource(name, sub["parameters"], sub["parent"]) for name, sub in found]


class Controller(base.Controller):
    """See the head of the file."""

    @db_api.retry_db_errors
    def _create(self, request: Any, body: Any, **kwargs: Any) -> Any:
        if self.parent is not None:
            return super()._create(request, body, **kwargs)
        context, resource, action = request.context, self._resource, self._plugin_handlers[self.CREATE]
        body = self.prepare_request_body(context, body, True, resource, self._attr_info, allow_bulk=self._allow_bulk)
        several = self._collection in body
        for item in body[self._collection] if several else [body]:
            policy.enforce(context, action, item[resource], pluralized=self._collection)
        if several:
            made = getattr(self._plugin, f"{action}_bulk")(context, **{self._collection: body})
            hidden = self._exclude_attributes_by_policy(context, made[0])
            answer = {self._collection: [self._filter_attributes(one, fields_to_strip=hidden) for one in made]}
        else:
            made = getattr(self._plugin, action)(context, **{resource: body})
            answer = {resource: self._view(context, made)}
        self._tell(request, action, body, answer)
        return answer

    def _tell(self, request: Any, action: str, body: Any, answer: Any) -> None:
        """Whoever listens to the end of a creation: by message, and in this process."""
        said = f"{self._resource}.create.end"
        self._notifier.info(request.context, said, answer)
        payload = events.APIEventPayload(
            request.context,
            said,
            action,
            request_body=body,
            states=({}, answer),
            collection_name=self._collection,
        )
        registry.publish(self._resource, events.BEFORE_RESPONSE, self, payload=payload)


def _resource(collection: str, attributes: dict[str, Any], parent: dict[str, str] | None) -> Any:
    controller = Controller(
        directory.get_plugin(apidef.ALIAS),
        collection,
        collection.removesuffix("s"),
        attributes,
        allow_bulk=True,
        parent=parent,
        allow_pagination=True,
        allow_sorting=True,
    )
    served = wsgi_resource.Resource(controller, faults.FAULT_MAP)
    return extensions.ResourceExtension(collection, served, parent, path_prefix=apidef.PATH_PREFIX, attr_map=attributes)
