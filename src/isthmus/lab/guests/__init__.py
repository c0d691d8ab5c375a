"""PEs that are not ours, with real forwarding: a Linux kernel of their own (User-Mode Linux) and FRR in it.

The machine's kernel need not have VRF, MPLS, GRE or VXLAN: a guest is an ordinary process that brings them.
"""
