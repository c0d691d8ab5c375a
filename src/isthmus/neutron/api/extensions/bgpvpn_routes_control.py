"""Extension `bgpvpn-routes-control`: port associations with their routes, `local_pref` and `ports` of a BGPVPN."""

from __future__ import annotations

from typing import Any

from neutron_lib.api import extensions

from isthmus.neutron.api.resources import sub_resources
from isthmus.neutron.words.apidef import definitions


class Bgpvpn_routes_control(extensions.APIExtensionDescriptor):  # noqa: N801  (Neutron's rule)
    """`advertise_extra_routes` of a router association is in `bgpvpn`: the stock client sends it always."""

    api_definition = definitions.ROUTES_CONTROL

    @classmethod
    def get_resources(cls) -> list[Any]:
        return sub_resources(cls.api_definition)
