"""How BGPVPNs and associations stand.

agents     our agents among Neutron's
observed   the facts of a status
wishes     what is asked for and only kept
status     the status itself (pure)
statuses   its place in answers
"""
