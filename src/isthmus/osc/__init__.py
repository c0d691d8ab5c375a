"""Commands of the OpenStack client for what its own BGPVPN commands lack."""
