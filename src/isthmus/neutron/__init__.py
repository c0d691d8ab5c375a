"""The Neutron service plugin: the BGPVPN API, its tables, and the reconciler that writes OVN's northbound database.

Neutron's dicts stop in plugin.py, SQLAlchemy rows in store.py and reading.py, OVSDB rows in northbound.py; everything
between them is plain values. Nobody imports this room.
"""
