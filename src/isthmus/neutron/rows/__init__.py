"""The tables, and what is true of their rows without regard to where something is attached.

    models        the tables
    migrations    how they came to be
    numbers       numbers given, resting, given again
    making        new rows that carry Neutron's standard attributes
    dirty         attachments that are still to be written
    quotas        what Neutron's quota API knows of us; the check in the transaction that makes something
    pools         how much of each pool is used
    finding       who may see what; finding one
    columns       what can be compared and sorted, as SQL
    paging pages  sort keys and pages as SQL; a list as a request asks for it
    targets       route targets and distinguishers: who may name which
    port_routes   the routes of port associations
    overlaps      which subnets of one BGPVPN overlap

Rule: what writes runs in its caller's transaction.
"""
