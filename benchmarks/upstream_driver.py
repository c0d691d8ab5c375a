"""networking-bgpvpn's own database-only driver with all of its extensions: what benchmarks/api.py compares with."""

from networking_bgpvpn.neutron.services.service_drivers import driver_api
from neutron_lib.api.definitions import bgpvpn_routes_control, bgpvpn_vni


class EveryExtension(driver_api.BGPVPNDriverRC):  # type: ignore[misc]
    more_supported_extension_aliases = (bgpvpn_routes_control.ALIAS, bgpvpn_vni.ALIAS)
