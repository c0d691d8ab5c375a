"""The door to Neutron: its dicts stop here.

plugin            the one base class
association_api   the requests about associations of every kind
shown             what of an answer is shown
rbac              the type `bgpvpn` of Neutron's RBAC policies
resources         the REST resources that a definition describes
extensions        the descriptors
"""
