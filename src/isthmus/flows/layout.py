"""The tables of br-vpn, on one page.

    0  CLASSIFY   which door the packet came in by
         100  in_port=<circuit>                          goto NOBODYS
         100  in_port=<tunnel>,dl_dst=<our router MAC>   goto INBOUND
         100  in_port=<tunnel>,<probe>                   back where it came from, as an answer
         100  in_port=<tunnel>,<answer>                  goto ANSWER
          95  in_port=<tunnel>,dl_dst=<our router MAC>   drop, counted: whose tunnels may not end here (below)
          90  in_port=<tunnel>                           drop, counted
         100  mpls,in_port=<gre>                         goto LABELS
          95  mpls,in_port=<gre>                         drop, counted: whose tunnels may not end here
          90  in_port=<gre>                              drop, counted: no label, or one for many receivers
     5 NOBODYS    what no machine of a VPN can have is in none, whatever prefix covers it
         100  <link-local, loopback, multicast, ...>     goto FALLBACK
           0  anything                                   goto SOURCE
    10 SOURCE     whose packet it is: (circuit, lane, source address) -> view in `metadata`. A lane is the MAC that the
                  router sends to: OVN chooses it by the port that the packet came in by
         200  the router's own TTL error for a packet that falls back: give it the circuit's address, return it
         100  <circuit>,<lane>,<source>                  metadata=<view>, goto VIEW; the router's own error about a
                                                         packet from the VPN gets the circuit's address first
         100  <circuit>,<lane>,<source with floating IP> the same, marked 1 in reg0, goto FLOATING
           1  <circuit>                                  goto FALLBACK
    15 FLOATING   whether who has a floating IP means somebody outside
          30  <circuit>,<where its router goes outside>  goto VIEW
          20  <private destination>                      marked 2, goto VIEW
           0  anything                                   goto VIEW
    20 VIEW       longest prefix of the view: 100 + prefix length of a host route, one less of others, 50 + that of a
                  default route
         132  metadata=<view>,<IPv4 address>             to TUNNEL with VNI, endpoint and router MAC, to LABELLED
                                                         with labels and endpoint, to CHOICE if several PEs share it,
                                                         or into a circuit
         131  <circuit>,reg0=1                           goto GONE: outside, a floating IP wins over every prefix
         107+ metadata=<view>,<destination>              as above, of a prefix
          61  <circuit>,reg0=2                           goto GONE: inside, it wins over a default route
          60  <circuit>                                  the same for a router that keeps to its own default route
          50+ metadata=<view>,<destination>              as above, of a default route
           1  anything                                   goto GONE
    22 CHOICE     of several PEs that share a line, which: by the set of their endpoints (reg4, reg5) and a number from
                  0 to 63 (reg3), which VIEW has made of both addresses
         100  reg3=<number>,reg4,reg5=<endpoints>        reg3=<place>, goto SPREAD
    24 SPREAD     one flow for each PE of a set; in metadata, in the place of the view, the set
         100  reg3=<place>,metadata=<set>                as in VIEW
    30 TUNNEL     one flow for each endpoint that can be sent to
         100  tun_dst=<endpoint>                         our router MAC as source, output:<tunnel>
           0  anything                                   drop, counted: the VPN knows it, the endpoint is not there
    32 LABELLED   what has labels, on its way out; TC is the class of DSCP, its upper three bits
         100  mpls_ttl=1                                 mpls_ttl=2, goto PE: Linux drops 1 without a word
           0  anything                                   goto PE
    34 PE         TUNNEL's twin: one flow for each endpoint that can be sent to
         100  tun_dst=<endpoint>                         output:<gre>
           0  anything                                   drop, counted
    36 LABELS     what has labels, on its way in: exactly ours, and nothing further behind it
         100  mpls_label=<asking>,mpls_bos=1             a probe: back where it came from, with the label of answers
         100  mpls_label=<answering>,mpls_bos=1          goto ANSWER
         100  mpls_label=<label>,mpls_bos=1              pop it, to the IP version it was given for; reg0=<label>,
                                                         goto INBOUND
           0  anything                                   drop, counted
    40 INBOUND    exactly what this node announced: (VNI or label, address) -> circuit
         100+ tun_id=<vni>,<destination>                 to the router, output:<circuit>
         100+ reg0=<label>,<destination>                 the same
           1  in_port=<gre>                              drop, counted
           0  anything                                   drop, counted
    45 GONE       what the view knew a moment ago does not leave by the router
         100  metadata=<view>,<destination>              drop
           0  anything                                   goto FALLBACK
    50 FALLBACK   what no view knows goes back to the router it came from, or not
          40  the router's own error                     drop: whom it is for is not in the VPN
          30  <circuit>,<what the router has a route to>  to the router, IN_PORT (fallback=public)
          20  <circuit>,<private destination>            drop (fallback=public)
          10  <circuit>                                  to the router, IN_PORT; or drop (fallback=none)
    60 ANSWER     one flow for each endpoint that is asked whether it is there
         100  tun_src=<endpoint>                         to the agent
           0  anything                                   drop

Invariants
* A packet of a VPN from a tunnel reaches only table 40 (with a label, 36 before it), so nothing unannounced is
  reachable: no gateway, no NAT, no other VPN. A probe is answered here, without the agent: what answers is what
  forwards. An answer is no probe, so nothing goes to and fro.
* No label is below 16 and no VNI comes by the GRE port, so the two kinds of rows of table 40 never meet.
* A packet behind a label that was given for the other IP version has no address that was announced: it parses to none,
  or to one that its sender chose, which is why its own address is looked at.
* Where an operator has said from where tunnels may come, the flows of the tunnels that let something in are there
  once for each such prefix, with tun_src; anybody else's packets end at priority 95 and 90.
* A packet from a circuit leaves by the tunnel, by another circuit, or by its own circuit through table 50 only.
* What no machine of a VPN can have (`Prefix.is_reserved`, and the circuits' own network) is looked up in no view: a
  prefix that covers such a destination leads nobody's metadata request to somebody else.
* Nothing here decrements TTL: the router before and the router behind do (a TTL of zero here would vanish silently).
* A goto always goes to a higher table, so no packet loops inside the bridge; between circuit and router the loop ends
  in OVN's priority 1090 policy.
* `fail_mode=secure`: an empty table drops.
"""

from __future__ import annotations

from enum import IntEnum

from isthmus.model.net import Mac


class Table(IntEnum):
    """Table numbers; gaps leave room."""

    CLASSIFY = 0
    NOBODYS = 5
    SOURCE = 10
    FLOATING = 15
    VIEW = 20
    CHOICE = 22
    SPREAD = 24
    TUNNEL = 30
    LABELLED = 32
    PE = 34
    LABELS = 36
    INBOUND = 40
    GONE = 45
    FALLBACK = 50
    ANSWER = 60


ROUTER_ERROR = 200
ENTRY = 100
"""Exact entries; in VIEW and INBOUND the prefix length is added: longest prefix wins."""
STRANGER, REFUSED = 95, 90
FLOATING_OUTSIDE, FLOATING_INSIDE, OWN_DEFAULT = 131, 61, 60
"""IPv4 only. In VIEW, what is shorter than a host route has one less than its length: between stands the first."""
DEFAULT_ROUTE = 50
"""Of a default route, its length is added; what may be preferred to it stands between it and longer prefixes."""
OWN_ERROR = 40
GONE_ACTIONS = "drop"
OUTSIDE = 30
PRIVATE = 20
DEFAULT = 10
MISS = 1
DROP = 0

OUTWARD, INWARD = 1, 2
"""In reg0: whom a machine with a floating IP means. 0: it has none."""

PROBE_TYPE = 0x88B5
"""EtherType of a probe and of its answer: IEEE 802's first for local experiments."""
PROBE_MAC, ANSWER_MAC = (Mac.parse(f"02:69:73:74:68:{end}") for end in ("01", "02"))
"""Their destinations. No router's MAC is among them: those begin 02:78 (node/config.py)."""
ASK_LABEL, ANSWER_LABEL = 0xFFFFE, 0xFFFFF
"""Of a probe behind a label: the highest there are. Ours of addresses end far below (`vpn/labels.py`)."""
ANSWER_BYTES = 128
"""How much of an answer the switch hands to the agent: all of it, and never much."""
