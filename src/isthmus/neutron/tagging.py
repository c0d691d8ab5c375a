"""Tags of BGPVPNs, by Neutron's own tag plugin: `/v2.0/bgpvpns/<id>/tags`.

Neutron looks a tagged object up in a table of its own object classes, to ask the policy about it; this puts a class
there for ours. The tags themselves are read, written and removed by Neutron.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neutron.extensions import tagging

from isthmus.neutron import apidef, exceptions
from isthmus.neutron.store import bgpvpns


class TaggedBgpvpn:
    """What the policy is asked about."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def to_dict(self) -> dict[str, Any]:
        return self._answer

    @classmethod
    def get_object(cls, context: Any, id: str, fields: Sequence[str]) -> TaggedBgpvpn | None:
        """None when there is no such BGPVPN: Neutron answers 404."""
        try:
            found = bgpvpns.get_bgpvpn(context, id)
        except exceptions.BGPVPNNotFound:
            return None
        return cls({"id": found.id, "project_id": found.project_id, "tenant_id": found.project_id, "name": found.name})


def register() -> None:
    tagging.OVO_CLS[apidef.BGPVPNS] = TaggedBgpvpn
