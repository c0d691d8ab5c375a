"""A BGP speaker of one session, without I/O: bytes, inputs and the time go in, bytes and values come out.

The public door is `family`, `attribute`, `message`, `nlri.evpn` and `session`; the page is docs/design/bgp.md.
"""
