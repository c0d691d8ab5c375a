"""Extension `rbac-bgpvpn`: BGPVPNs shared with other projects by RBAC policies, and the attribute `shared`."""

from __future__ import annotations

from neutron_lib.api import extensions

from isthmus.neutron.words.apidef import definitions


class Rbac_bgpvpn(extensions.APIExtensionDescriptor):  # noqa: N801  (Neutron derives the name from the file's)
    """Adds the attribute; the policies are made by Neutron's own `rbac-policies`."""

    api_definition = definitions.RBAC
