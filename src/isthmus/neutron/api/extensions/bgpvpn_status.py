"""Extension `bgpvpn-status`: how BGPVPNs and associations stand."""

from __future__ import annotations

from neutron_lib.api import extensions

from isthmus.neutron.words.apidef import definitions


class Bgpvpn_status(extensions.APIExtensionDescriptor):  # noqa: N801  (Neutron derives the name from the file's)
    """Read only."""

    api_definition = definitions.STATUS
