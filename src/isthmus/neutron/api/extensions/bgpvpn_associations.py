"""Extension `bgpvpn-associations`: associations of every kind and every BGPVPN in one collection."""

from __future__ import annotations

from typing import Any

from neutron_lib.api import extensions

from isthmus.neutron.api.resources import resources
from isthmus.neutron.words.apidef import definitions


class Bgpvpn_associations(extensions.APIExtensionDescriptor):  # noqa: N801  (Neutron's rule)
    """Read only: "which VPNs is this port in?" in one request."""

    api_definition = definitions.ASSOCIATIONS

    @classmethod
    def get_resources(cls) -> list[Any]:
        return resources(cls.api_definition)
