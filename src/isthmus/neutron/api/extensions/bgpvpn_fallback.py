"""Extension `bgpvpn-fallback`: where packets go whose destination a BGPVPN does not know."""

from __future__ import annotations

from neutron_lib.api import extensions

from isthmus.neutron.words.apidef import definitions


class Bgpvpn_fallback(extensions.APIExtensionDescriptor):  # noqa: N801  (Neutron derives the name from the file's)
    """The attribute `fallback` of a BGPVPN."""

    api_definition = definitions.FALLBACK
