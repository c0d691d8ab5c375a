"""Tags of BGPVPNs, by Neutron's own tag plugin: `/v2.0/bgpvpns/<id>/tags`.

Neutron looks a tagged object up in a table of its own object classes, to ask the policy about it; this puts a class
there for ours. The tags themselves are read, written and removed by Neutron.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neutron.api import extensions

from isthmus.neutron.store import bgpvpns
from isthmus.neutron.words import apidef

_ALIAS = "standard-attr-tag"


class TaggedBgpvpn:
    """What the policy is asked about."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def to_dict(self) -> dict[str, Any]:
        return self._answer

    @classmethod
    def get_object(cls, context: Any, id: str, fields: Sequence[str]) -> TaggedBgpvpn:
        """Raises BGPVPNNotFound (404)."""
        found = bgpvpns.get_bgpvpn(context, id)
        return cls({"id": found.id, "project_id": found.project_id, "tenant_id": found.project_id, "name": found.name})


def register() -> None:
    """Once the extensions are loaded. Neutron runs their files as modules of its own that cannot be imported, so the
    table is reached through the extension that uses it."""
    loaded = extensions.PluginAwareExtensionManager.get_instance().extensions.get(_ALIAS)
    if loaded is not None:
        type(loaded).get_resources.__func__.__globals__["OVO_CLS"][apidef.BGPVPNS] = TaggedBgpvpn
