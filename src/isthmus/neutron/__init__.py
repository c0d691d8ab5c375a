"""The Neutron service plugin: the BGPVPN API, its tables, and the reconciler that writes OVN's northbound database.

Rooms of its own, each of which imports only those to its left (checked by import-linter):

    words ← rows ← attachments ← store ← ovn, callbacks ← state ← api, commands

Neutron's dicts stop in `api`, SQLAlchemy rows in `rows`, `store` and `attachments/reading`, OVSDB rows in
`ovn/northbound`; everything between them is plain values. Nobody imports this room.
"""
