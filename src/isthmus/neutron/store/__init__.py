"""The requests' transactions: each function owns one (tried again on a deadlock or a lost race) and returns values.

What the API hands in is checked for form already; what needs the database (who exists, who conflicts, what is taken)
is checked here, in the transaction that writes. Functions that change what a backend must know also return the names
of the attachments concerned. SQLAlchemy rows never leave this room. What is handed in is a tuple: a list would be
copied, down to the last value, in case the transaction is tried again.

    bgpvpns        BGPVPNs
    associations   network, router and port associations; the collection of all of them
    conflicts      what must not be associated with what
"""
