"""Where Neutron calls us while it serves requests of its own.

hooks     its events, translated into attachments that may have changed
guard     refusals at its rows (router interfaces, subnets, addresses), in the transaction that makes them
tagging   tags of BGPVPNs
"""
