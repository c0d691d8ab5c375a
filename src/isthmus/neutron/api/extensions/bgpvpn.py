"""Extension `bgpvpn`: the BGPVPN resource with its network and router associations."""

from __future__ import annotations

from typing import Any

from neutron_lib.api import extensions

from isthmus.neutron.api.resources import resources
from isthmus.neutron.words.apidef import definitions


class Bgpvpn(extensions.APIExtensionDescriptor):
    """Name and place are Neutron's rule: file `bgpvpn.py`, class `Bgpvpn`."""

    api_definition = definitions.BGPVPN

    @classmethod
    def get_resources(cls) -> list[Any]:
        return resources(cls.api_definition)
