"""Extension `bgpvpn-families`: in which families of routes a BGPVPN is announced."""

from __future__ import annotations

from neutron_lib.api import extensions

from isthmus.neutron.words.apidef import definitions


class Bgpvpn_families(extensions.APIExtensionDescriptor):  # noqa: N801  (Neutron derives the name from the file's)
    """The attribute `families` of a BGPVPN."""

    api_definition = definitions.FAMILIES
