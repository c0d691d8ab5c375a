"""The tables of br-vpn, on one page.

    0  CLASSIFY   which door the packet came in by
         100  in_port=<circuit>                          goto SOURCE
         100  in_port=<tunnel>,dl_dst=<our router MAC>   goto INBOUND
          90  in_port=<tunnel>                           drop, counted
    10 SOURCE     whose packet it is: (circuit, source address) -> view in `metadata`
         200  the router's own TTL error for a packet that falls back: give it the circuit's address, return it
         100  <circuit>,<source>                         metadata=<view>, goto VIEW
           1  <circuit>                                  goto FALLBACK
    20 VIEW       longest prefix of the view: priority 100 + prefix length
         100+ metadata=<view>,<destination>              to TUNNEL with VNI, endpoint and router MAC, or into a circuit
           1  anything                                   goto FALLBACK
    30 TUNNEL     one flow for each endpoint that can be sent to
         100  tun_dst=<endpoint>                         our router MAC as source, output:<tunnel>
           0  anything                                   drop, counted: the VPN knows it, the endpoint is not there
    40 INBOUND    exactly what this node announced: (VNI, address) -> circuit
         100+ tun_id=<vni>,<destination>                 to the router, output:<circuit>
           0  anything                                   drop, counted
    50 FALLBACK   what no view knows goes back to the router it came from, or not
          20  <circuit>,<private destination>            drop (fallback=public)
          10  <circuit>                                  to the router, IN_PORT; or drop (fallback=none)

Invariants
* A packet from a tunnel reaches only table 40, so nothing unannounced is reachable: no gateway, no NAT, no other VPN.
* A packet from a circuit leaves by the tunnel, by another circuit, or by its own circuit through table 50 only.
* Nothing here decrements TTL: the router before and the router behind do (a TTL of zero here would vanish silently).
* A goto always goes to a higher table, so no packet loops inside the bridge; between circuit and router the loop ends
  in OVN's priority 1090 policy.
* `fail_mode=secure`: an empty table drops.
"""

from __future__ import annotations

from enum import IntEnum

from isthmus.model.net import Prefix


class Table(IntEnum):
    """Table numbers; gaps leave room."""

    CLASSIFY = 0
    SOURCE = 10
    VIEW = 20
    TUNNEL = 30
    INBOUND = 40
    FALLBACK = 50


ROUTER_ERROR = 200
ENTRY = 100
"""Exact entries; in VIEW and INBOUND the prefix length is added: longest prefix wins."""
REFUSED = 90
PRIVATE = 20
DEFAULT = 10
MISS = 1
DROP = 0

PRIVATE_PREFIXES = tuple(
    Prefix.parse(text) for text in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""What `fallback = public` keeps in: RFC 1918, RFC 6598, RFC 4193."""
