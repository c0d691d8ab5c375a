"""The rows of ours: each function owns its transaction (tried again on a deadlock or a lost race) and returns values.

What the API hands in is checked for form already; what needs the database (who exists, who conflicts, what is taken)
is checked here, in the transaction that writes. Functions that change what a backend must know also return the names
of the attachments concerned. SQLAlchemy rows never leave this package, nor `reading`.

    rows           who may see what; finding one
    bgpvpns        BGPVPNs
    associations   network, router and port associations; the collection of all of them
    port_routes    the routes of port associations
    conflicts      what must not be associated with what
    overlaps       which subnets of one BGPVPN overlap
    columns        what can be compared and sorted, as SQL
    pages          a list as a request asks for it
"""
