"""The keys of our rows in OVN, and their limits.

An AC row (logical port `isthmus-ac-<place>`, type localport):

    isthmus:kind          "ac"
    isthmus:schema        readable-from: the oldest form that a reader must know
    isthmus:written-by    the form of the writer; form 1 has no such key
    isthmus:revision      decimal, raised with every change; reported back as "applied"
    isthmus:site          site of origin, "<admin>:<number>"
    isthmus:attachment    "router:<uuid>" or "network:<uuid>"
    isthmus:subnets       the prefixes of its networks, blank separated: the router serves these itself
    isthmus:fallback      what happens to a packet that the VPN does not know: "all", "public" or "none"
    isthmus:outside       form 2, only with "public": private prefixes that the router has a route to beyond its
                          gateway, and 0.0.0.0/0 or ::/0 where it has a default route into a network of the
                          tenant's, blank separated: they are let through. Beside it `isthmus:fallback` says "all", for
                          readers that do not know this key: they go on as before it was there and cut nothing off
    isthmus:beyond        form 2, only without "public", may be missing: the same prefixes; they matter to what has a
                          floating IP
    isthmus:networks      form 1: Neutron's network names behind it ("neutron-<uuid>"), blank separated; VM rows have
                          them
    isthmus:n:<network>   form 2: "1", one key for each of those networks. A node's monitor finds by it the rows that
                          concern a machine there, whatever their form: this key never changes its meaning
    isthmus:lanes         form 2, may be missing: by which next hop each network's packets come (`Lane`), decimal,
                          blank separated, in the order of the sorted networks
    isthmus:routes        form 2, may be missing: prefixes of the router's own routes, which hide the VPN's; blank
                          separated
    isthmus:addresses     form 2, may be missing, as where the row has no room for it: the router's own addresses, on
                          its networks and beyond its gateway, blank separated: no route leads to them
    isthmus:own-defaults  form 2, may be missing: "4", "6" or both: there the VPN's default route is not followed
    isthmus:a:<uuid>      one key an association, JSON: k kind, b BGPVPN, w networks (if not all of them), n number;
                          in form 1 also v VNI, i import and e export targets, p local preference; in form 2 also
                          s 1 if the BGPVPN is another project's (agents of the first release with form 2 pass it over)

A BGPVPN row (logical port `isthmus-vpn-<uuid>`, type localport, not enabled), form 2:

    isthmus:kind          "vpn"
    isthmus:schema, isthmus:written-by, isthmus:revision    as above
    isthmus:bgpvpn        its uuid
    isthmus:vni           decimal
    isthmus:imports, isthmus:exports    route targets, blank separated
    isthmus:local-pref    decimal; may be missing
    isthmus:families      may be missing: only in these is it announced (`FamilyName`), blank separated
"""

from __future__ import annotations

KEY = "isthmus:"
KIND_KEY = "isthmus:kind"
KIND_AC, KIND_VPN = "ac", "vpn"
KIND_GATEWAY = "gw"
"""The kind of our router port on a network without a router; nodes read its addresses only."""

SCHEMA_KEY, WRITTEN_BY_KEY, REVISION_KEY = "isthmus:schema", "isthmus:written-by", "isthmus:revision"
ATTACHMENT_KEY = "isthmus:attachment"
"""On every row of an attachment: whose it is."""
BGPVPN_KEY = "isthmus:bgpvpn"
LANES_KEY = "isthmus:lanes"
FAMILIES_KEY = "isthmus:families"
ROUTES_KEY, OWN_DEFAULTS_KEY = "isthmus:routes", "isthmus:own-defaults"
ADDRESSES_KEY, BEYOND_KEY = "isthmus:addresses", "isthmus:beyond"
ASSOCIATION_KEY = "isthmus:a:"
NETWORK_KEY, NETWORK_VALUE = "isthmus:n:", "1"

READS = 2
"""The newest form that this release reads."""
WRITES = 2
"""The newest form that this release writes."""
FORM_1_KEY = (SCHEMA_KEY, "1")
"""The pair that every row of form 1 has: nothing else tells whom it concerns."""

ROW_BYTES_MAX = 16 * 1024
"""Most that one row may carry of ours. Each change of a row is sent whole to everybody who monitors it, and OVSDB
clients written in Python parse a long value in quadratic time."""

VPN_PORT = "isthmus-vpn-"


def network_key(network: str) -> tuple[str, str]:
    """The pair by which the rows that concern a network are found."""
    return NETWORK_KEY + network, NETWORK_VALUE


def bgpvpn_port(bgpvpn: str) -> str:
    """The name of a BGPVPN's row."""
    return VPN_PORT + bgpvpn
