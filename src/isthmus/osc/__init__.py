"""Commands of the `openstack` client, only for what its own BGPVPN commands cannot do.

They join the client's own network commands (entry points of `openstack.network.v2`), so nothing needs to be switched
on, and none has the name of one that exists. The room talks to the API alone.
"""
