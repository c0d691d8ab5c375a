"""Properties and attributes as both kinds of resource use them, and the name look-ups that go with them.

Rules: what the API decides from more than one value stays with the API (its sentence reaches the user as the
resource's reason); only what one value alone shows to be wrong is refused here, before anything is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heat.engine import attributes, constraints, properties, translation

LOCAL_PREF_MAX = 2**32 - 1


def text(what: str, *rules: Any, **more: Any) -> Any:
    return properties.Schema(properties.Schema.STRING, what, constraints=list(rules), **more)


def truth(what: str, default: bool) -> Any:
    return properties.Schema(properties.Schema.BOOLEAN, what, default=default, update_allowed=True)


def local_pref(what: str, **more: Any) -> Any:
    rule = constraints.Range(min=0, max=LOCAL_PREF_MAX)
    return properties.Schema(properties.Schema.INTEGER, what, constraints=[rule], **more)


def listed(what: str, item: Any) -> Any:
    return properties.Schema(properties.Schema.LIST, what, schema=item, update_allowed=True)


def targets(what: str, constraint: str = "neutron.bgpvpn.route_target") -> Any:
    return listed(what, text("AS:number or IPv4:number.", constraints.CustomConstraint(constraint)))


def reference(what: str, constraint: str, **more: Any) -> Any:
    return text(what, constraints.CustomConstraint(constraint), **more)


def project(what: str) -> Any:
    return reference(what, "keystone.project")


def readable(**attribute: str) -> dict[str, Any]:
    """Attributes that the API gives, read anew each time: status and associations change under a finished stack."""
    return {name: attributes.Schema(what, cache_mode=attributes.Schema.CACHE_NONE) for name, what in attribute.items()}


def by_name(props: Any, path: Sequence[str], plugin: Any, finder: str, entity: str | None = None) -> Any:
    """A name at `path` becomes the id before anything else sees it."""
    return translation.TranslationRule(
        props, translation.TranslationRule.RESOLVE, list(path), client_plugin=plugin, finder=finder, entity=entity
    )


def without_nulls(value: Any) -> Any:
    """What a template does not say is not said to the API either: it refuses a null inside a route."""
    if isinstance(value, Mapping):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def is_gone(resource: Any) -> bool:
    """Whether the API knows it no more (or never did)."""
    gone = True
    if resource.resource_id:
        with resource.client_plugin().ignore_not_found:
            resource._show_resource()
            gone = False
    return gone
