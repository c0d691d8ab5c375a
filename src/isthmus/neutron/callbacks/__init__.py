"""Where Neutron calls us while it serves requests of its own.

hooks     its events, translated into attachments that may have changed
guard     refusals at its rows (router interfaces, subnets, addresses), in the transaction that makes them
marks     what one change of its changes at very many routers, in the transaction that makes it
tagging   tags of BGPVPNs
"""
