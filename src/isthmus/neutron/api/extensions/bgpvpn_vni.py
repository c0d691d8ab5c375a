"""Extension `bgpvpn-vni`: the attribute `vni`."""

from __future__ import annotations

from neutron_lib.api import extensions

from isthmus.neutron.words.apidef import definitions


class Bgpvpn_vni(extensions.APIExtensionDescriptor):  # noqa: N801  (Neutron derives the name from the file's)
    """Adds the attribute; the plugin stores it always."""

    api_definition = definitions.VNI
