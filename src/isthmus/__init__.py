"""Isthmus: BGP VPNs for OpenStack, across clouds. ARCHITECTURE.md maps the rooms."""
