"""Finding and righting every way in which our rows, Neutron's and OVN's can have come apart.

The full pass of the worker rights OVN by itself; this package says in words what differs, and also rights what no
pass looks at: rows of the database that nothing owns.

    leftovers      the database's own faults
    drift          OVN against the database, and both kinds together
    synchronizer   a plug-in of neutron-ovn-db-sync-util
    command        isthmus-db-sync
"""
