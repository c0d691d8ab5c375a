"""The operator's command `isthmus`: asks the agent of this hypervisor and prints what it says.

It computes nothing of its own, but for `why`, which draws conclusions from what one or several agents say.
"""
