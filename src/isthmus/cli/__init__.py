"""The operator's command `isthmus`: asks the agent of this hypervisor and prints what it says. It computes nothing."""
