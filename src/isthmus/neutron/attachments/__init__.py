"""Attachments: what the database says of a router or a network that is in BGPVPNs, and what must be in OVN for it.

reading     attachments as values, from our tables and Neutron's, in a constant number of statements
desired     pure: attachment → northbound rows
fitting     what of an attachment fits its row (pure)
settling    numbers, content, revision of one attachment under its row lock; the survey for a full pass
backend     the door to what forwards (docs/design/backend.md)
recording   the smallest backend
"""
